//! Hazard 29: allocations before `main`.
//!
//! Two functions in `.init_array` run before Rust's own start: they allocate in
//! every regime, in a scope and outside, grow, free, and keep one block each; a
//! thread that begins and ends before `main` does the same. Shown: all of it is
//! counted, the blocks kept are live under their tag, and once `main` frees them
//! nothing is left (I1).
//!
//! Seen to fail: with `alloc_slow` in `alloc/allocating.rs` booking nothing for a
//! thread's first event.

mod support;

use std::hint::black_box;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use heapledger::{Counts, Tag};
use support::witness::Witness;
use support::{ledger_total, say};

#[global_allocator]
static GLOBAL: Witness = Witness::new();

static EARLY: Tag = Tag::new("before main/early");
static KEPT: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());
static RUNS: AtomicU64 = AtomicU64::new(0);
/// What the witness had counted when the last of them returned.
static COUNTED: AtomicU64 = AtomicU64::new(0);

fn work() {
    let _scope = EARLY.enter();
    for size in [1, 8, 100, 511, 512, 5000, 2 << 20] {
        let mut block = black_box(vec![1_u8; size]);
        block.reserve_exact(size);
        drop(black_box(block));
    }
    drop(_scope);
    drop(black_box(vec![0_u64; 77]));
}

extern "C" fn early() {
    work();
    std::thread::spawn(work).join().expect("a thread before main");
    let block = EARLY.run(|| vec![7_u8; 1000]);
    KEPT.lock().expect("nobody panics").push(block);
    RUNS.fetch_add(1, SeqCst);
    COUNTED.store(GLOBAL.counts().allocated_blocks, SeqCst);
}

#[used]
#[unsafe(link_section = ".init_array")]
static FIRST: extern "C" fn() = early;
#[used]
#[unsafe(link_section = ".init_array")]
static SECOND: extern "C" fn() = early;

#[test]
fn what_happens_before_main_is_counted() {
    assert_eq!(RUNS.load(SeqCst), 2, "the functions ran before the test");
    let own = EARLY.read().expect("installed").own;
    // Twice twice (here and on a thread): seven blocks, each grown once.
    assert_eq!(own.allocated_blocks, 2 * 2 * 14 + 2);
    assert_eq!((own.live_bytes(), own.live_blocks()), (2000, 2));
    let kept = std::mem::take(&mut *KEPT.lock().expect("nobody panics"));
    assert!(kept.iter().flatten().all(|byte| *byte == 7));
    drop(kept);
    let own = EARLY.read().expect("installed").own;
    assert_eq!((own.live_bytes(), own.live_blocks()), (0, 0), "I1");
    assert_ne!(GLOBAL.counts(), Counts::ZERO);
    assert_eq!(ledger_total(), GLOBAL.counts(), "the ledger against the witness");
    assert_eq!(heapledger::self_check(), Ok(()));
    say(format_args!("before_main: {} blocks allocated before main", COUNTED.load(SeqCst)));
}
