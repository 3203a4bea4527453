//! A cache with a limit in bytes: look-ups, insertions, removals.

use std::borrow::Borrow;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use super::builder::CacheBuilder;
use super::clock::NEVER;
use super::counters::Event;
use super::departure::{Cause, Evicted};
use super::error::CacheError;
use super::inner::{Inner, Lease};
use super::table::Entry;

/// A cache that never holds more bytes than it may.
///
/// Every entry has a weight in bytes: what a weigher says
/// ([`CacheBuilder::weigher`]), or what building the value left on the heap, measured
/// by the ledger ([`get_or_insert_with`](Self::get_or_insert_with)). The sum never
/// exceeds the capacity; entries that were asked for again stay longest. Handles are
/// cheap to clone and share one cache; what it allocates, and the values built in it,
/// belong to the tag `cache/<name>`.
///
/// # Measured weights
///
/// A measured value weighs the bytes that the building thread allocated under the
/// cache's tag and did not free, plus the key and value in the table. That is exact
/// for a value built by this thread and in this scope. Not seen are blocks that other
/// threads or inner scopes allocate; a build that itself fills this cache counts
/// those entries twice; memory of the cache's tag that the build frees counts
/// against it.
///
/// # Cost
///
/// A hit costs 1.0 to 1.3 times one of bare `quick_cache`, statistics included; 1.6
/// to 2.0 times with times to live, as it asks for the time, unless a thread keeps it
/// ([`CacheBuilder::sweep_every`]). 8 bytes an entry beyond key, value and the
/// table's own; 8 to 24 more for an entry that expires.
///
/// # Concurrency
///
/// The table is cut into shards with a lock each; hits take it shared. Builders,
/// listeners, weighers and drops of values run under no lock and may use the cache.
/// `Hash`, `Eq`, `Clone` and `Drop` of keys and `Clone` of values may run under a
/// shard's lock: they must not use the cache, nor panic (counts and limits would be
/// wrong from then on), and should be cheap (wrap values in an [`Arc`]).
///
/// Threads that wait for a lock enter themselves in a table that `parking_lot` keeps
/// for the whole process and never frees: some KiB, booked to the cache that makes it
/// or makes it grow.
///
/// # Examples
///
/// ```
/// # #[global_allocator]
/// # static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
/// use std::sync::Arc;
/// use heapledger::BoundedCache;
///
/// let pages = BoundedCache::<String, Arc<Vec<u8>>>::builder("pages")
///     .capacity_bytes(1 << 20)
///     .build()
///     .unwrap();
/// let page = pages.get_or_insert_with("index", || Arc::new(vec![b'x'; 5000]));
/// assert_eq!(pages.get("index"), Some(page));
/// let statistics = pages.statistics();
/// assert!(statistics.used_bytes > 5000 && statistics.hits == 1);
/// ```
pub struct BoundedCache<K, V> {
    pub(super) inner: Arc<Inner<K, V>>,
}

impl<K, V> Clone for BoundedCache<K, V> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<K, V> fmt::Debug for BoundedCache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundedCache").field("name", &self.inner.name).finish_non_exhaustive()
    }
}

impl<K, V> BoundedCache<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Starts to describe a cache; its bytes are booked to the tag `cache/<name>`.
    ///
    /// Caches of one name share the tag: the ledger tells the bytes of all together,
    /// statistics are each one's own. See [`CacheBuilder::tag`] for another one.
    ///
    /// # Examples
    ///
    /// ```
    /// use heapledger::BoundedCache;
    ///
    /// let names = BoundedCache::<u64, String>::builder("names").max_entries(100).build().unwrap();
    /// names.insert(7, "seven".into()).unwrap();
    /// ```
    pub fn builder(name: &str) -> CacheBuilder<K, V> {
        CacheBuilder::new(name)
    }

    /// The value of a key, unless it is not there or has expired.
    ///
    /// Lets a few entries go whose time is over, if there are any.
    ///
    /// # Panics
    ///
    /// If the listener, or the drop of an expired value, does.
    ///
    /// # Examples
    ///
    /// ```
    /// # let names = heapledger::BoundedCache::builder("get").max_entries(9).build().unwrap();
    /// names.insert("one".to_string(), 1).unwrap();
    /// assert_eq!((names.get("one"), names.get("two")), (Some(1), None));
    /// ```
    #[inline]
    pub fn get<Q>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let inner = &*self.inner;
        let found = inner.find(key);
        inner.counters.add(if found.is_some() { Event::Hit } else { Event::Miss }, 1);
        found
    }

    /// Puts a value under a key, weighed by the cache's weigher.
    ///
    /// A cache without one measures values while they are built, and refuses those
    /// that come ready-made: see [`insert_with`](Self::insert_with). A cache that only
    /// counts entries takes them.
    ///
    /// # Errors
    ///
    /// The value is dropped, and the key's old value leaves, as it is out of date:
    /// - [`CacheError::Oversize`] if it weighs more than a shard can hold.
    ///
    /// Nothing is changed:
    /// - [`CacheError::NotMeasured`] if the cache has no weigher.
    ///
    /// # Panics
    ///
    /// If the weigher, the listener, or the drop of a value that leaves does.
    ///
    /// # Examples
    ///
    /// ```
    /// use heapledger::{BoundedCache, CacheError};
    ///
    /// let texts = BoundedCache::<u64, String>::builder("insert")
    ///     .capacity_bytes(1000)
    ///     .weigher(|_, text| text.len() as u64)
    ///     .build()
    ///     .unwrap();
    /// texts.insert(1, "x".repeat(500)).unwrap();
    /// let refused = texts.insert(2, "x".repeat(5000)).unwrap_err();
    /// assert!(matches!(refused, CacheError::Oversize { entry_bytes: 5000, .. }));
    /// ```
    pub fn insert(&self, key: K, value: V) -> Result<(), CacheError> {
        let bytes = self.weigh(&key, &value)?;
        let lease = self.inner.lease(&key, &value);
        self.put(key, value, bytes, lease)
    }

    /// As [`insert`](Self::insert), for a value with a time to live of its own.
    ///
    /// # Errors
    ///
    /// Those of [`insert`](Self::insert).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # let leases = heapledger::BoundedCache::builder("leases").max_entries(9).build().unwrap();
    /// leases.insert_with_ttl("host", 1, Duration::from_secs(300)).unwrap();
    /// ```
    pub fn insert_with_ttl(
        &self,
        key: K,
        value: V,
        time_to_live: Duration,
    ) -> Result<(), CacheError> {
        let bytes = self.weigh(&key, &value)?;
        let lease = self.inner.lease_for(&key, Some(time_to_live));
        self.put(key, value, bytes, lease)
    }

    /// Takes a value out; `None` if there is none or it has expired.
    ///
    /// A value that is being built for this key meanwhile is given to those who wait
    /// for it, and not kept.
    ///
    /// # Panics
    ///
    /// If the listener does.
    ///
    /// # Examples
    ///
    /// ```
    /// # let names = heapledger::BoundedCache::builder("remove").max_entries(9).build().unwrap();
    /// names.insert(1, "one").unwrap();
    /// assert_eq!((names.remove(&1), names.get(&1)), (Some("one"), None));
    /// ```
    pub fn remove<Q>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let inner = &*self.inner;
        let gone = inner.table.remove(key)?;
        if gone.1.expires != NEVER && gone.1.expires <= inner.rules.clock.now() {
            inner.depart(Some(gone), Cause::Expired);
            return None;
        }
        let value = gone.1.value.clone();
        inner.depart(Some(gone), Cause::Removed);
        Some(value)
    }

    /// Takes all values out.
    ///
    /// What is put in meanwhile may stay.
    ///
    /// # Panics
    ///
    /// If the listener, or the drop of a value, does: the rest stays.
    ///
    /// # Examples
    ///
    /// ```
    /// # let names = heapledger::BoundedCache::builder("clear").max_entries(9).build().unwrap();
    /// names.insert(1, "one").unwrap();
    /// names.clear();
    /// assert!(names.is_empty() && names.statistics().cleared == 1);
    /// ```
    pub fn clear(&self) {
        for gone in self.inner.table.drain() {
            self.inner.depart(Some(gone), Cause::Cleared);
        }
    }

    /// Lets all entries go that have expired; returns their weight in bytes.
    ///
    /// Look-ups and insertions do the same, 64 entries at a time, from at most 0.4 s
    /// after the deadline on; a cache that nobody uses needs this call, or
    /// [`CacheBuilder::sweep_every`].
    ///
    /// # Cost
    ///
    /// One removal for each entry expired; nothing for the others.
    ///
    /// # Panics
    ///
    /// If the listener, or the drop of a value, does.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # let leases = heapledger::BoundedCache::builder("sweep").max_entries(9).build().unwrap();
    /// leases.insert_with_ttl("host", 1, Duration::from_secs(300)).unwrap();
    /// assert_eq!(leases.sweep(), 0);
    /// ```
    pub fn sweep(&self) -> u64 {
        self.inner.sweep().1
    }

    /// Entries held now, expired ones that have not left included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.table.len()
    }

    /// Whether no entry is held now.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.inner.table.is_empty()
    }

    fn weigh(&self, key: &K, value: &V) -> Result<u64, CacheError> {
        let inner = &*self.inner;
        match &inner.rules.weigher {
            Some(weigher) => Ok(weigher(key, value)),
            None if inner.limits.charge.same => Ok(super::shallow_bytes::<K, V>()),
            None => Err(CacheError::NotMeasured),
        }
    }

    pub(super) fn put(&self, key: K, value: V, bytes: u64, lease: Lease) -> Result<(), CacheError> {
        let inner = &*self.inner;
        let bytes = match inner.limits.admit(bytes) {
            Ok(bytes) => bytes,
            Err(max_entry_bytes) => {
                // What is there is out of date, and must not be found.
                let old = inner.table.remove(&key);
                inner.counters.add(Event::Refusal, 1);
                inner.depart(old, Cause::Replaced);
                return Err(CacheError::Oversize { entry_bytes: bytes, max_entry_bytes });
            }
        };
        let mut evicted = Evicted::collected();
        {
            let _scope = inner.tag.enter();
            let entry = Entry::new(value, bytes, lease.expires);
            inner.table.insert_with_lifecycle(key, entry, &mut evicted);
        }
        inner.came_in(lease, bytes, evicted);
        Ok(())
    }
}
