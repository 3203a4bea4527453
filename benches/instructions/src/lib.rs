//! The work whose instructions `ci/instructions.sh` counts under callgrind.
//!
//! Each binary runs [`run`] over its own allocator, or [`run_work`]. callgrind collects
//! inside [`heapledger_measured`] and `heapledger_measured_work` only and writes one dump
//! after each call of these, so the numbers are exact and neither start-up nor warm-up
//! is in them.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::hint::black_box;

/// Pairs in one measurement: enough that what happens every few thousand calls
/// (jemalloc's housekeeping, heapledger's look at the peaks) is in the mean.
const PAIRS: usize = 100_000;
const WARM_UP_PAIRS: usize = 20_000;

/// Measures each size of the command line; prints the sizes, in order, as
/// `<size> <pairs>`.
///
/// # Panics
///
/// If an argument is no size.
pub fn run(sizes: impl Iterator<Item = String>) {
    for argument in sizes {
        let size: usize = argument.parse().unwrap_or_else(|_| panic!("what is `{argument}`?"));
        let layout = Layout::from_size_align(size, if size < 8 { 1 } else { 8 })
            .unwrap_or_else(|error| panic!("no block of {size} bytes: {error}"));
        pairs(layout, WARM_UP_PAIRS);
        heapledger_measured(layout.size(), layout.align());
        println!("{size} {PAIRS}");
    }
}

/// The part that callgrind collects, by this name.
///
/// # Panics
///
/// If size and alignment are no layout.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn heapledger_measured(size: usize, align: usize) {
    let layout = Layout::from_size_align(size, align);
    pairs(layout.unwrap_or_else(|error| panic!("{size} bytes: {error}")), PAIRS);
}

/// Work that does something so many times.
pub type Work<'w> = &'w dyn Fn(usize);

/// Measures each piece of work; prints `<name> <times>` for each, in order.
pub fn run_work(all: &[(&str, Work<'_>)]) {
    for (name, work) in all {
        work(WARM_UP_PAIRS);
        heapledger_measured_work(*work);
        println!("{name} {PAIRS}");
    }
}

/// The part that callgrind collects, by this name.
#[unsafe(no_mangle)]
#[inline(never)]
fn heapledger_measured_work(work: Work<'_>) {
    work(PAIRS);
}

/// Allocates and frees, `count` times.
#[inline(never)]
fn pairs(layout: Layout, count: usize) {
    assert!(layout.size() > 0, "a block has at least one byte");
    for _ in 0..count {
        // SAFETY: the size is not 0; the block is freed at once, with its layout.
        unsafe {
            let block = alloc(black_box(layout));
            if block.is_null() {
                handle_alloc_error(layout);
            }
            dealloc(black_box(block), layout);
        }
    }
}
