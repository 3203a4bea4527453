//! The truth: an allocator around the ledger's that counts every call itself.
//!
//! Slow and plain on purpose: shared atomics, no tags, no threads. At rest the
//! ledger's total must equal it to the byte.

use std::alloc::{GlobalAlloc, Layout};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use heapledger::backend::{Backend, DefaultBackend};
use heapledger::{Allocator, Counts};

pub struct Witness<B: Backend = DefaultBackend> {
    ledger: Allocator<B>,
    allocated_bytes: AtomicU64,
    allocated_blocks: AtomicU64,
    freed_bytes: AtomicU64,
    freed_blocks: AtomicU64,
}

impl Witness {
    pub const fn new() -> Self {
        Self::around(Allocator::new())
    }
}

impl<B: Backend> Witness<B> {
    pub const fn around(ledger: Allocator<B>) -> Self {
        Self {
            ledger,
            allocated_bytes: AtomicU64::new(0),
            allocated_blocks: AtomicU64::new(0),
            freed_bytes: AtomicU64::new(0),
            freed_blocks: AtomicU64::new(0),
        }
    }

    /// What was asked for and given, and what was given back.
    pub fn counts(&self) -> Counts {
        Counts {
            allocated_bytes: self.allocated_bytes.load(SeqCst),
            allocated_blocks: self.allocated_blocks.load(SeqCst),
            freed_bytes: self.freed_bytes.load(SeqCst),
            freed_blocks: self.freed_blocks.load(SeqCst),
        }
    }

    fn gave(&self, block: *mut u8, bytes: usize) -> *mut u8 {
        if !block.is_null() {
            self.allocated_bytes.fetch_add(bytes as u64, SeqCst);
            self.allocated_blocks.fetch_add(1, SeqCst);
        }
        block
    }

    fn got_back(&self, bytes: usize) {
        self.freed_bytes.fetch_add(bytes as u64, SeqCst);
        self.freed_blocks.fetch_add(1, SeqCst);
    }
}

// SAFETY: forwards every call as it came.
unsafe impl<B: Backend> GlobalAlloc for Witness<B> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's layout.
        self.gave(unsafe { self.ledger.alloc(layout) }, layout.size())
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        self.got_back(layout.size());
        // SAFETY: the caller's block.
        unsafe { self.ledger.dealloc(block, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's layout.
        self.gave(unsafe { self.ledger.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller's block and size.
        let moved = unsafe { self.ledger.realloc(block, layout, new_size) };
        if !moved.is_null() {
            self.got_back(layout.size());
        }
        self.gave(moved, new_size)
    }
}
