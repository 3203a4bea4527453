//! A wrapper that does nothing: how far from 1.00 it reads is the noise.

use std::alloc::{GlobalAlloc, Layout};

use heapledger_bench::{Contender, NOT_A_COUNTER, run};
use tikv_jemallocator::Jemalloc;

struct Empty(Jemalloc);

// SAFETY: all four functions pass their arguments and results on unchanged.
unsafe impl GlobalAlloc for Empty {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises, passed on.
        unsafe { self.0.alloc(layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises, passed on.
        unsafe { self.0.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller's promises, passed on.
        unsafe { self.0.realloc(block, layout, new_size) }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises, passed on.
        unsafe { self.0.dealloc(block, layout) }
    }
}

#[global_allocator]
static GLOBAL: Empty = Empty(Jemalloc);

fn main() -> std::process::ExitCode {
    run(&Contender { name: "empty", ..NOT_A_COUNTER })
}
