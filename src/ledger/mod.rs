//! The ledger: who allocated and freed how much, by tag and by thread.
//!
//! Hook world. This layer owns numbers only: counters, the shards that hold
//! them, the table of tag names, the map from addresses to owners. Everything
//! here may run inside an allocator call, so nothing in it allocates, panics,
//! formats, or waits on another thread; memory for tables comes from the
//! operating system. Nothing here knows a backend or an exporter.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]
// The models build the lock-free structures, and not everything that uses them.
#![cfg_attr(loom, allow(dead_code))]

pub(crate) mod cell;
#[cfg(not(loom))]
pub(crate) mod descendants;
#[cfg(not(loom))]
pub(crate) mod fault;
#[cfg(not(loom))]
pub(crate) mod injection;
pub(crate) mod lease;
pub(crate) mod leases;
pub(crate) mod lives;
pub(crate) mod moves;
// Runs at compile time or outside the hook.
#[allow(clippy::indexing_slicing)]
pub(crate) mod name;
#[cfg(not(loom))]
pub(crate) mod observer;
pub(crate) mod once_ptr;
#[cfg(not(loom))]
pub(crate) mod peak;
#[cfg(not(loom))]
pub(crate) mod read;
#[cfg(not(loom))]
pub(crate) mod registry;
pub(crate) mod roster;
#[cfg(not(loom))]
pub(crate) mod shard;
pub(crate) mod slots;
pub(crate) mod small_mask;
pub(crate) mod stay;
#[cfg(not(loom))]
pub(crate) mod tag_map;
pub(crate) mod tag_table;
pub(crate) mod tenure;
#[cfg(not(loom))]
pub(crate) mod window;

pub use cell::Counts;

/// Tags there can be, the two built-in ones included.
pub const TAGS_MAX: usize = 4096;
/// Threads with counters of their own at one time; further ones share a shard.
pub(crate) const THREADS_MAX: usize = 4096;

/// Everything allocated outside any scope.
pub(crate) const UNTAGGED: u16 = 0;
/// Everything booked to names that no longer fitted into the table.
pub(crate) const OVERFLOW: u16 = 1;
