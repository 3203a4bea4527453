//! Peaks: never below a live value that was returned, never above the true peak,
//! and at most `threads × 256 KiB` below it (invariant I4).

use std::hint::black_box;
use std::sync::Barrier;
use std::thread;

use heapledger::{Tag, scope};

/// Bytes that a thread may allocate between two looks, by the documentation.
const INTERVAL: u64 = 256 << 10;

fn peak(name: &str) -> u64 {
    Tag::register(name).unwrap().read().unwrap().peak_live_bytes
}

#[test]
fn what_one_thread_held_at_most() {
    const BLOCKS: u64 = 10_000;
    for block in [5_u64, 8, 40, 300, 1000, 5000] {
        let name = format!("peaks/blocks of {block}");
        let tag = Tag::register(&name).unwrap();
        let mut kept: Vec<Vec<u8>> = Vec::with_capacity(BLOCKS as usize);
        tag.run(|| kept.extend((0..BLOCKS).map(|_| vec![1; block as usize])));
        let true_peak = BLOCKS * block;
        drop(kept);
        let peak = peak(&name);
        assert!(peak <= true_peak && peak + INTERVAL >= true_peak, "{name}: {peak}");
    }
}

#[test]
fn a_block_larger_than_the_interval_is_seen_at_once() {
    drop(scope!("peaks/large", black_box(vec![0_u8; 1_000_003])));
    assert_eq!(peak("peaks/large"), 1_000_003);
    drop(scope!("peaks/large", black_box(vec![0_u8; 999])));
    assert_eq!(peak("peaks/large"), 1_000_003);
}

#[test]
fn a_value_that_was_read_is_a_peak() {
    let tag = Tag::register("peaks/read").unwrap();
    let kept = scope!(tag, black_box(vec![0_u8; 77]));
    let live = tag.read().unwrap().own.live_bytes();
    drop(kept);
    assert_eq!((live, peak("peaks/read")), (77, 77));
}

#[test]
fn what_several_threads_held_at_most() {
    const THREADS: u64 = 4;
    const EACH: u64 = 1 << 20;
    static TAG: Tag = Tag::new("peaks/threads");
    for round in 1..=3 {
        let all = Barrier::new(THREADS as usize);
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    let mut kept: Vec<Vec<u8>> = Vec::with_capacity(1024);
                    TAG.run(|| kept.extend((0..round * EACH / 1024).map(|_| vec![1; 1024])));
                    all.wait();
                    drop(kept);
                    all.wait();
                });
            }
        });
        let (true_peak, peak) = (round * THREADS * EACH, peak("peaks/threads"));
        assert!(peak <= true_peak && peak + THREADS * INTERVAL >= true_peak, "{peak}");
    }
}
