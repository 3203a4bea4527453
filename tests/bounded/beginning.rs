//! Objects that are there from the beginning, and how long making one takes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use heapledger::{BoundedPool, Lease, PoolError};

use crate::{Census, SHORT, check};

/// Row S12: half of 50 connections at once.
#[test]
fn a_pool_is_filled_beforehand() {
    let census = Census::default();
    let factory = census.clone();
    let pool = BoundedPool::builder("bounded/prefill", 50, move || factory.object())
        .prefill_fraction(0.5)
        .build()
        .unwrap();
    assert_eq!(census.alive(), 25);
    let it = check(&pool);
    assert_eq!((it.created, it.retained, it.hits, it.misses, it.high_water), (25, 25, 0, 0, 0));
    assert_eq!(it.making.count, 25);
    // Those that nobody has had count as soon as somebody has them, and not before.
    let first = pool.acquire().unwrap();
    assert_eq!((check(&pool).hits, check(&pool).high_water), (1, 1));
    drop(first);
    // Other threads find the one that was had, before those that were not.
    for _ in 0..4 {
        let acquire = || drop(pool.acquire().unwrap());
        thread::scope(|scope| scope.spawn(acquire).join()).unwrap();
    }
    assert_eq!((check(&pool).hits, check(&pool).high_water), (5, 1));
    let leases: Vec<_> = (0..30).map(|_| pool.acquire().unwrap()).collect();
    let it = check(&pool);
    assert_eq!((it.created, it.hits, it.misses, it.high_water), (30, 30, 5, 30));
    drop(leases);
    assert_eq!((check(&pool).retained, census.most()), (30, 30));
}

/// Threads, each with its own idle object, beside objects that nobody has had.
#[test]
fn the_most_in_use_are_exact_in_a_filled_pool() {
    const THREADS: usize = 4;
    for prefilled in [1, 3, 4, 10, 20] {
        let pool = BoundedPool::builder("bounded/prefill_peak", 20, || [0_u8; 100])
            .prefill(prefilled)
            .build()
            .unwrap();
        let together = Barrier::new(THREADS);
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    for _ in 0..100 {
                        let lease = pool.acquire().unwrap();
                        together.wait();
                        drop(lease);
                        together.wait();
                    }
                });
            }
        });
        let it = check(&pool);
        assert_eq!(it.high_water, THREADS as u64, "{it:?}");
        assert_eq!((it.hits + it.misses, it.dropped), (400, 0), "{it:?}");
        assert_eq!(it.created, prefilled.max(THREADS) as u64, "{it:?}");
    }
}

#[test]
fn a_pool_is_filled_to_its_limit_at_most() {
    let build = |limit, fraction| {
        BoundedPool::builder("bounded/prefill_full", limit, || 1).prefill_fraction(fraction).build()
    };
    for limit in [0, 1, 3, 64] {
        let pool = build(limit, 1.0).unwrap();
        assert_eq!(check(&pool).retained, limit as u64);
        let leases: Vec<_> = (0..limit).map(|_| pool.try_acquire().unwrap()).collect();
        assert!(matches!(pool.try_acquire(), Err(PoolError::Exhausted { .. })));
        drop(leases);
        let it = check(&pool);
        assert_eq!((it.created, it.high_water), (limit as u64, limit as u64));
    }
    let more = BoundedPool::builder("bounded/prefill_full", 2, || 1).prefill(100).build().unwrap();
    assert_eq!(check(&more).created, 2);
    for fraction in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
        let error = build(10, fraction).unwrap_err();
        assert!(matches!(error, PoolError::Prefill { .. }), "{error}");
        assert!(error.to_string().contains(&fraction.to_string()), "{error}");
    }
}

#[test]
fn what_was_never_used_is_shrunk_expires_and_is_discarded_as_all() {
    let pool = BoundedPool::builder("bounded/prefill_idle", 10, || vec![0_u8; 100])
        .weigher(Vec::capacity)
        .prefill(8)
        .build()
        .unwrap();
    let it = check(&pool);
    assert!(it.idle_bytes >= 800 && it.used_bytes == 0, "{it:?}");
    assert!(pool.shrink(it.idle_bytes / 2) > 0);
    assert_eq!(check(&pool).retained, 4);
    pool.resize(3);
    assert_eq!(check(&pool).retained, 3);
    Lease::discard(pool.acquire().unwrap());
    let it = check(&pool);
    assert_eq!((it.retained, it.dropped, it.high_water), (2, 6, 1), "{it:?}");
    let pool = BoundedPool::builder("bounded/prefill_expires", 10, || 1)
        .max_lifetime(SHORT)
        .prefill(8)
        .build()
        .unwrap();
    thread::sleep(2 * SHORT);
    assert_eq!(pool.remove_expired(), 8);
    let it = check(&pool);
    assert_eq!((it.retained, it.dropped, it.high_water), (0, 8, 0), "{it:?}");
    // Too old when it is asked for: another is made, and its place is free.
    let pool = BoundedPool::builder("bounded/prefill_old", 1, || 1)
        .max_lifetime(SHORT)
        .prefill(1)
        .build()
        .unwrap();
    thread::sleep(2 * SHORT);
    drop(pool.acquire().unwrap());
    assert_eq!((check(&pool).created, check(&pool).dropped), (2, 1));
    pool.close();
    assert_eq!(check(&pool).dropped, 2);
}

#[test]
fn what_was_made_until_the_factory_failed_is_dropped() {
    let census = Census::default();
    let build = |fail: fn() -> Result<(), &'static str>| {
        let (factory, made) = (census.clone(), AtomicUsize::new(0));
        let make = move || {
            if made.fetch_add(1, SeqCst) == 3 {
                fail()?;
            }
            Ok::<_, &str>(factory.object())
        };
        BoundedPool::try_builder("bounded/prefill_fails", 5, make).prefill(5).build()
    };
    let error = build(|| Err("no server")).unwrap_err();
    assert!(matches!(&error, PoolError::Create(_)) && error.to_string().contains("no server"));
    assert_eq!(census.alive(), 0);
    let panics = || std::panic::resume_unwind(Box::new("no server"));
    assert!(catch_unwind(AssertUnwindSafe(|| build(panics))).is_err());
    assert_eq!((census.alive(), census.most()), (0, 3));
    let is_listed = |it: &heapledger::PoolStatistics| it.name == "bounded/prefill_fails";
    assert!(!heapledger::pools().iter().any(is_listed));
}

/// Row S25: what an acquisition takes is waiting and making.
#[test]
fn making_is_measured_whatever_comes_of_it() {
    const LONG: Duration = Duration::from_millis(4);
    let turn = Arc::new(AtomicUsize::new(0));
    let turns = turn.clone();
    let make = move || {
        thread::sleep(LONG);
        match turns.fetch_add(1, SeqCst) {
            0 => Err("no server"),
            1 => std::panic::resume_unwind(Box::new("no server")),
            _ => Ok(1),
        }
    };
    let pool = BoundedPool::try_builder("bounded/making", 2, make).build().unwrap();
    assert!(pool.acquire().is_err());
    assert!(catch_unwind(AssertUnwindSafe(|| pool.acquire().is_ok())).is_err());
    drop(pool.acquire().unwrap());
    // A hit makes nothing.
    drop(pool.acquire().unwrap());
    let it = check(&pool);
    assert_eq!((it.making.count, it.created, it.waits.times.count), (3, 1, 0), "{it:?}");
    let [long_ns, longest] = [LONG.as_nanos() as u64, it.making.max_ns];
    assert!(longest >= long_ns && it.making.total_ns >= 3 * long_ns, "{it:?}");
    // 4 ms are in the bucket of less than 2^12 or 2^13 µs, or a later one.
    assert_eq!(it.making.buckets[..11].iter().sum::<u64>(), 0, "{it:?}");
    assert_eq!(it.making.buckets.iter().sum::<u64>(), 3, "{it:?}");
}
