//! The table below a cache: what it stores, what an entry weighs, how an entry is
//! found by its hash alone.

use std::hash::{BuildHasher, Hash, Hasher};

use quick_cache::{DefaultHashBuilder, Equivalent, Weighter};

use super::clock::{NEVER, PUSHED_OUT, Tick};
use super::departure::Watch;

pub(super) type Table<K, V> = quick_cache::sync::Cache<K, Entry<V>, Charge, KeyHash, Watch<K, V>>;

/// The bytes of what must not come in.
const REFUSED: u32 = u32::MAX;
/// The most an entry may weigh, as it is written down in four bytes.
pub(super) const ENTRY_BYTES_MAX: u64 = REFUSED as u64 - 1;

/// A value, what it weighs and when it expires: eight bytes beside the value, as
/// every hit copies them and every miss of the processor's cache counts them.
#[derive(Clone)]
pub(super) struct Entry<V> {
    pub(super) value: V,
    bytes: u32,
    pub(super) expires: Tick,
}

impl<V> Entry<V> {
    /// An entry of at most [`ENTRY_BYTES_MAX`].
    pub(super) fn new(value: V, bytes: u64, expires: Tick) -> Self {
        debug_assert!(bytes <= ENTRY_BYTES_MAX);
        Self { value, bytes: bytes as u32, expires }
    }

    /// An entry that the table hands back at once.
    pub(super) fn refused(value: V) -> Self {
        Self { value, bytes: REFUSED, expires: NEVER }
    }

    pub(super) fn is_refused(&self) -> bool {
        self.bytes == REFUSED
    }

    pub(super) fn bytes(&self) -> u64 {
        u64::from(self.bytes)
    }

    pub(super) fn mark_pushed_out(&mut self) {
        self.expires = PUSHED_OUT;
    }

    pub(super) fn was_pushed_out(&self) -> bool {
        self.expires == PUSHED_OUT
    }
}

/// What an entry takes of the table's capacity.
#[derive(Clone, Copy)]
pub(super) struct Charge {
    /// The least, at least 1: the table never evicts what weighs nothing.
    pub(super) least: u64,
    /// Every entry takes the least.
    pub(super) same: bool,
}

impl Charge {
    #[inline]
    pub(super) fn of(self, bytes: u64) -> u64 {
        if self.same { self.least } else { bytes.max(self.least) }
    }
}

impl<K, V> Weighter<K, Entry<V>> for Charge {
    #[inline]
    fn weight(&self, _: &K, entry: &Entry<V>) -> u64 {
        if entry.is_refused() { u64::MAX } else { self.of(entry.bytes()) }
    }
}

/// The hash alone, to find an entry of which only that is known. Two keys of one
/// hash (one pair in 2^64) are one to it: it is only asked where both answers do.
pub(super) struct ByHash<'a> {
    pub(super) hash: u64,
    pub(super) hasher: &'a KeyHash,
}

/// Announces that the next word is the hash.
const IS_HASH: i128 = 0x6865_6170_6c65_6467_6572_2f63_6163_6865;

impl Hash for ByHash<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_i128(IS_HASH);
        state.write_u64(self.hash);
    }
}

impl<K: Hash> Equivalent<K> for ByHash<'_> {
    fn equivalent(&self, stored: &K) -> bool {
        self.hash == self.hasher.hash_one(stored)
    }
}

/// Hashes keys, and lets through what is announced as a hash.
#[derive(Clone, Default)]
pub(super) struct KeyHash(DefaultHashBuilder);

impl BuildHasher for KeyHash {
    type Hasher = KeyHasher;

    #[inline]
    fn build_hasher(&self) -> KeyHasher {
        KeyHasher { inner: self.0.build_hasher(), stored: None }
    }
}

pub(super) struct KeyHasher {
    inner: <DefaultHashBuilder as BuildHasher>::Hasher,
    stored: Option<u64>,
}

/// Every method of the inner hasher that has a path of its own.
macro_rules! passed_on {
    ($($write:ident: $number:ty),*) => {
        $(#[inline]
        fn $write(&mut self, number: $number) {
            self.inner.$write(number);
        })*
    };
}

impl Hasher for KeyHasher {
    #[inline]
    fn finish(&self) -> u64 {
        self.stored.unwrap_or_else(|| self.inner.finish())
    }

    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        self.inner.write(bytes);
    }

    #[inline]
    fn write_u64(&mut self, number: u64) {
        match &mut self.stored {
            None => self.inner.write_u64(number),
            Some(stored) => *stored = number,
        }
    }

    /// A key that happens to write the announcement hashes to what it writes next:
    /// a bad hash for one key in 2^128, and the same each time.
    #[inline]
    fn write_i128(&mut self, number: i128) {
        match number {
            IS_HASH => self.stored = Some(0),
            _ => self.inner.write_i128(number),
        }
    }

    passed_on!(write_u8: u8, write_u16: u16, write_u32: u32, write_u128: u128, write_usize: usize);
    passed_on!(write_i8: i8, write_i16: i16, write_i32: i32, write_i64: i64, write_isize: isize);
}
