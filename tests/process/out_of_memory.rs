//! Hazards 6, 9, 10 and 13: requests that cannot be served, one at every place.
//!
//! A backend that refuses on schedule: the same work (every regime, allocated,
//! zeroed, grown and shrunk across regimes, inside a scope and outside, on a
//! thread's first event and later) is run once for every request that it makes,
//! with that one refused. And sizes that no backend has, up to `isize::MAX`, right
//! after other allocations. Shown: a refused request changes nothing but a fault
//! counter (I5), the old block of a refused `realloc` lives on with its contents
//! and its owner, nothing panics, and the ledger equals the witness every time.
//!
//! Seen to fail: without `record_in_map` after a refused `reallocate` in
//! `alloc/realloc.rs`; without `take_back` in `alloc_in_map`; and, before it was
//! mended, at `isize::MAX` inside a scope: the meter wrapped, and the request was
//! booked as untagged and taken back from the tag.

mod support;

use std::alloc::{GlobalAlloc, Layout, System, alloc, alloc_zeroed, dealloc, realloc};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use heapledger::backend::Wrapped;
use heapledger::{Allocator, Tag, TagId};
use support::witness::Witness;
use support::{ledger_total, say, watchdog};

#[global_allocator]
static GLOBAL: Witness<Wrapped<Refusing>> =
    Witness::around(Allocator::with_backend(Wrapped::new(Refusing)));

/// The system's allocator, which refuses one request: the one that brings the
/// countdown to 0.
struct Refusing;

static COUNTDOWN: AtomicU64 = AtomicU64::new(0);
static REQUESTS: AtomicU64 = AtomicU64::new(0);

fn refuses() -> bool {
    REQUESTS.fetch_add(1, SeqCst);
    COUNTDOWN.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)) == Ok(1)
}

// SAFETY: forwards to `System`, or returns null and changes nothing.
unsafe impl GlobalAlloc for Refusing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's layout.
        if refuses() { std::ptr::null_mut() } else { unsafe { System.alloc(layout) } }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's layout.
        if refuses() { std::ptr::null_mut() } else { unsafe { System.alloc_zeroed(layout) } }
    }
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        if refuses() {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's block and size.
        unsafe { System.realloc(block, layout, new_size) }
    }
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's block.
        unsafe { System.dealloc(block, layout) }
    }
}

static TAG: Tag = Tag::new("refused");

/// A tag's live bytes, which the readings tell without an allocation.
fn live(tag: &Tag) -> u64 {
    tag.read().expect("installed").own.live_bytes()
}

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).expect("a layout")
}

/// From each regime to each other one.
const SIZES: [usize; 8] = [3, 8, 24, 500, 512, 100_000, 10, 4];

/// One block through all sizes; a refused step is tried again, and must find the
/// block as it was.
///
/// Returns how many requests were refused.
fn life_of_a_block(align: usize, zeroed: bool, owner: &Tag) -> u64 {
    let mut refused = 0;
    let before = live(owner);
    let mut now = layout(SIZES[0], align);
    let mut block: *mut u8 = std::ptr::null_mut();
    while block.is_null() {
        // SAFETY: the size is not 0.
        block = unsafe { if zeroed { alloc_zeroed(now) } else { alloc(now) } };
        if block.is_null() {
            refused += 1;
            assert_eq!(live(owner), before, "a refused block is not live");
        }
    }
    // SAFETY: a block of this size.
    unsafe { block.write_bytes(FILL, now.size()) };
    for size in SIZES {
        let kept = now.size().min(size);
        loop {
            // SAFETY: the block has this layout; the size is not 0.
            let moved = unsafe { realloc(block, now, size) };
            if !moved.is_null() {
                block = moved;
                break;
            }
            refused += 1;
            assert_eq!(live(owner), before + now.size() as u64, "the old block lives on");
            assert!(is_filled(block, now.size()), "with its contents");
        }
        now = layout(size, align);
        assert!(is_filled(block, kept));
        // SAFETY: a block of this size.
        unsafe { block.write_bytes(FILL, size) };
        assert_eq!(live(owner), before + size as u64, "one block of {size}");
    }
    // SAFETY: the block has this layout.
    unsafe { dealloc(block, now) };
    assert_eq!(live(owner), before, "the owner gets every byte back");
    refused
}

const FILL: u8 = 0x5A;

/// Whether the first bytes of a live block are as they were filled.
fn is_filled(block: *const u8, bytes: usize) -> bool {
    // SAFETY: the callers' blocks have at least this many bytes, all written.
    unsafe { std::slice::from_raw_parts(block, bytes) }.iter().all(|byte| *byte == FILL)
}

/// All of it: by alignment, zeroed or not, inside a scope. (Outside, the rest of
/// the process is untagged too, so only the total is compared.)
fn work() -> u64 {
    let mut refused = 0;
    for align in [1, 8, 16, 64, 4096] {
        for zeroed in [false, true] {
            refused += TAG.run(|| life_of_a_block(align, zeroed, &TAG));
        }
    }
    refused + untagged_work()
}

fn untagged_work() -> u64 {
    let mut refused = 0;
    for align in [1, 16, 4096] {
        for size in SIZES {
            let layout = layout(size, align);
            // SAFETY: no size is 0; freed with the layout it has.
            unsafe {
                let mut block = alloc(layout);
                while block.is_null() {
                    refused += 1;
                    block = alloc(layout);
                }
                let mut grown = realloc(block, layout, size * 2);
                while grown.is_null() {
                    refused += 1;
                    grown = realloc(block, layout, size * 2);
                }
                dealloc(grown, Layout::from_size_align_unchecked(size * 2, align));
            }
        }
    }
    refused
}

fn refuse_each_request_once() -> u64 {
    work();
    let before = REQUESTS.load(SeqCst);
    assert_eq!(work(), 0);
    let requests = REQUESTS.load(SeqCst) - before;
    for number in 1..=requests {
        let faults = heapledger::faults().failed_requests;
        COUNTDOWN.store(number, SeqCst);
        let refused = work();
        assert_eq!(COUNTDOWN.swap(0, SeqCst), 0, "request {number} was reached");
        assert_eq!(refused, 1, "request {number}: refused once");
        assert_eq!(heapledger::faults().failed_requests, faults + 1, "request {number}");
        assert_eq!(ledger_total(), GLOBAL.counts(), "request {number}");
    }
    requests
}

/// Sizes that nobody has, after small requests that leave the meters anywhere.
fn refuse_the_impossible() -> u64 {
    let mut tried = 0;
    for tag in [None, Some(&TAG)] {
        let scope = tag.map(Tag::enter);
        let before = live(&TAG);
        for warm_up in [0, 1, 7, 100, 600, 3000] {
            for below in [0_usize, 1, 8, 64, 4096, 1 << 40, 1 << 61] {
                for (unit, bits) in [(1, 0), (8, 3), (64, 6)] {
                    drop(std::hint::black_box(Vec::<u8>::with_capacity(warm_up)));
                    let bytes = isize::MAX as usize - below;
                    let refused = match unit {
                        1 => Vec::<u8>::new().try_reserve_exact(bytes).is_err(),
                        8 => Vec::<u64>::new().try_reserve_exact(bytes >> bits).is_err(),
                        _ => Vec::<[u8; 64]>::new().try_reserve_exact(bytes >> bits).is_err(),
                    };
                    assert!(refused, "{bytes} bytes");
                    let mut grown = std::hint::black_box(vec![1_u8; warm_up]);
                    assert!(grown.try_reserve_exact(bytes - warm_up).is_err());
                    assert_eq!(grown.len(), warm_up);
                    drop(grown);
                    tried += 2;
                    assert_eq!(live(&TAG), before, "in a scope: {}, {bytes} bytes", tag.is_some());
                }
            }
        }
        drop(scope);
    }
    assert_eq!(ledger_total(), GLOBAL.counts(), "the ledger against the witness");
    tried
}

#[test]
fn a_refused_request_changes_nothing() {
    watchdog(300);
    assert_ne!(TAG.id(), TagId::UNTAGGED);
    let tried = refuse_the_impossible();
    let requests = refuse_each_request_once();
    // A thread whose first request is refused.
    std::thread::spawn(|| {
        COUNTDOWN.store(1, SeqCst);
        assert_eq!(TAG.run(|| life_of_a_block(8, false, &TAG)), 1);
    })
    .join()
    .expect("no panic");
    assert_eq!(ledger_total(), GLOBAL.counts());
    assert_eq!(heapledger::self_check(), Ok(()));
    say(format_args!(
        "out_of_memory: each of {requests} requests refused once, {tried} impossible sizes, I5 = 0"
    ));
}
