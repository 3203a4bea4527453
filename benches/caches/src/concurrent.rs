//! The caches that are made for many threads, by bytes.

use std::time::Duration;

use quick_cache::{DefaultHashBuilder, Weighter};

use crate::contender::Cache;
use crate::sharded::SHARDS;
use crate::workload::weight;

#[derive(Clone)]
pub struct Weight;

impl Weighter<u64, u64> for Weight {
    fn weight(&self, key: &u64, _: &u64) -> u64 {
        weight(*key)
    }
}

type Quick = quick_cache::sync::Cache<u64, u64, Weight>;

pub fn quick(bytes: u64, entries: usize) -> Quick {
    Quick::with_weighter(entries, bytes, Weight)
}

impl Cache for Quick {
    fn get(&self, key: u64) -> Option<u64> {
        self.get(&key)
    }

    fn insert(&self, key: u64, value: u64) {
        self.insert(key, value);
    }
}

type Bounded = heapledger::BoundedCache<u64, u64>;

pub fn bounded(bytes: u64, entries: usize) -> heapledger::CacheBuilder<u64, u64> {
    Bounded::builder("bench")
        .capacity_bytes(bytes)
        .expected_entries(entries as u64)
        .weigher(|key, _| weight(*key))
}

pub fn build(builder: heapledger::CacheBuilder<u64, u64>) -> Bounded {
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

pub fn moka(bytes: u64, time_to_live: Option<Duration>) -> Moka {
    let mut builder =
        moka::sync::Cache::builder().max_capacity(bytes).weigher(|key, _| weight(*key) as u32);
    if let Some(time) = time_to_live {
        builder = builder.time_to_live(time);
    }
    builder.build_with_hasher(DefaultHashBuilder::default())
}

impl Cache for Moka {
    fn get(&self, key: u64) -> Option<u64> {
        self.get(&key)
    }

    fn insert(&self, key: u64, value: u64) {
        self.insert(key, value);
    }
}

type MiniMoka = mini_moka::sync::Cache<u64, u64, DefaultHashBuilder>;

pub fn mini_moka(bytes: u64) -> MiniMoka {
    mini_moka::sync::Cache::builder()
        .max_capacity(bytes)
        .weigher(|key, _| weight(*key) as u32)
        .build_with_hasher(DefaultHashBuilder::default())
}

impl Cache for MiniMoka {
    fn get(&self, key: u64) -> Option<u64> {
        self.get(&key)
    }

    fn insert(&self, key: u64, value: u64) {
        self.insert(key, value);
    }
}

type Foyer = foyer_memory::Cache<u64, u64, DefaultHashBuilder>;

pub fn foyer(bytes: u64) -> Foyer {
    foyer_memory::CacheBuilder::new(bytes as usize)
        // As many as the others have: its own default is 8.
        .with_shards(SHARDS)
        .with_eviction_config(foyer_memory::S3FifoConfig::default())
        .with_hash_builder(DefaultHashBuilder::default())
        .with_weighter(|key, _| weight(*key) as usize)
        .build()
}

impl Cache for Foyer {
    fn get(&self, key: u64) -> Option<u64> {
        self.get(&key).map(|entry| *entry.value())
    }

    fn insert(&self, key: u64, value: u64) {
        self.insert(key, value);
    }
}
