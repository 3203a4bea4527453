//! A block allocated and freed at once: the allocator's fastest path.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::hint::black_box;

use heapledger_programs::ThreadStart;

use super::{Batches, on_threads};
use crate::Report;

const BATCHES: Batches = Batches { warm_up: 10, measured: 51, operations: 100_000 };
const ALIGN: usize = 8;

/// Pairs of this size, on so many threads.
///
/// # Panics
///
/// If there can be no block of this size.
pub fn run(size: usize, threads: usize, enter: ThreadStart) -> Report {
    let layout = Layout::from_size_align(size.max(1), ALIGN)
        .unwrap_or_else(|error| panic!("no block of {size} bytes: {error}"));
    on_threads(threads, enter, BATCHES, |_| layout, |layout| pairs(*layout, BATCHES.operations))
}

/// Allocates and frees, `count` times.
#[inline(never)]
pub fn pairs(layout: Layout, count: usize) -> u64 {
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
    (layout.size() * count) as u64
}
