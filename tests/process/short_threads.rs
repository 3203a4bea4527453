//! Hazard 16: ten thousand threads that live a moment.
//!
//! Every thread allocates under its own and a common tag, hands a block over, and
//! ends; eight live at one time. Shown: the counters of the dead serve the living
//! (never more than were alive at once, and one), memory does not grow after the
//! first tenth, nothing of a dead thread is lost: the ledger equals the witness.
//!
//! Seen to fail: with `registry::release` in `alloc/exit.rs` left out.
//!
//! Longer: `HEAPLEDGER_SHORT_THREADS=1_000_000`.

mod support;

use std::hint::black_box;
use std::sync::mpsc::channel;

use heapledger::{Tag, scope};
use support::witness::Witness;
use support::{env_number, ledger_total, resident_bytes, say, watchdog};

#[global_allocator]
static GLOBAL: Witness = Witness::new();

const TOGETHER: u64 = 8;
static COMMON: Tag = Tag::new("common");

fn live_a_moment(number: u64) -> Vec<u8> {
    let own = Tag::register(&format!("thread {}", number % 100)).expect("there is room");
    own.run(|| drop(black_box([vec![1_u8; 5], vec![1; 50], vec![1; 5000]])));
    drop(black_box(vec![number; 20]));
    COMMON.run(|| vec![1_u8; 100])
}

#[test]
fn the_dead_leave_their_counters_to_the_living() {
    watchdog(3600);
    let wanted = env_number("HEAPLEDGER_SHORT_THREADS", 10_000);
    let mut resident_early = 0;
    let mut own_early = 0;
    let mut done = 0;
    // Blocks of the dead, freed by the main thread a round later.
    let (to_main, from_threads) = channel();
    while done < wanted {
        let batch: Vec<_> = (0..TOGETHER)
            .map(|offset| {
                let to_main = to_main.clone();
                let number = done + offset;
                std::thread::spawn(move || drop(to_main.send(live_a_moment(number))))
            })
            .collect();
        for thread in batch {
            thread.join().expect("no panic");
        }
        let blocks: Vec<Vec<u8>> = from_threads.try_iter().collect();
        assert_eq!(blocks.len() as u64, TOGETHER);
        assert_eq!(COMMON.read().expect("installed").own.live_bytes(), 100 * TOGETHER);
        done += TOGETHER;
        if done <= wanted / 10 {
            resident_early = resident_bytes();
            own_early = heapledger::self_overhead().total_bytes();
        }
    }

    let common = COMMON.read().expect("installed").own;
    assert_eq!((common.allocated_blocks, common.live_bytes()), (done, 0));
    scope!("main", drop(black_box(vec![0_u8; 10])));
    assert_eq!(ledger_total(), GLOBAL.counts(), "the ledger against the witness");

    let threads = heapledger::threads().expect("installed");
    let slots = heapledger::self_overhead().threads;
    // The test harness has two threads of its own: main, and this one.
    assert!(slots <= TOGETHER + 2 + 1, "{slots} threads' counters for {TOGETHER} at one time");
    assert!(threads.alive.len() <= 2, "alive: {:?}", threads.alive);
    assert_eq!(heapledger::faults().threads_without_slot, 0);
    let growth = resident_bytes() as i64 - resident_early as i64;
    let own_growth = heapledger::self_overhead().total_bytes().saturating_sub(own_early);
    assert!(own_growth < 64 << 10, "the ledger's memory grew by {own_growth} bytes");
    // mimalloc grows by itself, by a few megabytes.
    let limit = if cfg!(feature = "backend-mimalloc") { 16 << 20 } else { 1 << 20 };
    assert!(growth < limit, "memory grew by {growth} bytes after the first tenth");
    assert_eq!(heapledger::self_check(), Ok(()));
    say(format_args!(
        "short_threads: {done} threads, {slots} slots, after the first tenth RSS {:+} KiB, \
         the ledger's own {own_growth:+} bytes",
        growth / 1024
    ));
}
