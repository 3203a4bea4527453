//! Work on several threads: what is handed over by its scope counts, nothing else
//! does, and what comes too late changes nothing.

use std::hint::black_box;
use std::sync::mpsc::{channel, sync_channel};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;

use heapledger::testing::observe;
use heapledger::{Scope, Tag, faults, scope};

use super::seen;

const SIZE: usize = 12_345;

/// How many blocks of `SIZE` were allocated and freed.
fn blocks(seen: &heapledger::testing::Observed, tag: &str) -> (u64, u64) {
    let of_tag = seen.tags.iter().find(|growth| growth.tag == tag);
    of_tag.map_or((0, 0), |growth| (growth.counts.allocated_blocks, growth.counts.freed_blocks))
}

#[test]
fn what_a_thread_does_in_the_works_scope_counts() {
    let tag = "testing/handed/spawned";
    let seen = seen(|| {
        let scope = Scope::current();
        let spawned =
            thread::spawn(move || scope.run(|| scope!("testing/handed/spawned", vec![0_u8; SIZE])));
        let block = spawned.join().unwrap();
        assert_eq!(block.len(), SIZE);
    });
    assert_eq!(blocks(&seen, tag), (1, 1));
    assert!(seen.peak_live_bytes >= SIZE as u64);
    assert_eq!(seen.still_at_work, 0);
}

#[test]
fn what_a_thread_does_elsewhere_does_not() {
    let seen = seen(|| {
        thread::scope(|threads| {
            threads.spawn(|| drop(scope!("testing/handed/elsewhere", vec![0_u8; SIZE])));
        });
    });
    assert_eq!(blocks(&seen, "testing/handed/elsewhere"), (0, 0));
    assert!(seen.peak_live_bytes < SIZE as u64, "{seen:?}");
}

/// A tag that is handed over takes the observation along, a tag that is not part
/// of one leaves it alone.
#[test]
fn scopes_made_from_tags() {
    static TAG: Tag = Tag::new("testing/handed/tag");
    let life = || drop(black_box(vec![0_u8; SIZE]));
    let from_outside = Scope::from(&TAG);
    let seen = seen(|| {
        from_outside.run(life);
        let from_inside = Scope::from(&TAG);
        assert_eq!(from_inside, from_outside);
        thread::spawn(move || from_inside.run(life)).join().unwrap();
        // The thread is not in the observation, and the scope does not bring it there.
        thread::spawn(move || from_outside.run(life)).join().unwrap();
    });
    assert_eq!(blocks(&seen, "testing/handed/tag"), (2, 2));
}

/// As a pool's thread does that waits in one test's work and takes up another's.
#[test]
fn work_of_others_that_runs_in_between_is_theirs() {
    static TAG: Tag = Tag::new("testing/handed/stolen");
    let nobodys = Scope::current();
    let (others, other) = observe(Scope::current).unwrap();
    assert_eq!(other.tags.len(), 0);
    let late = faults().late_work;
    let seen = seen(|| {
        let mut kept = TAG.run(|| vec![0_u8; SIZE]);
        nobodys.run(|| drop(TAG.run(|| black_box(vec![0_u8; SIZE]))));
        others.run(|| drop(TAG.run(|| black_box(vec![0_u8; SIZE]))));
        TAG.run(|| kept.reserve_exact(2 * SIZE));
        // Freed elsewhere: nothing of it is seen.
        let given = TAG.run(|| black_box(vec![0_u8; SIZE]));
        nobodys.run(move || drop(given));
    });
    assert_eq!(blocks(&seen, TAG.name()), (3, 2));
    assert_eq!(seen.counts.live_bytes(), SIZE as u64, "given away is live");
    assert!(faults().late_work > late, "the other observation was over");
}

#[test]
fn nested_work_on_threads_counts_in_both() {
    let mut inner = None;
    let outer = seen(|| {
        inner = Some(seen(|| {
            let scope = Scope::current();
            let work = move || scope.run(|| drop(scope!("testing/handed/both", vec![0_u8; SIZE])));
            thread::spawn(work).join().unwrap();
        }));
        let scope = Scope::current();
        let work = move || scope.run(|| drop(scope!("testing/handed/both", vec![0_u8; SIZE])));
        thread::spawn(work).join().unwrap();
    });
    assert_eq!(blocks(&inner.unwrap(), "testing/handed/both"), (1, 1));
    assert_eq!(blocks(&outer, "testing/handed/both"), (2, 2));
}

/// Threads that go in and out all the time while others do the same next to them.
#[test]
fn sixteen_observations_with_four_threads_each_disturb_nobody() {
    static TAG: Tag = Tag::new("testing/handed/many");
    let start = Barrier::new(16);
    thread::scope(|threads| {
        for test in 0..16_usize {
            let start = &start;
            threads.spawn(move || {
                start.wait();
                for round in 0..10 {
                    let size = 1000 + 16 * test;
                    let ((), seen) = observe(|| work_of_four(&TAG, size)).unwrap();
                    let counts = seen.tags.iter().find(|it| it.tag == TAG.name()).unwrap().counts;
                    assert_eq!(counts.allocated_blocks, 4 * 50, "test {test}, round {round}");
                    assert_eq!(counts.allocated_bytes, 4 * 50 * size as u64, "test {test}");
                    assert_eq!(counts.freed_bytes, counts.allocated_bytes, "test {test}");
                    assert_eq!((seen.still_at_work, seen.uncounted_threads), (0, 0));
                    // A look that takes long sees what comes and goes meanwhile, but
                    // nothing of others.
                    let most = seen.counts.allocated_bytes;
                    assert!(seen.peak_live_bytes <= most, "test {test}: {seen:?}");
                }
            });
        }
    });
}

fn work_of_four(tag: &'static Tag, size: usize) {
    let scope = Scope::current();
    thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(move || {
                for _ in 0..50 {
                    scope.run(|| drop(tag.run(|| black_box(vec![0_u8; size]))));
                    drop(tag.run(|| black_box(vec![0_u8; 777])));
                }
            });
        }
    });
}

/// Work that goes on after the end: its counts go nowhere, also when its place
/// serves another observation by then.
#[test]
fn late_work_changes_nothing() {
    let (go, gone) = sync_channel::<()>(0);
    let (done, wait) = channel();
    let (thread, seen) = observe(|| {
        let scope = Scope::current();
        let inside = Arc::new(Barrier::new(2));
        let thread = thread::spawn({
            let inside = inside.clone();
            move || {
                scope.run(|| {
                    inside.wait();
                    while gone.recv().is_ok() {
                        drop(scope!("testing/handed/late", vec![0_u8; SIZE]));
                        done.send(()).unwrap();
                    }
                });
                // Now it is not even let in again.
                let late = faults().late_work;
                scope.run(|| drop(scope!("testing/handed/late", vec![0_u8; SIZE])));
                assert!(faults().late_work > late);
            }
        });
        inside.wait();
        thread
    })
    .unwrap();
    assert_eq!(seen.still_at_work, 1);
    assert_eq!(blocks(&seen, "testing/handed/late"), (0, 0));
    for _ in 0..300 {
        // More than there are places: each free one is used again.
        let ((), next) = observe(|| {
            go.send(()).unwrap();
            wait.recv().unwrap();
        })
        .unwrap();
        assert_eq!(blocks(&next, "testing/handed/late"), (0, 0));
    }
    drop(go);
    thread.join().unwrap();
}

/// A guard that is forgotten, or dropped after its turn, and a thread that ends
/// inside: the observation has what was done inside, and its place is given back.
#[test]
fn guards_out_of_order_are_no_harm() {
    for _ in 0..600 {
        let seen = seen(|| {
            let scope = Scope::current();
            thread::spawn(move || {
                std::mem::forget(scope.enter());
                drop(scope!("testing/handed/order", vec![0_u8; SIZE]));
            })
            .join()
            .unwrap();
        });
        assert_eq!(blocks(&seen, "testing/handed/order"), (1, 1));
    }
    let ((first, second), seen) = observe(|| {
        let scope = Scope::current();
        (scope.enter(), scope.enter())
    })
    .unwrap();
    drop(first);
    drop(scope!("testing/handed/order", vec![0_u8; SIZE]));
    drop(second);
    drop(scope!("testing/handed/order", vec![0_u8; SIZE]));
    assert_eq!(blocks(&seen, "testing/handed/order"), (0, 0));
    assert_eq!(blocks(&super::seen(|| ()), "testing/handed/order"), (0, 0));
}

/// One allocates, the other frees: the peak is what was between them.
#[test]
fn a_producer_and_a_consumer_have_their_true_peak() {
    const BLOCKS: usize = 20_000;
    let seen = seen(|| {
        let scope = Scope::current();
        let (send, receive) = sync_channel::<Vec<u8>>(4);
        let receive = Mutex::new(receive);
        thread::scope(|threads| {
            threads.spawn(|| scope.run(|| receive.lock().unwrap().iter().for_each(drop)));
            for _ in 0..BLOCKS {
                send.send(scope!("testing/handed/channel", vec![0_u8; SIZE])).unwrap();
            }
            drop(send);
        });
    });
    assert_eq!(blocks(&seen, "testing/handed/channel"), (BLOCKS as u64, BLOCKS as u64));
    // Four wait, one is on each side; and as much again for what goes through
    // while a look is under way.
    let most = 40 * SIZE as u64;
    assert!(seen.peak_live_bytes < most, "{}", seen.peak_live_bytes);
    assert!(seen.peak_live_bytes >= 4 * SIZE as u64, "{}", seen.peak_live_bytes);
}
