//! Pools: objects that are used again instead of made again.
//!
//! Ordinary world. Every pool is a tag of its own, `pool/<name>`, and answers
//! `reclaim`. No pool holds a lock, or anything borrowed, while user code runs
//! (factory, reset, weigher, `Drop`).
//!
//! From the bottom: `stack` and `turn` are the lock-free parts (modelled in
//! `src/tests`), `pages` gives slots, `depot` keeps magazines, `shard` is a thread's
//! part, `store` puts them together without knowing what an object is, `objects`
//! runs user code, and `dynamic`, `fixed` and `local` are the pools that programs
//! see, `handle` the one for guards without a lifetime.

#[cfg(not(loom))]
mod builder;
#[cfg(not(loom))]
mod depot;
#[cfg(not(loom))]
mod dynamic;
#[cfg(not(loom))]
mod error;
#[cfg(not(loom))]
mod fixed;
#[cfg(not(loom))]
mod guard;
#[cfg(not(loom))]
mod handle;
#[cfg(not(loom))]
mod hands;
#[cfg(not(loom))]
mod in_slot;
#[cfg(not(loom))]
mod local;
#[cfg(not(loom))]
mod objects;
#[cfg(not(loom))]
mod pages;
#[cfg(not(loom))]
mod prefill;
#[cfg(not(loom))]
mod settings;
#[cfg(not(loom))]
mod shard;
#[cfg(not(loom))]
mod shards;
pub(crate) mod stack;
#[cfg(not(loom))]
mod statistics;
#[cfg(not(loom))]
mod store;
#[cfg(not(loom))]
mod terms;
pub(crate) mod turn;

#[cfg(not(loom))]
pub use {
    builder::PoolBuilder,
    dynamic::Pool,
    error::PoolError,
    fixed::{
        StaticCore, StaticGuard, StaticObjects, StaticPool, StaticShards, static_reset,
        static_weight,
    },
    guard::{PoolGuard, PoolRef},
    handle::{OwnedGuard, PoolHandle},
    local::{LocalGuard, LocalPool},
    settings::default_retained_max,
};

// The pool with a limit on live objects, and what else there is for objects that are
// not alike: by key, by name, by id.
#[cfg(not(loom))]
mod bounded;
#[cfg_attr(loom, allow(dead_code, unused_imports, reason = "the models use a part"))]
pub(crate) mod gate;
#[cfg(not(loom))]
mod named;
#[cfg_attr(loom, allow(dead_code, reason = "the models use a part"))]
pub(crate) mod resources;
#[cfg(not(loom))]
mod slab;
#[cfg(not(loom))]
mod times;

#[cfg(not(loom))]
pub use {
    bounded::{Acquire, BoundedPool, BoundedPoolBuilder, Lease},
    named::{NamedPool, Pools},
    resources::{Cleanup, ResourceError, ResourceGuard, ResourceStatistics, Resources},
    slab::{Key, Slab},
};
