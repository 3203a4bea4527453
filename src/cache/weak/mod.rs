//! A cache that keeps nobody alive: values go when their last user drops them.
//!
//! Entries hold `Weak` references, so a value that is in use anywhere is found and
//! never made twice. A ring of strong references keeps the last few alive that
//! were put in. Sharded maps, each behind a lock of its own; a shard is never
//! locked together with the ring or another shard, and values are built and
//! dropped under no lock.

mod builder;
mod flight;
mod inner;
mod shard;

use std::borrow::Borrow;
use std::convert::Infallible;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use crate::reclaim::CacheStatistics;

use super::counters::Event;
use super::departure::Cause;

pub use builder::WeakCacheBuilder;
use flight::Leader;
use inner::Inner;
use shard::Found;

/// A cache of values that live elsewhere.
///
/// It holds [`Weak`](std::sync::Weak) references: an entry vanishes when the last
/// [`Arc`] of its value drops. The last 100 values put in are kept alive by a ring
/// of strong references ([`WeakCacheBuilder::strong`]), and no entry is found after
/// an hour ([`WeakCacheBuilder::max_age`]), whoever holds its value.
///
/// Handles are cheap to clone and share one cache. Values built inside
/// [`get_or_insert_with`](Self::get_or_insert_with) are booked to `cache/<name>`.
///
/// # Cost
///
/// A look-up hashes the key twice and takes the lock of one of 16 shards.
///
/// # Concurrency
///
/// One caller builds a value, the others wait for it. Values are built and dropped
/// under no lock. `Hash` and `Eq` of keys run under a shard's lock: they must not
/// use the cache, nor panic.
///
/// # Examples
///
/// ```
/// use heapledger::WeakCache;
///
/// let fonts = WeakCache::<String, Vec<u8>>::builder("fonts").strong(0).build().unwrap();
/// let font = fonts.get_or_insert_with("serif", || vec![0; 1000]);
/// assert!(fonts.get("serif").is_some_and(|again| std::sync::Arc::ptr_eq(&again, &font)));
/// drop(font);
/// assert!(fonts.get("serif").is_none());
/// ```
pub struct WeakCache<K, V> {
    inner: Arc<Inner<K, V>>,
}

impl<K, V> Clone for WeakCache<K, V> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<K, V> WeakCache<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// Starts to describe a cache; its memory is booked to the tag `cache/<name>`.
    ///
    /// Caches of one name share the tag, and each reports all of its bytes as
    /// `used_bytes`; all else they count by themselves.
    pub fn builder(name: &str) -> WeakCacheBuilder<K, V> {
        WeakCacheBuilder::new(name)
    }

    /// The value of a key, if it is alive and not too old.
    #[must_use]
    pub fn get<Q>(&self, key: &Q) -> Option<Arc<V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let found = self.inner.find(key);
        self.inner.counters.add(if found.is_some() { Event::Hit } else { Event::Miss }, 1);
        found
    }

    /// Puts a value under a key, in the place of another one.
    pub fn insert(&self, key: K, value: Arc<V>) {
        self.inner.put(key, &value, None);
        // What it owns was allocated elsewhere.
        self.inner.keep(value, 0);
    }

    /// The value of a key, built now under the cache's tag if it is not there.
    ///
    /// Of several callers one builds, the others get what it built; waiting blocks the
    /// thread. A build that looks its own key up waits for itself, for ever.
    ///
    /// # Panics
    ///
    /// If `build` does; one of those who wait then builds.
    pub fn get_or_insert_with<Q>(&self, key: &Q, build: impl FnOnce() -> V) -> Arc<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        match self.try_get_or_insert_with(key, || Ok::<_, Infallible>(build())) {
            Ok(value) => value,
            Err(never) => match never {},
        }
    }

    /// As [`get_or_insert_with`](Self::get_or_insert_with), with a build that may fail.
    ///
    /// # Errors
    ///
    /// What `build` returns; nothing is kept, and one of those who wait builds.
    ///
    /// # Panics
    ///
    /// If `build` does.
    pub fn try_get_or_insert_with<Q, E>(
        &self,
        key: &Q,
        build: impl FnOnce() -> Result<V, E>,
    ) -> Result<Arc<V>, E>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let inner = &*self.inner;
        let mut missed = false;
        let flight = loop {
            match inner.find_or_lead(key) {
                Found::Value(value) => {
                    inner.counters.add(if missed { Event::Coalesced } else { Event::Hit }, 1);
                    return Ok(value);
                }
                Found::Building(flight) => {
                    inner.counters.add(Event::Miss, u64::from(!missed));
                    missed = true;
                    if let Some(value) = flight.wait() {
                        inner.counters.add(Event::Coalesced, 1);
                        return Ok(value);
                    }
                }
                Found::Nothing(flight) => break flight,
            }
        };
        inner.counters.add(Event::Miss, u64::from(!missed));
        let leader = Leader::new(&flight, || inner.abandon(key, &flight));
        let (value, bytes) = inner.booked(build)?;
        inner.put(key.to_owned(), &value, Some(&flight));
        leader.built(&value);
        inner.keep(Arc::clone(&value), bytes);
        Ok(value)
    }

    /// Takes an entry out; returns its value if it is alive and not too old.
    pub fn remove<Q>(&self, key: &Q) -> Option<Arc<V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let inner = &*self.inner;
        let (cause, (_key, weak)) = inner.remove(key)?;
        let value = weak.upgrade()?;
        let _kept = inner.release(|_, kept| Arc::ptr_eq(kept, &value));
        (cause == Cause::Removed).then_some(value)
    }

    /// Forgets entries that are dead or too old, and the strong references to the
    /// latter; returns how many entries went.
    ///
    /// # Panics
    ///
    /// If the drop of a value does: what is left goes with the next call.
    pub fn sweep(&self) -> usize {
        self.inner.sweep()
    }

    /// Entries, the dead ones that were not found out yet included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.len()
    }

    /// Whether there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the cache holds, and how it was used.
    ///
    /// `evicted` counts entries found dead, `used_bytes` is what the ledger says the
    /// cache's tag owns (0 where nobody counts). `idle_bytes` is what values were
    /// measured to weigh, when the cache built them, that nothing but its ring keeps
    /// alive. Values that came ready-made ([`insert`](Self::insert)), or are in the ring
    /// twice, are not in it.
    ///
    /// # Cost
    ///
    /// Takes the lock of each shard and of the ring, and walks all of them.
    #[must_use]
    pub fn statistics(&self) -> CacheStatistics {
        self.inner.read_statistics()
    }
}

impl<K, V> fmt::Debug for WeakCache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakCache").field("name", &self.inner.name).finish_non_exhaustive()
    }
}
