//! Eight threads that do everything at once, and fail at everything; then it adds up.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Once};
use std::thread;
use std::time::Duration;

use heapledger::{BoundedPool, Lease, PoolError};

use crate::random::{Random, env_number};
use crate::{Census, Object, SHORT, Woken, check, poll_once};

const THREADS: u64 = 8;
/// The limit when all is over.
const MAX_LIVE: usize = 4;

thread_local! {
    /// How soon this thread's user code panics; 0 is never.
    static FUSE: Cell<u32> = const { Cell::new(0) };
}

/// Panics when the thread's fuse is burnt down, and never during a panic.
fn burn() {
    let left = FUSE.get();
    if left > 0 && !thread::panicking() {
        FUSE.set(left - 1);
        if left == 1 {
            panic!("a fuse");
        }
    }
}

struct Fragile(Object);

impl Drop for Fragile {
    fn drop(&mut self) {
        burn();
    }
}

/// Thousands of expected panics, unprinted; others are.
fn quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if info.payload_as_str() != Some("a fuse") {
                print(info);
            }
        }));
    });
}

#[test]
fn everything_at_once_adds_up() {
    quiet();
    let census = Census::default();
    let factory = census.clone();
    let calls = AtomicU64::new(0);
    let make = move || {
        burn();
        match calls.fetch_add(1, SeqCst) % 11 {
            10 => Err("an error"),
            _ => Ok(Fragile(factory.object())),
        }
    };
    let pool = BoundedPool::try_builder("bounded/chaos", MAX_LIVE, make)
        .health_check(|it| {
            burn();
            it.0.number % 13 != 12
        })
        .try_reset(|it| {
            burn();
            it.0.number += 1;
            it.0.number % 17 != 16
        })
        .weigher(|_| {
            burn();
            100
        })
        .idle_timeout(Duration::from_millis(3))
        .build()
        .unwrap();
    let operations = env_number("HEAPLEDGER_PROPERTY_OPS", 10_000_000) / 10 / THREADS;
    thread::scope(|scope| {
        for seed in 1..=THREADS {
            let pool = &pool;
            scope.spawn(move || {
                let mut random = Random::new(seed);
                for _ in 0..operations {
                    let fuse = if random.chance(1, 3) { random.below(6) as u32 } else { 0 };
                    FUSE.set(fuse);
                    let outcome = catch_unwind(AssertUnwindSafe(|| one(pool, &mut random)));
                    FUSE.set(0);
                    assert!(outcome.is_ok() || fuse > 0, "nobody lit a fuse");
                }
            });
        }
    });

    pool.resize(MAX_LIVE);
    let it = check(&pool);
    assert_eq!((it.in_use, it.retained as usize), (0, census.alive()), "{it:?}");
    assert!(census.most() <= 6, "the limit was at most 6: {}", census.most());
    let all: Vec<_> = (0..MAX_LIVE * 3).filter_map(|_| pool.try_acquire().ok()).collect();
    assert_eq!(all.len(), MAX_LIVE, "as many as the limit says, no place lost and none won");
    drop(all);
    pool.close();
    let it = check(&pool);
    assert_eq!((it.created, census.alive()), (it.dropped, 0));
}

/// One operation. Whoever waits has a time-out, for others may hold all there is.
fn one(pool: &BoundedPool<Fragile>, random: &mut Random) {
    let lease = match random.below(12) {
        0 => return pool.resize(1 + random.below(6)),
        1 => return assert!(pool.remove_expired() + pool.shrink(200) as usize <= 10_000),
        2 => return assert!(pool.statistics().waits.waiting <= THREADS),
        3 | 4 => {
            // Polled so many times, then dropped, whatever it has.
            let mut future = pool.acquire_async();
            let woken = Arc::<Woken>::default();
            let polls = 0..random.below(4);
            match polls.into_iter().find_map(|_| poll_once(&mut future, &woken)) {
                Some(lease) => lease,
                None => return,
            }
        }
        5 => pool.try_acquire(),
        _ => pool.acquire_timeout(SHORT / (1 + random.below(20) as u32)),
    };
    let lease = match lease {
        Ok(lease) => lease,
        Err(PoolError::Exhausted { .. } | PoolError::Create(_)) => return,
        Err(error) => panic!("{error}"),
    };
    match random.below(5) {
        0 => Lease::discard(lease),
        1 => drop(Lease::into_owned(lease)),
        2 => {
            let _lease = lease;
            burn();
        }
        _ => drop(lease),
    }
}
