//! Caches that know their bytes and give them back.
//!
//! Owns `BoundedCache` (a limit in bytes or entries, times to live, a listener) and
//! `WeakCache` (keeps nobody alive). Ordinary world; uses `scope` for tags, `alloc`
//! and `ledger` to read what the calling thread allocated under one, `reclaim` to be
//! listed. The table below `BoundedCache` is `quick_cache`'s: its eviction policy,
//! its shards, its waiting for a build.
//!
//! Promises: Σ weights ≤ capacity at any moment; whatever leaves is counted and
//! handed over once; builders, listeners, weighers and drops of values run under no
//! lock. `Hash`, `Eq`, `Clone` and `Drop` of keys and `Clone` of values may run under
//! a shard's lock and must not use the cache, nor panic.

mod bounded;
mod builder;
mod building;
mod clock;
mod counters;
mod departure;
mod error;
mod expiry;
mod inner;
mod limits;
mod measured;
mod shrinking;
mod table;
mod weak;

pub use bounded::BoundedCache;
pub use builder::CacheBuilder;
pub use departure::Cause;
pub use error::CacheError;
pub use weak::{WeakCache, WeakCacheBuilder};

/// What an entry takes in the table, without what it points to.
const fn shallow_bytes<K, V>() -> u64 {
    (size_of::<K>() + size_of::<V>()) as u64
}
