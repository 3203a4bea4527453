//! What a backend does well stays as it is: growth in place, and zeroed pages that
//! nobody touches (hazard 12).

use core::alloc::{GlobalAlloc, Layout};
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::alloc::System;
use std::sync::{Mutex, MutexGuard};

use heapledger::backend::Wrapped;
use heapledger::{Allocator, Tag, snapshot};

/// The system's allocator, which counts what it is asked.
struct Counting {
    allocs: AtomicUsize,
    zeroed: AtomicUsize,
    reallocs: AtomicUsize,
    frees: AtomicUsize,
}

static INNER: Counting = Counting {
    allocs: AtomicUsize::new(0),
    zeroed: AtomicUsize::new(0),
    reallocs: AtomicUsize::new(0),
    frees: AtomicUsize::new(0),
};

/// Not the program's allocator: it serves only what the tests ask of it.
static OUTER: Allocator<Wrapped<&Counting>> = Allocator::with_backend(Wrapped::new(&INNER));

#[global_allocator]
static GLOBAL: Allocator = Allocator::new();

// SAFETY: the system's.
unsafe impl GlobalAlloc for &'static Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.allocs.fetch_add(1, Relaxed);
        // SAFETY: the caller's layout.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.zeroed.fetch_add(1, Relaxed);
        // SAFETY: the caller's layout.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        self.reallocs.fetch_add(1, Relaxed);
        // SAFETY: the caller's arguments.
        unsafe { System.realloc(block, layout, new_size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        self.frees.fetch_add(1, Relaxed);
        // SAFETY: the caller's block and layout.
        unsafe { System.dealloc(block, layout) }
    }
}

/// What the inner allocator was asked since the last look: allocations, zeroed
/// allocations, reallocations, frees.
fn asked() -> [usize; 4] {
    [&INNER.allocs, &INNER.zeroed, &INNER.reallocs, &INNER.frees]
        .map(|count| count.swap(0, Relaxed))
}

static TURN: Mutex<()> = Mutex::new(());

/// The tests share the counts.
fn one_at_a_time() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

static TAG: Tag = Tag::new("forwarding");

/// Runs untagged and tagged.
fn both(body: impl Fn(bool)) {
    body(false);
    TAG.run(|| body(true));
}

#[test]
fn a_block_that_grows_within_its_kind_is_one_realloc_of_the_backend() {
    let _turn = one_at_a_time();
    both(|tagged| {
        for (align, sizes) in
            [(8, [12, 100, 500]), (8, [600, 5000, 1 << 20]), (64, [10, 200, 9000])]
        {
            asked();
            let layout = |size| Layout::from_size_align(size, align).unwrap();
            // Of one class with the owner's record, so that no size changes the kind.
            let sizes = sizes.map(|size: usize| if size < 512 { size & !15 | 12 } else { size });
            // SAFETY: each block is resized and freed with the layout it has.
            unsafe {
                let mut block = OUTER.alloc(layout(sizes[0]));
                block.write(7);
                for pair in sizes.windows(2) {
                    block = OUTER.realloc(block, layout(pair[0]), pair[1]);
                    assert_eq!(block.read(), 7);
                }
                OUTER.dealloc(block, layout(sizes[2]));
            }
            assert_eq!(asked(), [1, 0, 2, 1], "tagged {tagged}, align {align}, {sizes:?}");
        }
    });
}

#[test]
fn zeroed_blocks_are_zeroed_by_the_backend() {
    let _turn = one_at_a_time();
    both(|tagged| {
        for (size, align) in [(3, 1), (8, 8), (12, 8), (64, 8), (100, 16), (4096, 8), (1 << 24, 64)]
        {
            asked();
            let layout = Layout::from_size_align(size, align).unwrap();
            // SAFETY: freed with the layout it came with.
            unsafe {
                let block = OUTER.alloc_zeroed(layout);
                OUTER.dealloc(block, layout);
            }
            assert_eq!(asked(), [0, 1, 0, 1], "tagged {tagged}, {layout:?}");
        }
    });
}

/// With jemalloc. A tagged block has its owner in the map: 1 byte for 512.
#[cfg(target_os = "linux")]
#[test]
fn zeroed_pages_stay_untouched() {
    let _turn = one_at_a_time();
    both(|tagged| {
        let rss_bytes = || snapshot().unwrap().rss_bytes.unwrap();
        let before = rss_bytes();
        let zeroes = vec![0_u8; 256 << 20];
        let grown = rss_bytes().saturating_sub(before);
        assert!(grown < 4 << 20, "tagged {tagged}: {grown} bytes");
        assert_eq!(zeroes[100 << 20], 0);
    });
}
