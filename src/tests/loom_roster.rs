//! Claim: a thread that ends leaves its totals where they are; whoever reads
//! while the next thread takes the shard over sees no total go back, none missing
//! and no negative live.
//!
//! Threads begin, allocate, end; each takes the lowest free slot, so the second
//! has the first one's shard, or one of its own if they overlap. A reader walks
//! the shards. Nothing is folded or moved at thread exit.

use std::sync::Arc;

use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;

use super::explore::Preemptions::AsAsked;
use super::explore::{explore, explore_mutant, explore_wrong};
use super::reader::{check, check_later, read};
use crate::ledger::Counts;
use crate::ledger::cell::Cell;
use crate::ledger::roster::Roster;
use crate::sync::modelled::Change;

struct Shard {
    slot: usize,
    cell: Cell,
}

struct Threads {
    roster: Roster<Shard, 1>,
    /// A block on its way from one thread to another; 0 if there is none.
    block: AtomicU64,
}

impl Threads {
    fn new() -> Arc<Self> {
        Arc::new(Self { roster: Roster::new(), block: AtomicU64::new(0) })
    }

    /// A thread's life, with a shard of its own.
    fn live(&self, books: impl Fn(&Cell)) {
        let make = |slot| Box::into_raw(Box::new(Shard { slot, cell: Cell::new() }));
        // SAFETY: lives until `Threads` goes, and its reference as long as `self`.
        let shard = unsafe { self.roster.claim(make) }.expect("slots and memory");
        books(&shard.cell);
        self.roster.release(shard.slot);
    }

    fn read(&self) -> Counts {
        read(|| self.roster.shards().map(|shard| &shard.cell))
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            for shard in self.roster.shards() {
                // SAFETY: made in `live`, and nobody is left to use it.
                drop(unsafe { Box::from_raw(core::ptr::from_ref(shard).cast_mut()) });
            }
        }
    }
}

/// Two threads, one after the other or at one time, and a reader.
fn inheritance() {
    let threads = Threads::new();
    let first = thread::spawn({
        let threads = threads.clone();
        move || {
            threads.live(|cell| {
                cell.book_alloc(8);
                cell.book_free(8);
            });
        }
    });
    let second = thread::spawn({
        let threads = threads.clone();
        move || threads.live(|cell| cell.book_alloc(16))
    });
    let earlier = threads.read();
    check(&earlier);
    first.join().unwrap();
    second.join().unwrap();
    let last = threads.read();
    check_later(&earlier, &last);
    assert_eq!((last.allocated_bytes, last.freed_bytes), (24, 8), "totals were lost");
    assert!(threads.roster.len() <= 2, "more shards than threads");
}

/// A block goes from one new thread to another while a reader walks the shards,
/// of which some come during the walk.
fn new_shards(read: fn(&Threads) -> Counts) {
    let threads = Threads::new();
    let allocator = thread::spawn({
        let threads = threads.clone();
        move || {
            threads.live(|cell| {
                cell.book_alloc(8);
                threads.block.store(8, Ordering::Release);
            });
        }
    });
    let freer = thread::spawn({
        let threads = threads.clone();
        move || {
            threads.live(|cell| {
                let bytes = threads.block.load(Ordering::Acquire);
                if bytes > 0 {
                    cell.book_free(bytes);
                }
            });
        }
    });
    check(&read(&threads));
    allocator.join().unwrap();
    freer.join().unwrap();
    check(&read(&threads));
}

#[test]
fn loom_roster_next_thread_continues_the_totals() {
    explore("a shard inherited under a reader", AsAsked, 80_000, inheritance);
}

#[test]
fn loom_roster_reader_misses_no_shard() {
    explore("shards that come during a reading", AsAsked, 35_000, || new_shards(Threads::read));
}

#[test]
#[should_panic(expected = "Causality violation")]
fn loom_roster_mutant_relaxed_release() {
    explore_mutant("ledger/slots.rs", "word.fetch_and(", Change::Relaxed, inheritance);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn loom_roster_mutant_relaxed_claim() {
    explore_mutant("ledger/slots.rs", "word.fetch_or(", Change::Relaxed, inheritance);
}

/// The shards listed once, for both halves: a free is seen of a block whose
/// thread came after the list was made.
#[test]
#[should_panic(expected = "live bytes are negative")]
fn loom_roster_mutant_shards_listed_once() {
    explore_wrong(|| {
        new_shards(|threads| {
            let shards: Vec<_> = threads.roster.shards().collect();
            read(|| shards.iter().map(|shard| &shard.cell))
        });
    });
}

/// What this design avoids: at thread exit the totals move to a common cell.
#[test]
#[should_panic(expected = "a total went back")]
fn loom_roster_mutant_totals_fold_at_exit() {
    explore_wrong(|| {
        let cells = Arc::new([Cell::new(), Cell::new()]);
        let thread = thread::spawn({
            let cells = cells.clone();
            move || {
                let [own, ended] = &*cells;
                own.book_alloc(8);
                own.start_at(0);
                ended.book_alloc_shared(8);
            }
        });
        let earlier = read(|| cells.iter());
        thread.join().unwrap();
        check_later(&earlier, &read(|| cells.iter()));
    });
}
