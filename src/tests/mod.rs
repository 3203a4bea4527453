//! Tests that reach inside the crate: the loom models of its lock-free
//! structures, one claim a file, and what unit tests share.

#[cfg(not(loom))]
pub(crate) mod random;

#[cfg(loom)]
mod explore;
#[cfg(loom)]
mod loom_counters;
#[cfg(loom)]
mod loom_cross_thread_free;
#[cfg(loom)]
mod loom_gate;
#[cfg(loom)]
mod loom_lease;
#[cfg(loom)]
mod loom_leases;
#[cfg(loom)]
mod loom_once_ptr;
#[cfg(loom)]
mod loom_pool_stack;
#[cfg(loom)]
mod loom_pool_turn;
#[cfg(loom)]
mod loom_resources;
#[cfg(loom)]
mod loom_roster;
#[cfg(loom)]
mod loom_slots;
#[cfg(loom)]
mod loom_small_mask;
#[cfg(loom)]
mod loom_stay;
#[cfg(loom)]
mod loom_tag_table;
#[cfg(loom)]
mod loom_tenure;
#[cfg(loom)]
mod reader;
