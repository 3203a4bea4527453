//! The property test over other backends, which place blocks where the default
//! one never would. A program of its own: `self_check` compares the ledger with
//! the backend that served first, and the system's malloc is below both of these.

mod support;

use heapledger::Allocator;
use heapledger::backend::{SystemMalloc, Wrapped};
use support::backends::Packed;
use support::workload::{Plan, check};

static SYSTEM: Allocator<SystemMalloc> = Allocator::with_backend(SystemMalloc);
static PACKED_INNER: Packed = Packed::new();
static PACKED: Allocator<Wrapped<&Packed>> = Allocator::with_backend(Wrapped::new(&PACKED_INNER));

/// Freed addresses come back at once, to any thread: hazard 11.
#[test]
fn every_tag_equals_the_model_over_the_systems_malloc() {
    check(&SYSTEM, Plan::from_env("system", 10));
}

/// Blocks without gaps, aligned to nothing more than was asked.
#[test]
fn every_tag_equals_the_model_over_the_worst_backend_that_the_law_allows() {
    check(&PACKED, Plan::from_env("packed", 10));
}
