//! A reader of cells, as `ledger/read.rs` reads: all freed halves first, then all
//! allocated ones. What it reads must never go back and never be negative.

use crate::ledger::Counts;
use crate::ledger::cell::Cell;

/// Reads as the ledger does. `cells` gives the cells that there are when it is
/// called, which is once for each half.
pub(super) fn read<'a, I: Iterator<Item = &'a Cell>>(cells: impl Fn() -> I) -> Counts {
    let mut sum = Counts::default();
    cells().for_each(|cell| cell.read_freed(&mut sum));
    cells().for_each(|cell| cell.read_allocated(&mut sum));
    sum
}

/// A mutant: the halves in the wrong order.
pub(super) fn read_allocated_first<'a, I: Iterator<Item = &'a Cell>>(
    cells: impl Fn() -> I,
) -> Counts {
    let mut sum = Counts::default();
    cells().for_each(|cell| cell.read_allocated(&mut sum));
    cells().for_each(|cell| cell.read_freed(&mut sum));
    sum
}

/// Live is not negative.
pub(super) fn check(counts: &Counts) {
    assert!(counts.live_bytes_signed() >= 0, "live bytes are negative: {counts:?}");
    assert!(counts.live_blocks_signed() >= 0, "live blocks are negative: {counts:?}");
}

/// No total is less than it was.
pub(super) fn check_later(earlier: &Counts, later: &Counts) {
    let grown = later.allocated_bytes >= earlier.allocated_bytes
        && later.allocated_blocks >= earlier.allocated_blocks
        && later.freed_bytes >= earlier.freed_bytes
        && later.freed_blocks >= earlier.freed_blocks;
    assert!(grown, "a total went back: {earlier:?}, then {later:?}");
}
