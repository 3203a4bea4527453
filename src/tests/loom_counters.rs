//! Claim: who reads a cell while its owner writes it sees totals that only grow,
//! and never more freed than allocated.
//!
//! The owner allocates, frees and allocates again, without a lock and without an
//! atomic add. The reader reads twice, each time in the ledger's order.

use std::iter::once;
use std::sync::Arc;

use loom::thread;

use super::explore::Preemptions::All;
use super::explore::{explore, explore_mutant, explore_wrong};
use super::reader::{check, check_later, read, read_allocated_first};
use crate::ledger::Counts;
use crate::ledger::cell::Cell;
use crate::sync::modelled::Change;

fn owner_and_reader(read: fn(&Cell) -> Counts) {
    let cell = Arc::new(Cell::new());
    let owned = cell.clone();
    let owner = thread::spawn(move || {
        owned.book_alloc(8);
        owned.book_free(8);
        owned.book_alloc(16);
    });
    let first = read(&cell);
    check(&first);
    let second = read(&cell);
    check(&second);
    check_later(&first, &second);
    owner.join().unwrap();
    let last = read(&cell);
    check_later(&second, &last);
    assert_eq!((last.allocated_bytes, last.live_bytes()), (24, 16));
    assert_eq!((last.allocated_blocks, last.live_blocks()), (2, 1));
}

fn in_the_ledgers_order(cell: &Cell) -> Counts {
    read(|| once(cell))
}

fn model() {
    owner_and_reader(in_the_ledgers_order);
}

#[test]
fn loom_counters_only_grow_and_live_is_not_negative() {
    explore("an owner's counters under a reader", All, 97_000, model);
}

#[test]
#[should_panic(expected = "live bytes are negative")]
fn loom_counters_mutant_relaxed_freed_bytes() {
    explore_mutant("ledger/cell.rs", "bump(&self.freed_bytes", Change::Relaxed, model);
}

#[test]
#[should_panic(expected = "live bytes are negative")]
fn loom_counters_mutant_allocated_read_first() {
    explore_wrong(|| owner_and_reader(|cell| read_allocated_first(|| once(cell))));
}

/// Two threads that both take the cell for their own lose counts; loom sees the
/// owner's load meet a store.
#[test]
#[should_panic(expected = "Causality violation")]
fn loom_counters_mutant_two_writers() {
    explore_wrong(|| {
        let cell = Arc::new(Cell::new());
        let other = cell.clone();
        let other = thread::spawn(move || other.book_alloc(8));
        cell.book_alloc(8);
        other.join().unwrap();
    });
}
