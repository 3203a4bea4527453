//! Claim: what a reader takes for one thread's counts holds neither what the
//! slot's earlier threads counted nor anything of a later one.
//!
//! Two threads hold a slot, one after the other; each notes the totals that it
//! found and counts a block. A reader asks whose time it is, reads the cell, and
//! asks whether it still is. That is a sequence lock: its values may be read while
//! they change, and must then be thrown away.

use std::sync::Arc;

use loom::thread;

use super::explore::Preemptions::AsAsked;
use super::explore::{explore, explore_mutant};
use super::reader::read;
use crate::ledger::Counts;
use crate::ledger::cell::Cell;
use crate::ledger::tenure::Tenures;
use crate::sync::modelled::Change;

struct Shard {
    tenures: Tenures,
    cell: Cell,
}

impl Shard {
    fn new() -> Arc<Self> {
        Arc::new(Self { tenures: Tenures::new(), cell: Cell::new() })
    }

    fn counts(&self) -> Counts {
        read(|| std::iter::once(&self.cell))
    }
}

fn counts(number: u64) -> Counts {
    Counts {
        allocated_bytes: number,
        allocated_blocks: number,
        freed_bytes: number,
        freed_blocks: number,
    }
}

/// The four words belong to one tenure.
fn inherited() {
    let shard = Shard::new();
    let writer = thread::spawn({
        let shard = shard.clone();
        move || {
            shard.tenures.begin(counts(1));
            shard.tenures.begin(counts(2));
        }
    });
    if let Some(tenure) = shard.tenures.present() {
        let found = tenure.inherited;
        assert!((0..=2).any(|number| found == counts(number)), "words of two tenures: {found:?}");
    }
    writer.join().unwrap();
    assert_eq!(shard.tenures.present().map(|tenure| tenure.inherited), Some(counts(2)));
}

/// The counts belong to one tenure.
fn own_counts() {
    let shard = Shard::new();
    // That one slot has one holder is `loom_slots`' claim; here it is one thread,
    // which is two in turn.
    let holders = thread::spawn({
        let shard = shard.clone();
        move || {
            for bytes in [8, 16] {
                shard.tenures.begin(shard.counts());
                shard.cell.book_alloc(bytes);
            }
        }
    });
    if let Some(tenure) = shard.tenures.present() {
        let counts = shard.counts();
        if shard.tenures.is_present(&tenure) {
            let own = counts.since(&tenure.inherited);
            let most = match tenure.inherited.allocated_bytes {
                0 => 8,
                _ => 16,
            };
            assert!(own.allocated_bytes <= most, "counts of another thread: {own:?}");
        }
    }
    holders.join().unwrap();
}

#[test]
fn loom_tenure_inherited_words_belong_together() {
    explore("the words of a tenure", AsAsked, 16_000, inherited);
}

#[test]
fn loom_tenure_counts_are_one_threads() {
    explore("the counts of a tenure", AsAsked, 29_000, own_counts);
}

#[test]
#[should_panic(expected = "words of two tenures")]
fn loom_tenure_mutant_no_release_fence() {
    explore_mutant("ledger/tenure.rs", "fence(Ordering::Release)", Change::LeftOut, inherited);
}

#[test]
#[should_panic(expected = "words of two tenures")]
fn loom_tenure_mutant_no_acquire_fence() {
    explore_mutant("ledger/tenure.rs", "fence(Ordering::Acquire)", Change::LeftOut, inherited);
}

#[test]
#[should_panic(expected = "words of two tenures")]
fn loom_tenure_mutant_relaxed_end() {
    let text = "self.number.store(odd.wrapping_add(1)";
    explore_mutant("ledger/tenure.rs", text, Change::Relaxed, inherited);
}

#[test]
#[should_panic(expected = "words of two tenures")]
fn loom_tenure_mutant_relaxed_first_look() {
    let text = "self.number.load(Ordering::Acquire)";
    explore_mutant("ledger/tenure.rs", text, Change::Relaxed, inherited);
}

/// Without the fence the counts of the next thread may be seen and its number
/// not, although the words of a tenure would still belong together.
#[test]
#[should_panic(expected = "counts of another thread")]
fn loom_tenure_mutant_no_acquire_fence_after_the_counts() {
    explore_mutant("ledger/tenure.rs", "fence(Ordering::Acquire)", Change::LeftOut, own_counts);
}
