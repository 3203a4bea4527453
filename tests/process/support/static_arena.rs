//! An allocator that a signal handler may use: blocks of one size in static
//! memory, taken and given back by one atomic operation on a bit.
//!
//! What does not fit, or comes when all blocks are taken, goes to the system's
//! allocator, which a handler must not call: a handler asks for a few small blocks.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};

const BLOCK_BYTES: usize = 2048;
const BLOCKS: usize = 8192;

#[repr(C, align(2048))]
struct Memory(UnsafeCell<[u8; BLOCK_BYTES * BLOCKS]>);

// SAFETY: a block is used by whoever took its bit.
unsafe impl Sync for Memory {}

static MEMORY: Memory = Memory(UnsafeCell::new([0; BLOCK_BYTES * BLOCKS]));
static TAKEN: [AtomicU64; BLOCKS / 64] = [const { AtomicU64::new(0) }; BLOCKS / 64];
/// Where the last search ended: a hint.
static HINT: AtomicUsize = AtomicUsize::new(0);

pub struct StaticArena;

/// Whether a block is one of the arena's.
pub fn holds(block: *const u8) -> bool {
    let start = MEMORY.0.get().addr();
    (start..start + BLOCK_BYTES * BLOCKS).contains(&block.addr())
}

fn take() -> *mut u8 {
    let hint = HINT.load(SeqCst);
    for step in 0..TAKEN.len() {
        let index = (hint + step) % TAKEN.len();
        let mut taken = TAKEN[index].load(SeqCst);
        while taken != u64::MAX {
            let bit = (!taken).trailing_zeros() as usize;
            let before = TAKEN[index].fetch_or(1 << bit, SeqCst);
            if before & (1 << bit) == 0 {
                HINT.store(index, SeqCst);
                // SAFETY: within the memory; the block is ours by its bit.
                return unsafe {
                    MEMORY.0.get().cast::<u8>().add((index * 64 + bit) * BLOCK_BYTES)
                };
            }
            taken = before;
        }
    }
    std::ptr::null_mut()
}

// SAFETY: a block has one holder, is large and aligned enough for what it is given
// for, and `System` is a `GlobalAlloc`.
unsafe impl GlobalAlloc for StaticArena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() <= BLOCK_BYTES && layout.align() <= BLOCK_BYTES {
            let block = take();
            if !block.is_null() {
                return block;
            }
        }
        // SAFETY: the caller's layout.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if holds(block) {
            let number = (block.addr() - MEMORY.0.get().addr()) / BLOCK_BYTES;
            TAKEN[number / 64].fetch_and(!(1 << (number % 64)), SeqCst);
            return;
        }
        // SAFETY: not the arena's, so the system's.
        unsafe { System.dealloc(block, layout) }
    }
}
