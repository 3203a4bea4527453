//! The stores for one thread, which become caches behind a mutex.

use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cached::{Cached, LruTtlCache};
use quick_cache::DefaultHashBuilder;

use crate::contender::Cache;
use crate::workload::weight;

/// A cache that also needs `&mut` for a hit: it moves the entry to the front.
pub trait Store: Send {
    fn get(&mut self, key: u64) -> Option<u64>;
    fn insert(&mut self, key: u64, value: u64);
}

impl<S: Store> Cache for Mutex<S> {
    fn get(&self, key: u64) -> Option<u64> {
        lock(self).get(key)
    }

    fn insert(&self, key: u64, value: u64) {
        lock(self).insert(key, value);
    }
}

fn lock<S>(store: &Mutex<S>) -> MutexGuard<'_, S> {
    store.lock().unwrap_or_else(PoisonError::into_inner)
}

type Lru = lru::LruCache<u64, u64, DefaultHashBuilder>;

pub fn lru(entries: usize) -> Lru {
    let entries = NonZeroUsize::new(entries).expect("room for an entry");
    Lru::with_hasher(entries, DefaultHashBuilder::default())
}

impl Store for Lru {
    fn get(&mut self, key: u64) -> Option<u64> {
        self.get(&key).copied()
    }

    fn insert(&mut self, key: u64, value: u64) {
        self.put(key, value);
    }
}

type Schnell = schnellru::LruMap<u64, u64, ByBytes, DefaultHashBuilder>;

pub fn schnell(bytes: u64) -> Schnell {
    Schnell::with_hasher(ByBytes { used: 0, capacity: bytes }, DefaultHashBuilder::default())
}

impl Store for Schnell {
    fn get(&mut self, key: u64) -> Option<u64> {
        self.get(&key).copied()
    }

    fn insert(&mut self, key: u64, value: u64) {
        self.insert(key, value);
    }
}

/// schnellru's own limiters count entries, or the memory of the table.
pub struct ByBytes {
    used: u64,
    capacity: u64,
}

impl schnellru::Limiter<u64, u64> for ByBytes {
    type KeyToInsert<'a> = u64;
    type LinkType = u32;

    fn is_over_the_limit(&self, _: usize) -> bool {
        self.used > self.capacity
    }

    fn on_insert(&mut self, _: usize, key: u64, value: u64) -> Option<(u64, u64)> {
        self.used += weight(key);
        Some((key, value))
    }

    /// The weight stays as it is: it depends on the key alone.
    fn on_replace(&mut self, _: usize, _: &mut u64, _: u64, _: &mut u64, _: &mut u64) -> bool {
        true
    }

    fn on_removed(&mut self, key: &mut u64, _: &mut u64) {
        self.used -= weight(*key);
    }

    fn on_cleared(&mut self) {
        self.used = 0;
    }

    fn on_grow(&mut self, _: usize) -> bool {
        true
    }
}

type LruTtl = LruTtlCache<u64, u64, DefaultHashBuilder>;

pub fn cached(entries: usize, time_to_live: Duration) -> LruTtl {
    LruTtlCache::builder()
        .max_size(entries)
        .ttl(time_to_live)
        .hasher(DefaultHashBuilder::default())
        .build()
        .expect("a valid cache")
}

impl Store for LruTtl {
    fn get(&mut self, key: u64) -> Option<u64> {
        self.cache_get(&key).copied()
    }

    fn insert(&mut self, key: u64, value: u64) {
        self.cache_set(key, value);
    }
}
