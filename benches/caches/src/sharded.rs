//! Several small caches that share the keys, so that threads wait less for each other.

use std::array;
use std::hash::BuildHasher;

use quick_cache::DefaultHashBuilder;

use crate::contender::Cache;

pub const SHARDS: usize = 16;

pub struct Sharded<C> {
    shards: [Padded<C>; SHARDS],
    // With a seed of its own: by that of a shard's table, the keys there would crowd.
    hasher: DefaultHashBuilder,
}

/// Keeps a shard's lock out of the cache lines of its neighbours.
#[repr(align(128))]
struct Padded<C>(C);

impl<C> Sharded<C> {
    /// `make` gets the number of shards among which to divide the capacity.
    pub fn new(make: impl Fn(usize) -> C) -> Self {
        Self {
            shards: array::from_fn(|_| Padded(make(SHARDS))),
            hasher: DefaultHashBuilder::default(),
        }
    }

    fn shard(&self, key: u64) -> &C {
        &self.shards[self.hasher.hash_one(key) as usize % SHARDS].0
    }
}

impl<C: Cache> Cache for Sharded<C> {
    fn get(&self, key: u64) -> Option<u64> {
        self.shard(key).get(key)
    }

    fn insert(&self, key: u64, value: u64) {
        self.shard(key).insert(key, value);
    }
}
