//! Claim: a slot has one holder at a time, and the next one continues its
//! counters where the last one left them.
//!
//! Two threads (or three) claim a slot, book a block in the slot's cell and give
//! the slot back, twice. A flag beside loom sees two holders at one time. The
//! cell's counters are single-writer, so loom stops at a holder that writes them
//! without having seen all of the last holder's writes. At the end no block may
//! be missing.

use std::cell::Cell as Flag;
use std::sync::Arc;

use loom::thread;

use super::explore::Preemptions::{All, AsAsked};
use super::explore::{explore, explore_mutant};
use crate::ledger::Counts;
use crate::ledger::cell::Cell;
use crate::ledger::slots::Slots;
use crate::sync::modelled::Change;

struct Seats {
    slots: Slots<1>,
    cells: [Cell; 3],
    /// Whether the slot has a holder. Not loom's: always the present state.
    held: [Flag<bool>; 3],
}

// SAFETY: loom runs all threads of a model on one, `held` is never shared.
unsafe impl Sync for Seats {}

impl Seats {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            slots: Slots::new(),
            cells: [Cell::new(), Cell::new(), Cell::new()],
            held: Default::default(),
        })
    }

    /// One thread's life.
    fn live(&self, book: impl Fn(&Cell)) {
        let slot = self.slots.claim().expect("more slots than threads");
        assert!(!self.held[slot].replace(true), "two holders of slot {slot}");
        book(&self.cells[slot]);
        self.held[slot].set(false);
        self.slots.release(slot);
    }

    fn total(&self) -> Counts {
        let mut sum = Counts::default();
        self.cells.iter().for_each(|cell| cell.read_allocated(&mut sum));
        sum
    }
}

/// Each of `threads` lives `rounds` times and books a block of its own size.
fn lives(threads: u64, rounds: u64, book: fn(&Cell, u64)) {
    let seats = Seats::new();
    let threads: Vec<_> = (0..threads)
        .map(|thread| {
            let seats = seats.clone();
            let bytes = 1 << thread;
            let lives = move || (0..rounds).for_each(|_| seats.live(|cell| book(cell, bytes)));
            (bytes, thread::spawn(lives))
        })
        .collect();
    let mut expected = 0;
    for (bytes, handle) in threads {
        handle.join().unwrap();
        expected += rounds * bytes;
    }
    assert_eq!(seats.total().allocated_bytes, expected, "bytes were lost");
}

fn two_threads() {
    lives(2, 2, Cell::book_alloc);
}

#[test]
fn loom_slot_has_one_holder_of_two() {
    explore("a slot has one holder of two threads", All, 29_000, two_threads);
}

#[test]
fn loom_slot_has_one_holder_of_three() {
    explore("a slot has one holder of three threads", AsAsked, 9_000, || {
        lives(3, 1, Cell::book_alloc)
    });
}

#[test]
#[should_panic(expected = "Causality violation")]
fn loom_slot_mutant_relaxed_release() {
    explore_mutant("ledger/slots.rs", "word.fetch_and(", Change::Relaxed, two_threads);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn loom_slot_mutant_relaxed_claim() {
    explore_mutant("ledger/slots.rs", "word.fetch_or(", Change::Relaxed, two_threads);
}

/// With bookings that may meet, so that the flag sees it and not only loom.
#[test]
#[should_panic(expected = "two holders")]
fn loom_slot_mutant_claim_in_two_steps() {
    explore_mutant("ledger/slots.rs", "word.fetch_or(", Change::Split, || {
        lives(2, 2, Cell::book_alloc_shared);
    });
}
