//! The caches, as a program uses them: heapledger is this program's allocator.

mod bounded;
mod concurrent;
mod expiry;
mod leaving;
mod ledger;
mod model;
mod single_flight;
mod support;
mod weak;

#[path = "../support/random.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod random;

#[global_allocator]
static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
