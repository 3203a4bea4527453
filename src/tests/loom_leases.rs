//! Claim: while an id goes from one short-lived tag to the next, no tag has a byte of
//! another's, none is lost, and whoever reads sees one of the two, whole.
//!
//! One id is free for short lives, so the next tag gets the last one's. The threads
//! hold and let go, free each other's blocks, end lives, begin the next one, and
//! read. The tag above is `(untagged)`, where the totals of ended lives go. Names are
//! loom cells: loom stops where one is read or written without having seen the last
//! write.

use std::sync::Arc;

use loom::thread;

use super::explore::Preemptions::{AsAsked, Two};
use super::explore::{explore, explore_mutant};
use super::reader::{check, check_later, read};
use crate::ledger::Counts;
use crate::ledger::cell::Cell;
use crate::ledger::leases::{End, Lease};
use crate::ledger::tag_table::TagTable;
use crate::sync::modelled::Change;

const ABOVE: u16 = 0;
const THREADS: usize = 3;

/// The table, and the cells of every thread for each of `TAGS` ids.
struct Ledger<const TAGS: usize> {
    table: TagTable<TAGS, 8, 1>,
    cells: [[Cell; TAGS]; THREADS],
}

impl<const TAGS: usize> Ledger<TAGS> {
    fn new() -> Arc<Self> {
        let row = |_| std::array::from_fn(|_| Cell::new());
        Arc::new(Self { table: TagTable::new(), cells: std::array::from_fn(row) })
    }

    fn cell(&self, thread: usize, id: u16) -> &Cell {
        &self.cells[thread][id as usize]
    }

    /// What all threads booked under an id, in all its lives.
    fn booked(&self, id: u16) -> Counts {
        read(|| (0..THREADS).map(|thread| self.cell(thread, id)))
    }

    fn end(&self, id: u16) -> End {
        self.table.end_life(id, || self.booked(id), || ())
    }

    fn lease(&self, name: &str) -> Option<Lease> {
        self.table.lease(name, ABOVE, |id| self.end(id)).ok()
    }

    fn let_go(&self, lease: Lease) {
        if self.table.let_go(lease) {
            let _ = self.end(lease.id);
        }
    }

    /// A tag's life, if there is an id: a block, and nobody else's.
    fn live(&self, thread: usize, name: &str, bytes: u64) {
        let Some(lease) = self.lease(name) else { return };
        self.cell(thread, lease.id).book_alloc(bytes);
        let reading = self.table.reading();
        assert_eq!(reading.name(lease.id), Some(name), "the name of an id one holds");
        let own = self.booked(lease.id).plus(&reading.balance(lease.id));
        assert_eq!((own.allocated_bytes, own.freed_bytes), (bytes, 0), "a stranger's bytes");
        drop(reading);
        self.cell(thread, lease.id).book_free(bytes);
        self.let_go(lease);
    }

    /// What a tag holds, by a reader.
    fn held(&self, id: u16) -> Counts {
        let reading = self.table.reading();
        self.booked(id).plus(&reading.balance(id))
    }

    /// At rest: every life can end, and then all totals are above.
    fn check_at_rest(&self, allocated_bytes: u64) {
        let (_, put_off) = self.table.end_orphans(TAGS, |id| self.end(id));
        assert!(!put_off, "nobody reads, and nobody moves");
        for id in 2..TAGS as u16 {
            assert_eq!(self.held(id), Counts::ZERO, "a life did not end");
        }
        let above = self.held(ABOVE);
        assert_eq!(
            (above.allocated_bytes, above.freed_bytes),
            (allocated_bytes, allocated_bytes),
            "totals were lost or came twice"
        );
        let ids = (2..TAGS).map(|_| self.lease("again").expect("an id was lost"));
        ids.for_each(|lease| self.let_go(lease));
    }
}

/// A block outlives the handle, is freed by another thread, and the id may serve the
/// next tag.
fn free_drop_and_next() {
    let ledger = Ledger::<3>::new();
    let lease = ledger.lease("q1").unwrap();
    ledger.cell(0, lease.id).book_alloc(8);
    let freer = thread::spawn({
        let ledger = ledger.clone();
        move || ledger.cell(1, lease.id).book_free(8)
    });
    let next = thread::spawn({
        let ledger = ledger.clone();
        move || {
            let Some(next) = ledger.lease("q2") else { return 0 };
            ledger.cell(2, next.id).book_alloc(16);
            let own = ledger.held(next.id);
            assert_eq!((own.allocated_bytes, own.freed_bytes), (16, 0), "a stranger's bytes");
            ledger.cell(2, next.id).book_free(16);
            ledger.let_go(next);
            16
        }
    });
    ledger.let_go(lease);
    freer.join().unwrap();
    let more = next.join().unwrap();
    ledger.check_at_rest(8 + more);
}

/// Another thread enters by a lease that it does not hold, while the handle goes.
fn stale_or_held() {
    let ledger = Ledger::<3>::new();
    let lease = ledger.lease("q1").unwrap();
    let other = thread::spawn({
        let ledger = ledger.clone();
        move || {
            let mut bytes = 0;
            for _ in 0..2 {
                if ledger.table.hold(lease) {
                    ledger.cell(1, lease.id).book_alloc(8);
                    let name = ledger.table.known_name(lease.id);
                    assert_eq!(name, "q1", "the name of an id one holds");
                    ledger.cell(1, lease.id).book_free(8);
                    ledger.let_go(lease);
                    bytes += 8;
                }
            }
            bytes
        }
    });
    ledger.let_go(lease);
    ledger.live(0, "q2", 16);
    let next = ledger.cell(0, 2).allocated_bytes();
    let bytes = other.join().unwrap();
    ledger.check_at_rest(bytes + next);
}

/// A reader meets one life, the next, or neither, and never half of a move.
fn reader() {
    let ledger = Ledger::<3>::new();
    let owner = thread::spawn({
        let ledger = ledger.clone();
        move || {
            ledger.live(0, "q1", 8);
            ledger.live(0, "q2", 16);
        }
    });
    let mut last = Counts::ZERO;
    for _ in 0..2 {
        let reading = ledger.table.reading();
        let name = reading.name(2);
        let own = ledger.booked(2).plus(&reading.balance(2));
        let above = reading.balance(ABOVE);
        check(&own);
        let most = match (name, above.allocated_bytes) {
            (Some("q1"), 0) => 8,
            (Some("q2"), 8) => 16,
            // It may have begun since.
            (None, 0) => 8,
            (None, 8) => 16,
            (None, 24) => 0,
            other => panic!("a name and another's totals: {other:?}"),
        };
        assert!(own.allocated_bytes <= most, "a stranger's bytes: {name:?} {own:?}");
        drop(reading);
        let sum = own.plus(&above);
        check_later(&last, &sum);
        last = sum;
    }
    owner.join().unwrap();
    let next = ledger.booked(2).allocated_bytes;
    ledger.check_at_rest(next);
}

/// Two lives end at the same time, and a reader sums.
fn two_ends_and_a_reader() {
    let ledger = Ledger::<4>::new();
    let leases = ["q1", "q2"].map(|name| ledger.lease(name).unwrap());
    for (thread, lease) in leases.into_iter().enumerate() {
        ledger.cell(thread, lease.id).book_alloc(8);
        ledger.cell(thread, lease.id).book_free(8);
    }
    let threads = leases.map(|lease| {
        let ledger = ledger.clone();
        thread::spawn(move || ledger.let_go(lease))
    });
    let reading = ledger.table.reading();
    let sum = [ABOVE, 2, 3].map(|id| ledger.booked(id).plus(&reading.balance(id)));
    let sum = sum.iter().fold(Counts::ZERO, |sum, one| sum.plus(one));
    assert_eq!((sum.allocated_bytes, sum.freed_bytes), (16, 16), "half of a move was seen");
    drop(reading);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    ledger.check_at_rest(16);
}

/// Two threads would end one life; the id may have its next one in between.
fn two_end_one() {
    let ledger = Ledger::<3>::new();
    let lease = ledger.lease("q1").unwrap();
    ledger.cell(0, lease.id).book_alloc(8);
    ledger.cell(0, lease.id).book_free(8);
    assert!(ledger.table.let_go(lease));
    let other = thread::spawn({
        let ledger = ledger.clone();
        move || ledger.end(2)
    });
    ledger.live(0, "q2", 16);
    let _ = other.join().unwrap();
    let bytes = ledger.booked(2).allocated_bytes;
    ledger.check_at_rest(bytes);
}

#[test]
fn loom_leases_free_drop_and_next() {
    explore(
        "a block is freed while the handle goes and the next comes",
        Two,
        1_500,
        free_drop_and_next,
    );
}

#[test]
fn loom_leases_stale_or_held() {
    explore("a lease is entered while its handle goes", AsAsked, 600, stale_or_held);
}

#[test]
fn loom_leases_reader_sees_one_life() {
    explore("a reader meets an id between two tags", AsAsked, 130_000, reader);
}

#[test]
fn loom_leases_two_ends_and_a_reader() {
    explore("two lives end while a reader sums", Two, 7_000, two_ends_and_a_reader);
}

#[test]
fn loom_leases_one_life_ends_once() {
    explore("two threads end one life", AsAsked, 7_000, two_end_one);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn loom_leases_mutant_let_go_relaxed() {
    explore_mutant("ledger/lives.rs", "word.fetch_sub(", Change::Relaxed, stale_or_held);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn loom_leases_mutant_get_relaxed() {
    explore_mutant(
        "ledger/lives.rs",
        "Life(word.load(Ordering::Acquire",
        Change::Relaxed,
        stale_or_held,
    );
}

#[test]
#[should_panic(expected = "Causality violation")]
fn loom_leases_mutant_begin_relaxed() {
    explore_mutant("ledger/lives.rs", "word.store(life.0", Change::Relaxed, reader);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn loom_leases_mutant_hold_in_two_steps() {
    explore_mutant(
        "ledger/lives.rs",
        "word.compare_exchange(life.0, life.0 + 1",
        Change::Split,
        stale_or_held,
    );
}

#[test]
#[should_panic(expected = "a stranger's bytes")]
fn loom_leases_mutant_enter_relaxed() {
    explore_mutant("ledger/moves.rs", "self.gate.fetch_add(READER", Change::Relaxed, reader);
}

#[test]
#[should_panic(expected = "totals were lost or came twice")]
fn loom_leases_mutant_leave_relaxed() {
    explore_mutant("ledger/moves.rs", "self.gate.fetch_sub(READER", Change::Relaxed, reader);
}

#[test]
#[should_panic(expected = "nobody reads, and nobody moves")]
fn loom_leases_mutant_turn_in_two_steps() {
    explore_mutant(
        "ledger/moves.rs",
        "self.gate.compare_exchange(from, to, Ordering::Acquire",
        Change::Split,
        two_ends_and_a_reader,
    );
}

#[test]
#[should_panic(expected = "totals were lost or came twice")]
fn loom_leases_mutant_turn_relaxed() {
    explore_mutant(
        "ledger/moves.rs",
        "self.gate.compare_exchange(from, to, Ordering::Acquire",
        Change::Relaxed,
        two_ends_and_a_reader,
    );
}

#[test]
#[should_panic(expected = "totals were lost or came twice")]
fn loom_leases_mutant_decide_relaxed() {
    explore_mutant(
        "ledger/moves.rs",
        "self.gate.compare_exchange(from, to, Ordering::AcqRel",
        Change::Relaxed,
        reader,
    );
}

#[test]
#[should_panic(expected = "a name and another's totals")]
fn loom_leases_mutant_decide_in_two_steps() {
    explore_mutant(
        "ledger/moves.rs",
        "self.gate.compare_exchange(from, to, Ordering::AcqRel",
        Change::Split,
        reader,
    );
}

#[test]
#[should_panic(expected = "totals were lost or came twice")]
fn loom_leases_mutant_finish_relaxed() {
    explore_mutant(
        "ledger/moves.rs",
        "self.gate.fetch_and(!(TURN | DECIDED)",
        Change::Relaxed,
        two_ends_and_a_reader,
    );
}

#[test]
#[should_panic(expected = "a name and another's totals")]
fn loom_leases_mutant_reader_does_not_help() {
    explore_mutant("ledger/moves.rs", "found & DECIDED != 0 && step()", Change::LeftOut, reader);
}

#[test]
#[should_panic(expected = "a life did not end")]
fn loom_leases_mutant_life_not_looked_at_again() {
    explore_mutant(
        "ledger/leases.rs",
        "self.lives.get(id) != life && step()",
        Change::LeftOut,
        two_end_one,
    );
}

#[test]
#[should_panic(expected = "the name of an id one holds")]
fn loom_leases_mutant_end_in_two_steps() {
    explore_mutant(
        "ledger/lives.rs",
        "word.compare_exchange(life.0, nobody",
        Change::Split,
        reader,
    );
}

#[test]
#[should_panic(expected = "the name of an id one holds")]
fn loom_leases_mutant_give_back_relaxed() {
    explore_mutant("ledger/slots.rs", "word.fetch_and(", Change::Relaxed, two_end_one);
}

#[test]
#[should_panic(expected = "the name of an id one holds")]
fn loom_leases_mutant_take_relaxed() {
    explore_mutant("ledger/slots.rs", "word.fetch_or(", Change::Relaxed, two_end_one);
}
