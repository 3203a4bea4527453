//! Who waits gets its turn, in order, and never for nothing.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;

use heapledger::{BoundedPool, PoolError};

use crate::{LONG, SHORT, check, until_waiting};

/// Threads and tasks are in one queue. Each is known to wait before the next comes.
#[test]
fn first_come_first_served() {
    for round in 0..20 {
        let pool = BoundedPool::new("bounded/fifo", 1, || ()).unwrap();
        let served = Mutex::new(Vec::new());
        thread::scope(|scope| {
            let held = pool.acquire().unwrap();
            for number in 0..8_u64 {
                let (pool, served) = (&pool, &served);
                scope.spawn(move || {
                    let lease = match (number + round) % 3 {
                        0 => pool.acquire(),
                        1 => pool.acquire_timeout(LONG),
                        _ => runtime().block_on(pool.acquire_async()),
                    };
                    let _lease = lease.unwrap();
                    served.lock().unwrap().push(number);
                });
                until_waiting(pool, number + 1);
            }
            drop(held);
        });
        assert_eq!(*served.lock().unwrap(), (0..8).collect::<Vec<_>>());
        let it = check(&pool);
        assert_eq!((it.waits.times.count, it.waits.timeouts), (8, 0));
        assert!(it.waits.times.total_ns >= it.waits.times.max_ns && it.waits.times.max_ns > 0);
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

/// Whoever comes while others wait comes after them.
#[test]
fn nobody_overtakes() {
    let pool = BoundedPool::new("bounded/overtake", 1, || ()).unwrap();
    let served = AtomicBool::new(false);
    thread::scope(|scope| {
        let held = pool.acquire().unwrap();
        scope.spawn(|| {
            let lease = pool.acquire().unwrap();
            assert!(pool.try_acquire().is_err());
            served.store(true, SeqCst);
            drop(lease);
        });
        until_waiting(&pool, 1);
        drop(held);
        // The object is the waiter's from the moment it came back.
        if pool.try_acquire().is_ok() {
            assert!(served.load(SeqCst), "somebody was overtaken");
        }
    });
}

#[test]
fn who_waits_gets_the_place_of_an_object_that_could_not_be_made() {
    let fails = Arc::new(AtomicBool::new(true));
    let fails_in = fails.clone();
    let (waiting, waits) = std::sync::mpsc::channel();
    let waits = Mutex::new(waits);
    let make = move || {
        if fails_in.swap(false, SeqCst) {
            // Fail only when the other one is in the queue.
            waits.lock().unwrap().recv().unwrap();
            return Err("not today");
        }
        Ok(())
    };
    let pool = BoundedPool::try_builder("bounded/not_made", 1, make).build().unwrap();
    thread::scope(|scope| {
        let first = scope.spawn(|| pool.acquire().map(drop));
        while fails.load(SeqCst) {
            thread::yield_now();
        }
        let second = scope.spawn(|| pool.acquire_timeout(LONG).map(drop));
        until_waiting(&pool, 1);
        waiting.send(()).unwrap();
        assert!(matches!(first.join().unwrap(), Err(PoolError::Create(_))));
        second.join().unwrap().unwrap();
    });
    assert_eq!(check(&pool).created, 1);
}

#[test]
fn a_larger_limit_lets_those_in_who_wait() {
    let pool = BoundedPool::new("bounded/let_in", 0, || ()).unwrap();
    let together = std::sync::Barrier::new(3);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let _lease = pool.acquire().unwrap();
                together.wait();
            });
        }
        until_waiting(&pool, 3);
        pool.resize(3);
    });
    assert_eq!(check(&pool).high_water, 3);
}

#[test]
fn closing_sends_those_away_who_wait() {
    let pool = BoundedPool::new("bounded/send_away", 1, || ()).unwrap();
    let held = pool.acquire().unwrap();
    thread::scope(|scope| {
        let thread = scope.spawn(|| pool.acquire().map(drop));
        let task = scope.spawn(|| runtime().block_on(pool.acquire_async()).map(drop));
        until_waiting(&pool, 2);
        pool.close();
        for waiter in [thread, task] {
            assert!(matches!(waiter.join().unwrap(), Err(PoolError::Closed { .. })));
        }
    });
    drop(held);
    let it = check(&pool);
    assert_eq!((it.waits.times.count, it.waits.timeouts, it.retained), (2, 0, 0));
}

/// A time-out just when the object comes: whoever has it in the end, nobody loses it.
#[test]
fn a_timeout_at_the_last_moment_loses_nothing() {
    let pool = BoundedPool::new("bounded/last_moment", 1, || ()).unwrap();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for turn in 0..300 {
                    let timeout = SHORT / (1 + turn % 50);
                    match pool.acquire_timeout(timeout) {
                        Ok(lease) => {
                            thread::sleep(timeout);
                            drop(lease);
                        }
                        Err(error) => assert!(matches!(error, PoolError::Exhausted { .. })),
                    }
                }
            });
        }
    });
    let it = check(&pool);
    assert_eq!((it.created, it.in_use, it.retained), (1, 0, 1));
    drop(pool.try_acquire().unwrap());
}
