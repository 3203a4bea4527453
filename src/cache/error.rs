//! Why a cache could not be built or refused an entry.

use core::fmt;

use crate::ledger::name::TagError;

/// Why a cache could not be built, or did not take an entry.
///
/// `Display` says what to do.
///
/// # Examples
///
/// ```
/// use heapledger::{BoundedCache, CacheError};
///
/// let error = BoundedCache::<u64, u64>::builder("no_limit").build().unwrap_err();
/// assert_eq!(error, CacheError::NoCapacity);
/// assert!(error.to_string().contains("capacity_bytes"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CacheError {
    /// The entry weighs more than one shard of the cache can hold.
    Oversize {
        /// What the entry weighs.
        entry_bytes: u64,
        /// The most an entry of this cache may weigh.
        max_entry_bytes: u64,
    },
    /// The cache weighs values by what building them allocates, and this one came
    /// ready-made.
    NotMeasured,
    /// The cache counts entries: it has no capacity in bytes that could be set.
    CountsEntries,
    /// The builder was given neither a capacity in bytes nor one in entries.
    NoCapacity,
    /// The cache was to measure its values, and no heapledger allocator serves
    /// this process.
    NotInstalled,
    /// The name is not one of a tag, or finds no place; holds why.
    InvalidName(TagError),
    /// The thread that sweeps could not be started; holds the system's error number.
    NoSweeper(Option<i32>),
}

impl fmt::Display for CacheError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Oversize { entry_bytes, max_entry_bytes } => write!(
                f,
                "the entry weighs {entry_bytes} bytes and one of this cache may weigh \
                 {max_entry_bytes} (31/32 of a shard, at most 4 GiB): raise the capacity, or cut \
                 it into fewer shards (`CacheBuilder::max_entry_bytes`, `shards`)"
            ),
            Self::NotMeasured => f.write_str(
                "this cache weighs values by what building them allocates: use `insert_with` or \
                 `get_or_insert_with`, or give the cache a weigher",
            ),
            Self::CountsEntries => f.write_str(
                "this cache was built with `max_entries` only: build it with `capacity_bytes` to \
                 limit bytes",
            ),
            Self::NoCapacity => f.write_str(
                "a cache needs a limit: give its builder `capacity_bytes`, `max_entries` or both",
            ),
            Self::NotInstalled => f.write_str(
                "nothing measures the values: make heapledger::Allocator the global allocator, or \
                 give the cache a weigher",
            ),
            Self::InvalidName(error) => error.fmt(f),
            Self::NoSweeper(Some(code)) => {
                write!(f, "the sweeping thread could not be started (error {code})")
            }
            Self::NoSweeper(None) => f.write_str("the sweeping thread could not be started"),
        }
    }
}

impl core::error::Error for CacheError {}
