//! The caches, each behind the same two functions.

use std::time::Duration;

use quick_cache::{DefaultHashBuilder, Weighter};

use crate::workload::weight;

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

pub const CONTENDERS: [Contender; 6] = [
    Contender {
        name: "quick_cache",
        policy: true,
        make: |bytes, entries| {
            let cache: Quick = quick_cache::sync::Cache::with_weighter(entries, bytes, Weight);
            Box::new(cache)
        },
    },
    Contender {
        name: "BoundedCache (statistics)",
        policy: false,
        make: |bytes, entries| Box::new(build(bounded(bytes, entries))),
    },
    Contender {
        name: "BoundedCache (statistics, TTL)",
        policy: true,
        make: |bytes, entries| Box::new(build(bounded(bytes, entries).time_to_live(HOUR))),
    },
    Contender {
        name: "BoundedCache (the same, sweep_every)",
        policy: false,
        make: |bytes, entries| {
            let builder = bounded(bytes, entries).time_to_live(HOUR);
            Box::new(build(builder.sweep_every(Duration::from_millis(100))))
        },
    },
    Contender {
        name: "moka",
        policy: true,
        make: |bytes, _| Box::new(moka(bytes).build_with_hasher(DefaultHashBuilder::default())),
    },
    Contender {
        name: "moka (TTL)",
        policy: false,
        make: |bytes, _| {
            let builder = moka(bytes).time_to_live(HOUR);
            Box::new(builder.build_with_hasher(DefaultHashBuilder::default()))
        },
    },
];

#[derive(Clone)]
struct Weight;

impl Weighter<u64, u64> for Weight {
    fn weight(&self, key: &u64, _: &u64) -> u64 {
        weight(*key)
    }
}

type Quick = quick_cache::sync::Cache<u64, u64, Weight>;

impl Cache for Quick {
    fn get(&self, key: u64) -> Option<u64> {
        self.get(&key)
    }

    fn insert(&self, key: u64, value: u64) {
        self.insert(key, value);
    }
}

type Bounded = heapledger::BoundedCache<u64, u64>;

fn bounded(bytes: u64, entries: usize) -> heapledger::CacheBuilder<u64, u64> {
    Bounded::builder("bench")
        .capacity_bytes(bytes)
        .expected_entries(entries as u64)
        .weigher(|key, _| weight(*key))
}

fn build(builder: heapledger::CacheBuilder<u64, u64>) -> Bounded {
    builder.build().expect("a valid cache")
}

impl Cache for Bounded {
    fn get(&self, key: u64) -> Option<u64> {
        self.get(&key)
    }

    fn insert(&self, key: u64, value: u64) {
        self.insert(key, value).expect("entries of 2 KiB fit");
    }
}

type Moka = moka::sync::Cache<u64, u64, DefaultHashBuilder>;

fn moka(bytes: u64) -> moka::sync::CacheBuilder<u64, u64, moka::sync::Cache<u64, u64>> {
    moka::sync::Cache::builder().max_capacity(bytes).weigher(|key, _| weight(*key) as u32)
}

impl Cache for Moka {
    fn get(&self, key: u64) -> Option<u64> {
        self.get(&key)
    }

    fn insert(&self, key: u64, value: u64) {
        self.insert(key, value);
    }
}
