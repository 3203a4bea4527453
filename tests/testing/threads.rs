//! What others allocate for a thread or a job, `std`, crossbeam and rayon, is not the
//! work's: it is freed when nobody may be there to count it. What the work does, is.

use std::hint::black_box;

use heapledger::testing::{Observed, observe};
use heapledger::{Tag, assert_no_growth, crossbeam, rayon, scope, thread};

fn block() -> Vec<u8> {
    black_box(vec![1_u8; 1000])
}

/// Allocations, and live bytes.
fn numbers(seen: &Observed) -> (u64, i64) {
    (seen.allocations(), seen.counts.live_bytes_signed())
}

#[heapledger::test(allocs = 3, no_leaks)]
fn a_thread_joined() {
    thread::spawn(|| drop(block())).join().unwrap();
    drop(thread::spawn(block).join().unwrap());
    let captured = block();
    thread::Builder::new().spawn(move || drop(captured)).unwrap().join().unwrap();
}

#[heapledger::test(allocs = 4, no_leaks)]
fn scoped_threads_joined_and_not() {
    thread::scope(|s| {
        s.spawn(|| drop(block()));
        s.spawn(|| s.spawn(block).join().unwrap());
        thread::Builder::new().spawn_scoped(s, || drop(block())).unwrap();
        drop(block());
    });
}

#[heapledger::test(allocs = 3, no_leaks)]
fn crossbeams_scoped_threads() {
    crossbeam::scope(|s| {
        s.spawn(|_| drop(block()));
        s.spawn(|s| s.spawn(|_| block()).join().unwrap());
        s.builder().spawn(|_| block()).unwrap();
    })
    .unwrap();
}

#[heapledger::test(allocs = 1002, no_leaks)]
fn jobs_of_rayon() {
    rayon::join(|| drop(block()), || drop(block()));
    rayon::scope(|s| (0..500).for_each(|_| s.spawn(|_| drop(block()))));
    rayon::in_place_scope(|s| (0..500).for_each(|_| s.spawn(|_| drop(block()))));
}

#[test]
fn threads_leave_no_growth() {
    assert_no_growth!(iters = 50, thread::spawn(|| drop(block())).join().unwrap());
    assert_no_growth!(iters = 50, thread::scope(|s| drop(s.spawn(|| drop(block())))));
    assert_no_growth!(iters = 50, rayon::join(block, block));
}

/// Neither hidden by what `std` frees, nor lost: what a thread returns is live until
/// it is dropped, and what it leaves stays so.
#[test]
fn a_leak_on_a_thread_is_seen_to_the_byte() {
    let (kept, seen) = observe(|| {
        let kept = (thread::spawn(block).join().unwrap(), thread::scope(|s| s.spawn(block).join()));
        drop(thread::spawn(block).join().unwrap());
        kept
    })
    .unwrap();
    assert_eq!(numbers(&seen), (3, 2000));
    assert_eq!((seen.still_at_work, seen.uncounted_threads), (0, 0));
    drop(kept);
}

/// A result that nobody takes is dropped in the scope, by whichever side is last.
#[test]
fn results_that_nobody_takes() {
    static TAG: Tag = Tag::new("testing/threads/untaken");
    let (_, seen) = observe(|| {
        let finished = TAG.run(|| thread::spawn(block));
        while !finished.is_finished() {
            thread::yield_now();
        }
        assert!(finished.thread().name().is_none());
        drop(finished);
        thread::scope(|s| drop(scope!("testing/threads/untaken", s.spawn(block))));
    })
    .unwrap();
    assert_eq!(numbers(&seen), (2, 0));
}

/// What `std` allocates has an owner all the same.
#[test]
fn the_ledger_has_what_std_allocates() {
    static TAG: Tag = Tag::new("testing/threads/owner");
    let blocks = || TAG.read().unwrap().own.allocated_blocks;
    let before = blocks();
    let (_, seen) = observe(|| TAG.run(|| thread::spawn(|| ())).join().unwrap()).unwrap();
    assert_eq!(numbers(&seen), (0, 0));
    assert!(blocks() > before, "a thread needs a handle and a packet");
}
