//! A cache's capacity, and giving memory back.

use std::hash::Hash;

use crate::reclaim::{self, CacheStatistics, Reclaimer, ReclaimerStatistics};
use crate::scope::Tag;

use super::bounded::BoundedCache;
use super::counters::Event;
use super::departure::{Cause, Departed};
use super::error::CacheError;
use super::inner::Inner;

impl<K, V> BoundedCache<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Sets a new capacity; evicts what is beyond it.
    ///
    /// The part of each shard changes with it, and so does
    /// [`max_entry_bytes`](Self::max_entry_bytes); a limit in entries given beside the
    /// one in bytes scales.
    ///
    /// # Errors
    ///
    /// [`CacheError::CountsEntries`] if the cache has no capacity in bytes.
    ///
    /// # Panics
    ///
    /// If the listener, or the drop of a value, does.
    ///
    /// # Examples
    ///
    /// ```
    /// use heapledger::BoundedCache;
    ///
    /// let cache = BoundedCache::<u64, u64>::builder("capacity")
    ///     .capacity_bytes(1000)
    ///     .weigher(|_, _| 100)
    ///     .build()
    ///     .unwrap();
    /// (0..10).for_each(|key| cache.insert(key, key).unwrap());
    /// cache.set_capacity_bytes(500).unwrap();
    /// assert!(cache.statistics().used_bytes <= 500);
    /// ```
    pub fn set_capacity_bytes(&self, bytes: u64) -> Result<(), CacheError> {
        if self.inner.limits.charge.same {
            return Err(CacheError::CountsEntries);
        }
        self.inner.set_capacity(bytes);
        Ok(())
    }

    /// Evicts until the entries weigh at most `bytes`; returns the weight that went.
    ///
    /// The capacity stays. Down to a sixteenth of it the least valuable entries go;
    /// below, any. Each shard goes down to its part, so a little more may go. What the
    /// listener puts in again is not evicted once more.
    ///
    /// # Concurrency
    ///
    /// What is put in meanwhile may be evicted at once; what a change of the capacity
    /// evicts meanwhile may be in the weight returned.
    ///
    /// # Panics
    ///
    /// If the listener, or the drop of a value, does.
    ///
    /// # Examples
    ///
    /// ```
    /// use heapledger::BoundedCache;
    ///
    /// let cache = BoundedCache::<u64, u64>::builder("evict")
    ///     .capacity_bytes(1000)
    ///     .weigher(|_, _| 100)
    ///     .build()
    ///     .unwrap();
    /// (0..10).for_each(|key| cache.insert(key, key).unwrap());
    /// let evicted_bytes = cache.evict_to(300);
    /// assert!(evicted_bytes >= 600 && cache.statistics().used_bytes <= 300);
    /// ```
    pub fn evict_to(&self, bytes: u64) -> u64 {
        self.inner.evict_to(bytes)
    }

    /// The bytes that all entries together may weigh; `None` if entries are counted.
    #[must_use]
    pub fn capacity_bytes(&self) -> Option<u64> {
        self.inner.capacity_bytes()
    }

    /// The most one entry may weigh now; `None` if entries are counted.
    ///
    /// 31/32 of a shard's part of the capacity, and at most 4 GiB.
    #[must_use]
    pub fn max_entry_bytes(&self) -> Option<u64> {
        let limits = &self.inner.limits;
        (!limits.charge.same).then(|| limits.max_entry())
    }

    /// What the cache holds, and how it was used.
    ///
    /// `idle_bytes` is `used_bytes`: a cache gives back every entry if it has to.
    ///
    /// # Cost
    ///
    /// Takes the lock of each shard, shared, and sums what threads counted: some
    /// microseconds. Allocates the name.
    ///
    /// # Concurrency
    ///
    /// Exact where nobody uses the cache meanwhile; a few events off otherwise.
    ///
    /// # Examples
    ///
    /// ```
    /// # let names = heapledger::BoundedCache::builder("read").max_entries(9).build().unwrap();
    /// names.insert(1, "one").unwrap();
    /// names.get(&1);
    /// let it = names.statistics();
    /// assert_eq!((it.entries, it.hits, it.hit_rate()), (1, 1, 1.0));
    /// ```
    #[must_use]
    pub fn statistics(&self) -> CacheStatistics {
        self.inner.read_statistics()
    }
}

impl<K, V> Inner<K, V>
where
    K: Hash + Eq + Clone,
    V: Clone,
{
    fn set_capacity(&self, bytes: u64) {
        let mut capacity = self.limits.lock();
        let table = self.limits.note(&mut capacity, bytes);
        // What this pushes out waits until the lock is released.
        self.table.set_capacity(table);
        drop(capacity);
        // The table itself does not go below a unit for each shard.
        self.evict_rest(bytes);
    }

    fn capacity_bytes(&self) -> Option<u64> {
        (!self.limits.charge.same).then(|| *self.limits.lock())
    }

    /// The weight of all entries.
    pub(super) fn used_bytes(&self) -> u64 {
        if self.counts_weight() {
            // The table's own sum: never more than the capacity, at any moment.
            return self.table.weight();
        }
        // An entry may be counted out before it is counted in.
        let used =
            self.counters.sum(Event::BytesIn).wrapping_sub(self.counters.sum(Event::BytesOut));
        used.cast_signed().max(0).cast_unsigned()
    }

    fn evict_to(&self, target: u64) -> u64 {
        let before = self.used_bytes();
        if before <= target {
            return 0;
        }
        {
            let mut capacity = self.limits.lock();
            let (full, charged) = (*capacity, self.table.weight());
            let share = u128::from(charged) * u128::from(target) / u128::from(before.max(1));
            self.table.set_capacity(self.limits.reduced(full, share as u64));
            let table = self.limits.note(&mut capacity, full);
            self.table.set_capacity(table);
        }
        self.evict_rest(target)
    }

    /// Hands over what the table pushed out, and with it entries in the order of the
    /// table until few enough are left; returns the weight of all.
    fn evict_rest(&self, target: u64) -> u64 {
        let mut evicted = self.pending.take();
        let mut evicted_bytes = evicted.bytes();
        let mut entries = self.table.drain();
        // All go before the first is told: a panic then leaves no more than there may be.
        while self.bytes_without(evicted_bytes) > target
            && let Some(gone) = entries.next()
        {
            evicted_bytes += gone.1.bytes();
            evicted.push(Departed::new(gone, Cause::Size));
        }
        self.deliver(evicted);
        evicted_bytes
    }

    /// The weight of all entries but those that were taken out and are not counted yet.
    fn bytes_without(&self, uncounted: u64) -> u64 {
        let uncounted = if self.counts_weight() { 0 } else { uncounted };
        self.used_bytes().saturating_sub(uncounted)
    }

    /// Whether the table's sum of weights is the one of bytes.
    fn counts_weight(&self) -> bool {
        self.limits.charge.least == 1
    }

    fn read_statistics(&self) -> CacheStatistics {
        let mut it = CacheStatistics::new(&self.name, self.tag.id());
        self.counters.read(&mut it);
        it.entries = self.table.len() as u64;
        it.used_bytes = self.used_bytes();
        it.idle_bytes = it.used_bytes;
        it.capacity_bytes = self.capacity_bytes();
        it
    }
}

impl<K, V> Reclaimer for Inner<K, V>
where
    K: Hash + Eq + Clone + Send + Sync,
    V: Clone + Send + Sync,
{
    fn name(&self) -> &str {
        &self.name
    }

    fn tag(&self) -> &Tag {
        &self.tag
    }

    /// Bytes of values that somebody still holds are not freed, and not counted.
    fn shrink(&self, target_bytes: u64) -> u64 {
        let mut evicted_bytes = 0;
        let freed_bytes = reclaim::freed_bytes_by(|| {
            self.sweep();
            evicted_bytes = self.evict_to(target_bytes);
        });
        // Where nobody counts, the weights are all that is known.
        freed_bytes.unwrap_or(evicted_bytes)
    }

    fn statistics(&self) -> ReclaimerStatistics {
        ReclaimerStatistics::Cache(self.read_statistics())
    }
}
