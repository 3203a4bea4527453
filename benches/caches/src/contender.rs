//! The caches of the table, each behind the same two functions.

use std::sync::Mutex;
use std::time::Duration;

use crate::concurrent::{self, bounded};
use crate::locked;
use crate::sharded::Sharded;

/// A cache of numbers.
pub trait Cache: Sync {
    fn get(&self, key: u64) -> Option<u64>;
    fn insert(&self, key: u64, value: u64);
}

pub struct Contender {
    pub name: &'static str,
    /// Its hit ratio is worth a line of its own.
    pub policy: bool,
    /// Makes one, from its capacity in bytes and the entries expected.
    pub make: fn(u64, usize) -> Box<dyn Run>,
}

/// What is run on a cache without a call through a table for every operation.
pub trait Run: Sync {
    fn fill(&self, keys: &[u64]);
    fn hits(&self, keys: &[u64]) -> u64;
    fn gets_and_inserts(&self, keys: &[u64]) -> u64;
}

impl<C: Cache> Run for C {
    fn fill(&self, keys: &[u64]) {
        keys.iter().for_each(|&key| self.insert(key, key));
    }

    fn hits(&self, keys: &[u64]) -> u64 {
        keys.iter().filter(|&&key| self.get(key).is_some()).count() as u64
    }

    fn gets_and_inserts(&self, keys: &[u64]) -> u64 {
        let mut hits = 0;
        for &key in keys {
            match self.get(key) {
                Some(_) => hits += 1,
                None => self.insert(key, key),
            }
        }
        hits
    }
}

const HOUR: Duration = Duration::from_secs(3600);

pub const CONTENDERS: [Contender; 13] = [
    Contender {
        name: "quick_cache",
        policy: true,
        make: |bytes, entries| Box::new(concurrent::quick(bytes, entries)),
    },
    Contender {
        name: "BoundedCache (statistics)",
        policy: false,
        make: |bytes, entries| Box::new(concurrent::build(bounded(bytes, entries))),
    },
    Contender {
        name: "BoundedCache (statistics, TTL)",
        policy: true,
        make: |bytes, entries| {
            Box::new(concurrent::build(bounded(bytes, entries).time_to_live(HOUR)))
        },
    },
    Contender {
        name: "BoundedCache (the same, sweep_every)",
        policy: false,
        make: |bytes, entries| {
            let builder = bounded(bytes, entries).time_to_live(HOUR);
            Box::new(concurrent::build(builder.sweep_every(Duration::from_millis(100))))
        },
    },
    Contender {
        name: "moka",
        policy: true,
        make: |bytes, _| Box::new(concurrent::moka(bytes, None)),
    },
    Contender {
        name: "moka (TTL)",
        policy: false,
        make: |bytes, _| Box::new(concurrent::moka(bytes, Some(HOUR))),
    },
    Contender {
        name: "mini-moka",
        policy: true,
        make: |bytes, _| Box::new(concurrent::mini_moka(bytes)),
    },
    Contender {
        name: "foyer-memory (S3-FIFO)",
        policy: true,
        make: |bytes, _| Box::new(concurrent::foyer(bytes)),
    },
    Contender {
        name: "lru (Mutex, by entries)",
        policy: true,
        make: |_, entries| Box::new(Mutex::new(locked::lru(entries))),
    },
    Contender {
        name: "lru (16 shards, by entries)",
        policy: false,
        make: |_, entries| {
            Box::new(Sharded::new(|shards| Mutex::new(locked::lru(entries / shards))))
        },
    },
    Contender {
        name: "schnellru (Mutex)",
        policy: true,
        make: |bytes, _| Box::new(Mutex::new(locked::schnell(bytes))),
    },
    Contender {
        name: "schnellru (16 shards)",
        policy: false,
        make: |bytes, _| {
            Box::new(Sharded::new(|shards| Mutex::new(locked::schnell(bytes / shards as u64))))
        },
    },
    Contender {
        name: "cached (LRU, TTL; Mutex, by entries)",
        policy: true,
        make: |_, entries| Box::new(Mutex::new(locked::cached(entries, HOUR))),
    },
];
