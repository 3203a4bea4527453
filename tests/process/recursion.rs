//! Hazard 2: the hook never calls the global allocator (I7).
//!
//! An allocator around the ledger's knows, by thread, when a call is being served
//! and counts every call that comes in meanwhile: over ten million operations in
//! every regime, in and out of scopes, with tags interned, threads beginning and
//! ending, peaks looked at and requests refused, there are none. Reading must not
//! allocate either: `snapshot`, `snapshot_tags`, `Tag::read`, `thread` and
//! `self_check` make no call at all.
//!
//! Seen to fail: at its start the backend itself allocates once (`PLANTED`), and
//! the count must show it.
//!
//! Longer: `HEAPLEDGER_OPERATIONS=100_000_000`.

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use heapledger::backend::Wrapped;
use heapledger::{Allocator, Tag, scope};
use support::{env_number, say, watchdog};

#[global_allocator]
static GLOBAL: Watched = Watched(Allocator::with_backend(Wrapped::new(Inner)));

/// Counts calls, and those that come while one is being served.
struct Watched(Allocator<Wrapped<Inner>>);

static CALLS: AtomicU64 = AtomicU64::new(0);
static NESTED: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static SERVING: Cell<bool> = const { Cell::new(false) };
}

fn watch<R>(call: impl FnOnce() -> R) -> R {
    CALLS.fetch_add(1, SeqCst);
    if SERVING.replace(true) {
        NESTED.fetch_add(1, SeqCst);
        return call();
    }
    let result = call();
    SERVING.set(false);
    result
}

// SAFETY: forwards every call as it came.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's layout.
        watch(|| unsafe { self.0.alloc(layout) })
    }
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        watch(|| unsafe { self.0.dealloc(block, layout) });
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        watch(|| unsafe { self.0.alloc_zeroed(layout) })
    }
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: as above.
        watch(|| unsafe { self.0.realloc(block, layout, new_size) })
    }
}

/// The system's allocator, which refuses a size of choice and, once, does what a
/// backend must not do.
struct Inner;

static PLANTED: AtomicBool = AtomicBool::new(false);
const REFUSED_BYTES: usize = 54_321;

// SAFETY: forwards to `System`, or refuses.
unsafe impl GlobalAlloc for Inner {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if PLANTED.swap(false, SeqCst) {
            drop(std::hint::black_box(Box::new([0_u64; 3])));
        }
        if layout.size() == REFUSED_BYTES {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's layout.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's block.
        unsafe { System.dealloc(block, layout) }
    }
}

/// Sizes and alignments from every regime.
const LAYOUTS: [(usize, usize); 12] = [
    (1, 1),
    (6, 2),
    (7, 1),
    (8, 8),
    (9, 1),
    (100, 8),
    (511, 8),
    (512, 8),
    (5000, 1),
    (16, 16),
    (300, 64),
    (100, 4096),
];

/// One block of every layout: allocated, grown, shrunk, freed. Six calls each.
fn every_call(zeroed: bool) -> u64 {
    for (size, align) in LAYOUTS {
        let layout = Layout::from_size_align(size, align).expect("a layout");
        // SAFETY: no size is 0; each block is freed with the layout it has then.
        unsafe {
            let block =
                if zeroed { std::alloc::alloc_zeroed(layout) } else { std::alloc::alloc(layout) };
            let mut block = std::hint::black_box(block);
            let mut layout = layout;
            for size in [size * 3, size.div_ceil(2), size + 600] {
                block = std::alloc::realloc(block, layout, size);
                layout = Layout::from_size_align(size, align).expect("a layout");
                assert!(!block.is_null());
            }
            std::alloc::dealloc(block, layout);
        }
    }
    let mut refused = Vec::<u8>::new();
    assert!(refused.try_reserve_exact(REFUSED_BYTES).is_err());
    5 * LAYOUTS.len() as u64 + 1
}

#[test]
fn no_call_of_the_hook_comes_back_to_it() {
    watchdog(600);
    PLANTED.store(true, SeqCst);
    drop(std::hint::black_box(Box::new(1_u64)));
    assert!(NESTED.swap(0, SeqCst) >= 1, "the planted call was not seen");

    let wanted = env_number("HEAPLEDGER_OPERATIONS", 10_000_000);
    let threads = 4;
    let mut done = 0;
    let mut round = 0;
    while done < wanted {
        // New threads every round: they take slots, look at peaks, give slots back.
        done += std::thread::scope(|threads_of| {
            let workers: Vec<_> =
                (0..threads).map(|worker| threads_of.spawn(move || work(round, worker))).collect();
            workers.into_iter().map(|worker| worker.join().expect("no panic")).sum::<u64>()
        });
        round += 1;
    }
    assert_eq!(NESTED.load(SeqCst), 0, "the hook called the global allocator");
    assert!(heapledger::faults().failed_requests > 0);

    readings_allocate_nothing();
    say(format_args!(
        "recursion: {done} operations, {round} rounds of {threads} threads, 0 nested calls"
    ));
}

fn work(round: u64, worker: u64) -> u64 {
    let mut done = 0;
    for turn in 0..200 {
        done += every_call(turn % 2 == 0);
        let name = format!("round {}/worker {worker}/turn {}", round % 50, turn % 10);
        let tag = Tag::register(&name).expect("a good name and a free place");
        done += tag.run(|| every_call(turn % 2 == 1));
        done += scope!("recursion", every_call(false));
    }
    done
}

fn readings_allocate_nothing() {
    let mut buffer = vec![heapledger::TagReading::EMPTY; heapledger::TAGS_MAX];
    let tag = Tag::register("recursion").expect("known");
    let before = CALLS.load(SeqCst);
    for _ in 0..100 {
        heapledger::snapshot().expect("installed");
        heapledger::snapshot_tags(&mut buffer).expect("installed");
        tag.read().expect("installed");
        heapledger::thread().expect("installed");
        heapledger::self_check().expect("all is well");
        let _ = Tag::register("recursion/new at run time").expect("a good name");
        scope!("recursion/new at this place", ());
    }
    assert_eq!(CALLS.load(SeqCst), before, "a reading called the allocator");
}
