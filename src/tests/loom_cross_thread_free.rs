//! Claim: whoever frees a block, a reader never sees it freed and not allocated.
//!
//! One thread allocates a block, books it in its own cell, and hands it to
//! another, which frees it and books that in *its* cell. (The hand-over is the
//! program's, and always a Release and an Acquire: otherwise the program itself
//! would race on the block.) A third thread reads both cells, freed halves first.

use std::sync::Arc;

use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;

use super::explore::Preemptions::{All, AsAsked};
use super::explore::{explore, explore_mutant, explore_wrong};
use super::reader::{check, check_later, read, read_allocated_first};
use crate::ledger::Counts;
use crate::ledger::cell::Cell;
use crate::sync::modelled::Change;

/// The cells of two threads, the cell that threads without a slot share, and a
/// block on its way from one thread to the next.
struct Cells {
    cells: [Cell; 3],
    block: AtomicU64,
}

const ALLOCATOR: usize = 0;
const FREER: usize = 1;
const SHARED: usize = 2;

impl Cells {
    fn new() -> Arc<Self> {
        Arc::new(Self { cells: [Cell::new(), Cell::new(), Cell::new()], block: AtomicU64::new(0) })
    }

    fn hand_over(&self, bytes: u64) {
        self.block.store(bytes, Ordering::Release);
    }

    /// The block, if it has come.
    fn receive(&self) -> Option<u64> {
        Some(self.block.load(Ordering::Acquire)).filter(|bytes| *bytes > 0)
    }
}

/// A block goes from one thread's cell to another's.
fn hand_over(read: fn(&Cells) -> Counts) {
    let cells = Cells::new();
    let allocator = thread::spawn({
        let cells = cells.clone();
        move || {
            cells.cells[ALLOCATOR].book_alloc(8);
            cells.hand_over(8);
        }
    });
    let freer = thread::spawn({
        let cells = cells.clone();
        move || {
            if let Some(bytes) = cells.receive() {
                cells.cells[FREER].book_free(bytes);
            }
        }
    });
    let first = read(&cells);
    check(&first);
    allocator.join().unwrap();
    freer.join().unwrap();
    let last = read(&cells);
    check(&last);
    check_later(&first, &last);
    assert_eq!(last.allocated_bytes, 8);
}

/// The freer and the allocator have no slots: they count in one cell.
fn hand_over_without_slots() {
    let cells = Cells::new();
    let allocator = thread::spawn({
        let cells = cells.clone();
        move || {
            cells.cells[SHARED].book_alloc_shared(8);
            cells.hand_over(8);
            cells.cells[SHARED].book_alloc_shared(16);
            cells.cells[SHARED].book_free_shared(16);
        }
    });
    let freer = thread::spawn({
        let cells = cells.clone();
        move || {
            if let Some(bytes) = cells.receive() {
                cells.cells[SHARED].book_free_shared(bytes);
            }
        }
    });
    check(&freed_first(&cells));
    allocator.join().unwrap();
    freer.join().unwrap();
    let last = freed_first(&cells);
    check(&last);
    assert_eq!((last.allocated_bytes, last.allocated_blocks), (24, 2));
}

fn freed_first(cells: &Cells) -> Counts {
    read(|| cells.cells.iter())
}

fn model() {
    hand_over(freed_first);
}

#[test]
fn loom_cross_thread_free_never_makes_live_negative() {
    explore("a block freed by another thread", All, 35_000, model);
}

#[test]
fn loom_cross_thread_free_in_the_shared_cell() {
    explore("a block freed in a shared cell", AsAsked, 9_000, hand_over_without_slots);
}

#[test]
#[should_panic(expected = "live bytes are negative")]
fn loom_cross_thread_free_mutant_allocated_read_first() {
    explore_wrong(|| hand_over(|cells| read_allocated_first(|| cells.cells.iter())));
}

#[test]
#[should_panic(expected = "live bytes are negative")]
fn loom_cross_thread_free_mutant_relaxed_freed_bytes() {
    explore_mutant("ledger/cell.rs", "bump(&self.freed_bytes", Change::Relaxed, model);
}

#[test]
#[should_panic(expected = "live blocks are negative")]
fn loom_cross_thread_free_mutant_relaxed_freed_blocks() {
    explore_mutant("ledger/cell.rs", "bump(&self.freed_blocks", Change::Relaxed, model);
}

#[test]
#[should_panic(expected = "live bytes are negative")]
fn loom_cross_thread_free_mutant_freed_bytes_read_relaxed() {
    explore_mutant("ledger/cell.rs", "self.freed_bytes.load(", Change::Relaxed, model);
}

#[test]
#[should_panic(expected = "live blocks are negative")]
fn loom_cross_thread_free_mutant_freed_blocks_read_relaxed() {
    explore_mutant("ledger/cell.rs", "self.freed_blocks.load(", Change::Relaxed, model);
}

#[test]
#[should_panic(expected = "live bytes are negative")]
fn loom_cross_thread_free_mutant_relaxed_shared_bytes() {
    let text = "self.freed_bytes.fetch_add(bytes,";
    explore_mutant("ledger/cell.rs", text, Change::Relaxed, hand_over_without_slots);
}

#[test]
#[should_panic(expected = "live blocks are negative")]
fn loom_cross_thread_free_mutant_relaxed_shared_blocks() {
    let text = "self.freed_blocks.fetch_add(1,";
    explore_mutant("ledger/cell.rs", text, Change::Relaxed, hand_over_without_slots);
}
