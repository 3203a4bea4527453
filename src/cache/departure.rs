//! Entries on their way out: collected under a shard's lock, handed over after it.

use std::sync::{Arc, Mutex, PoisonError};

use quick_cache::Lifecycle;

use crate::each::each;

use super::counters::{Counters, Event};
use super::table::Entry;

/// Why an entry left a cache.
///
/// # Examples
///
/// ```
/// use std::sync::mpsc;
/// use heapledger::{BoundedCache, Cause};
///
/// let (left, told) = mpsc::channel();
/// let cache = BoundedCache::builder("causes")
///     .max_entries(10)
///     .listener(move |key, value, cause| drop(left.send((key, value, cause))))
///     .build()
///     .unwrap();
/// cache.insert("a", 1).unwrap();
/// cache.insert("a", 2).unwrap();
/// assert_eq!(told.recv(), Ok(("a", 1, Cause::Replaced)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Cause {
    /// Its time to live was over.
    Expired,
    /// Room was needed, or the capacity was lowered.
    Size,
    /// Another value came under its key.
    Replaced,
    /// It was removed by its key.
    Removed,
    /// The cache was cleared.
    Cleared,
}

impl Cause {
    /// All causes, in the order of their declaration.
    pub const ALL: [Self; 5] =
        [Self::Expired, Self::Size, Self::Replaced, Self::Removed, Self::Cleared];
}

/// Called with every entry that leaves.
pub(super) type Listener<K, V> = Box<dyn Fn(K, V, Cause) + Send + Sync>;

/// An entry that left, and why.
pub(super) struct Departed<K, V> {
    pub(super) key: K,
    pub(super) value: V,
    pub(super) bytes: u64,
    pub(super) cause: Cause,
}

impl<K, V> Departed<K, V> {
    pub(super) fn new((key, entry): (K, Entry<V>), cause: Cause) -> Self {
        Self { key, bytes: entry.bytes(), value: entry.value, cause }
    }
}

/// What one operation pushed out of the table.
///
/// Most operations push out one entry: it takes no allocation.
pub(super) struct Evicted<K, V> {
    first: Option<Departed<K, V>>,
    rest: Vec<Departed<K, V>>,
    /// What the operation brought and the table did not take.
    refused: Option<(K, Entry<V>)>,
    /// Where the entries go if the table made this state for itself.
    home: Option<Arc<Pending<K, V>>>,
    ours: bool,
}

impl<K, V> Default for Evicted<K, V> {
    fn default() -> Self {
        Self { first: None, rest: Vec::new(), refused: None, home: None, ours: false }
    }
}

impl<K, V> Evicted<K, V> {
    /// For an operation that hands the entries over by itself.
    pub(super) fn collected() -> Self {
        let mut evicted = Self::default();
        evicted.ours = true;
        evicted
    }

    pub(super) fn push(&mut self, departed: Departed<K, V>) {
        match self.first {
            None => self.first = Some(departed),
            Some(_) => self.rest.push(departed),
        }
    }

    /// Takes out what was pushed out of this key, as if it had not been.
    pub(super) fn take_back(&mut self, key: &K) -> Option<V>
    where
        K: Eq,
    {
        if self.first.as_ref().is_some_and(|one| one.key == *key) {
            return self.first.take().map(|one| one.value);
        }
        let index = self.rest.iter().position(|one| one.key == *key)?;
        Some(self.rest.swap_remove(index).value)
    }

    /// The weight of the entries, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.first.iter().chain(&self.rest).map(|one| one.bytes).sum()
    }

    /// Whether the table refused what the operation brought.
    pub(super) fn refused(&self) -> bool {
        self.refused.is_some()
    }

    /// Counts the entries, and hands them to the listener or drops them.
    ///
    /// # Panics
    ///
    /// If the listener or a value's drop does, with the first panic, after all
    /// entries were handed over.
    pub(super) fn deliver(mut self, counters: &Counters, listener: Option<&Listener<K, V>>) {
        let departed = self.first.take().into_iter().chain(self.rest.drain(..));
        each(departed, |one| {
            count(counters, &one);
            let Departed { key, value, cause, .. } = one;
            match listener {
                Some(listener) => listener(key, value, cause),
                None => drop((key, value)),
            }
        });
    }
}

fn count<K, V>(counters: &Counters, departed: &Departed<K, V>) {
    counters.add(Event::Departure(departed.cause), 1);
    counters.add(Event::BytesOut, departed.bytes);
}

impl<K, V> Drop for Evicted<K, V> {
    fn drop(&mut self) {
        if let Some(home) = self.home.take() {
            let mut pending = home.lock();
            pending.extend(self.first.take());
            pending.append(&mut self.rest);
        }
    }
}

/// Entries pushed out by calls that tell nobody: they wait here to be handed over.
pub(super) struct Pending<K, V>(Mutex<Vec<Departed<K, V>>>);

impl<K, V> Pending<K, V> {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Departed<K, V>>> {
        // Nothing under the lock can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn take(&self) -> Evicted<K, V> {
        let mut evicted = Evicted::collected();
        evicted.rest = core::mem::take(&mut *self.lock());
        evicted
    }
}

/// Tells what leaves the table by the table's own decision.
pub(super) struct Watch<K, V>(Arc<Pending<K, V>>);

impl<K, V> Watch<K, V> {
    pub(super) fn new() -> Self {
        Self(Arc::new(Pending(Mutex::new(Vec::new()))))
    }

    pub(super) fn pending(&self) -> Arc<Pending<K, V>> {
        Arc::clone(&self.0)
    }
}

impl<K, V> Clone for Watch<K, V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K, V> Lifecycle<K, Entry<V>> for Watch<K, V> {
    type RequestState = Evicted<K, V>;

    /// Comes before the eviction of an entry, and not before its replacement.
    #[inline]
    fn before_evict(&self, _: &mut Evicted<K, V>, _: &K, entry: &mut Entry<V>) {
        entry.mark_pushed_out();
    }

    #[inline]
    fn on_evict(&self, state: &mut Evicted<K, V>, key: K, entry: Entry<V>) {
        if entry.is_refused() {
            state.refused = Some((key, entry));
            return;
        }
        if !state.ours && state.home.is_none() {
            state.home = Some(self.pending());
        }
        let cause = if entry.was_pushed_out() { Cause::Size } else { Cause::Replaced };
        state.push(Departed::new((key, entry), cause));
    }
}
