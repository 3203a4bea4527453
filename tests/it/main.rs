//! The public API, as a program uses it: heapledger is this program's allocator.
//!
//! The tests run beside each other, so each uses tags of its own, or reads the
//! calling thread only: both are exact whatever the other tests do.

mod children;
mod ephemeral;
mod futures;
mod guards;
mod huge;
mod instances;
mod marks;
mod measuring;
mod names;
mod ownership;
mod peaks;
mod pool_edges;
mod pool_handles;
mod pools;
mod readings;
mod scopes;
mod tags;
mod threads;
mod watching;
mod zero_sized;

#[path = "../support/random.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod random;

use heapledger::{Counts, Tag};

#[global_allocator]
static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();

/// What is booked to a tag itself.
fn own(name: &str) -> Counts {
    Tag::register(name).expect("a valid name").read().expect("an installed allocator").own
}

/// Live bytes and blocks of a tag itself.
fn live(name: &str) -> (u64, u64) {
    (own(name).live_bytes(), own(name).live_blocks())
}

/// What the calling thread allocates and frees while `body` runs.
fn thread_during<R>(body: impl FnOnce() -> R) -> (R, Counts) {
    let before = heapledger::thread().expect("an installed allocator");
    let result = body();
    (result, heapledger::thread().expect("an installed allocator").since(&before))
}
