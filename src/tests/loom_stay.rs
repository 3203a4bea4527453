//! Claim: what a thread counts while it is elsewhere is never read as part of its
//! stay, and no stay is missed or counted twice.
//!
//! A thread allocates and frees outside, inside, outside and inside again, while
//! another one reads. Every number of live bytes is of one place only, so that a
//! reading tells what was taken for what.

use std::sync::Arc;

use loom::thread;

use super::explore::Preemptions::AsAsked;
use super::explore::{explore, explore_mutant, explore_wrong};
use crate::ledger::Counts;
use crate::ledger::cell::Cell;
use crate::ledger::stay::Stay;
use crate::sync::modelled::Change;

struct Thread {
    cell: Cell,
    stay: Stay,
}

impl Thread {
    fn live_bytes(&self) -> i64 {
        let mut sum = Counts::ZERO;
        self.cell.read_freed(&mut sum);
        self.cell.read_allocated(&mut sum);
        sum.live_bytes_signed()
    }
}

/// Allocates 100 outside, 1 inside, 200 outside, 2 inside, 400 outside.
fn comes_and_goes(read: fn(&Thread) -> i64) {
    let thread = Arc::new(Thread { cell: Cell::new(), stay: Stay::new() });
    let worker = thread::spawn({
        let thread = thread.clone();
        move || {
            thread.cell.book_alloc(100);
            thread.stay.turn(100, true);
            thread.cell.book_alloc(1);
            thread.stay.turn(101, false);
            thread.cell.book_alloc(200);
            thread.stay.turn(301, true);
            thread.cell.book_alloc(2);
            thread.stay.turn(303, false);
            thread.cell.book_alloc(400);
        }
    });
    let seen = read(&thread);
    assert!([0, 1, 3].contains(&seen), "{seen}: what was elsewhere is counted");
    worker.join().unwrap();
    assert_eq!(read(&thread), 3, "a stay is missing");
}

fn as_shipped(thread: &Thread) -> i64 {
    thread.stay.read(|| thread.live_bytes())
}

#[test]
fn loom_stay_only_what_is_inside_counts() {
    explore("only what a thread counts inside is its stay", AsAsked, 13_000, || {
        comes_and_goes(as_shipped);
    });
}

#[test]
#[should_panic(expected = "what was elsewhere is counted")]
fn loom_stay_mutant_relaxed_turn() {
    explore_mutant("ledger/stay.rs", "self.0.store(turned", Change::Relaxed, || {
        comes_and_goes(as_shipped);
    });
}

#[test]
#[should_panic(expected = "what was elsewhere is counted")]
fn loom_stay_mutant_no_fence_after_a_turn() {
    explore_mutant("ledger/stay.rs", "fence(Ordering::Release)", Change::LeftOut, || {
        comes_and_goes(as_shipped);
    });
}

#[test]
#[should_panic(expected = "what was elsewhere is counted")]
fn loom_stay_mutant_no_fence_in_the_reading() {
    explore_mutant(
        "ledger/stay.rs",
        "            fence(Ordering::Acquire)",
        Change::LeftOut,
        || {
            comes_and_goes(as_shipped);
        },
    );
}

#[test]
#[should_panic(expected = "what was elsewhere is counted")]
fn loom_stay_mutant_relaxed_reading() {
    explore_mutant("ledger/stay.rs", "let word = self.0.load(", Change::Relaxed, || {
        comes_and_goes(as_shipped);
    });
}

/// The live bytes read first, and what they mean after.
#[test]
#[should_panic(expected = "what was elsewhere is counted")]
fn loom_stay_mutant_live_bytes_read_first() {
    explore_wrong(|| {
        comes_and_goes(|thread| {
            let live_bytes = thread.live_bytes();
            thread.stay.read(|| live_bytes)
        });
    });
}
