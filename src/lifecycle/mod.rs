//! How many instances of a type there are, and which objects are still alive.
//!
//! - [`Tracked`] counts the instances of a type, by type and by tag; [`instances`]
//!   reads the counts, [`assert_singleton`] and [`check_singleton`] judge them.
//! - [`watch`] keeps an eye on one object behind an [`Arc`](std::sync::Arc) (or
//!   [`watch_rc`] an [`Rc`](std::rc::Rc)); [`survivors`] lists those that are still
//!   alive, with their age: a leaked cycle is among them.
//!
//! None of it needs the allocator to be installed. What it needs itself is booked
//! to the tag `heapledger/lifecycle`.

// Ordinary world. `census` is free of locks after a type's first instance;
// `watchlist` is a list behind a lock, or a thread's own.

mod census;
mod tracked;
mod watch;
mod watchlist;

use crate::scope::Tag;

pub use tracked::{
    InstanceCounts, NotSingleton, TagInstances, Tracked, assert_singleton, check_singleton,
    instances, instances_by_tag,
};
pub use watch::{
    WatchId, Watched, survivors, sweep, unwatch, watch, watch_rc, watch_rc_with, watch_with,
};

/// Who owns what this module needs.
static TAG: Tag = Tag::new("heapledger/lifecycle");
