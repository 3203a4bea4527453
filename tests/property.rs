//! The ledger against a reference model: eight threads, random requests of every
//! kind, and whenever all threads rest every tag must equal the model to the byte
//! (invariants I1 to I4; hazards 8, 10, 12, 19, 20, 33).
//!
//! About ten seconds for ten million operations. The variables that lengthen or
//! replay a run are at `Plan::from_env`.

mod support;

use heapledger::Allocator;
use support::workload::{Plan, Planted, check};

static ALLOCATOR: Allocator = Allocator::new();

#[test]
fn every_tag_equals_the_model() {
    check(&ALLOCATOR, Plan::from_env("property", 1));
}

/// The same run with an error in it must not pass.
fn check_planted(planted: Planted) {
    let planted = Some(planted);
    let plan = Plan::from_env("planted", 1);
    check(&ALLOCATOR, Plan { seed: 1, threads: 8, operations: 400_000, planted, ..plan });
}

#[test]
#[should_panic(expected = "the ledger differs from the model")]
fn a_block_credited_to_the_wrong_owner_is_found() {
    check_planted(Planted::WrongOwner);
}

#[test]
#[should_panic(expected = "the ledger differs from the model")]
fn a_block_freed_with_a_wrong_size_is_found() {
    check_planted(Planted::WrongSize);
}

#[test]
#[should_panic(expected = "the ledger differs from the model")]
fn a_lost_free_is_found() {
    check_planted(Planted::LostFree);
}

#[test]
#[should_panic(expected = "somebody wrote into")]
fn a_stray_write_is_found() {
    check_planted(Planted::StrayWrite);
}
