//! How many objects there are, and which.

use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};
use std::thread;

use heapledger::{BoundedPool, Lease, PoolError, PoolKind};

use crate::{Census, Object, SHORT, check};

fn _bounds<T: Send + 'static, Both: Send + Sync + 'static>() {
    fn send<T: Send>() {}
    fn sync<T: Sync>() {}
    send::<BoundedPool<T>>();
    sync::<BoundedPool<T>>();
    send::<Lease<'static, T>>();
    sync::<Lease<'static, Both>>();
}

/// Destructors that still run are counted: connections are, at the other end.
#[test]
fn there_are_never_more_objects_than_the_limit() {
    let census = Census::default();
    let factory = census.clone();
    let pool = BoundedPool::builder("bounded/never_more", 3, move || factory.object())
        .try_reset(|object| {
            object.number += 1;
            object.number % 5 != 0
        })
        .build()
        .unwrap();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for turn in 0..500 {
                    let lease = pool.acquire().unwrap();
                    if turn % 7 == 0 {
                        Lease::discard(lease);
                    }
                }
            });
        }
    });
    let it = check(&pool);
    assert!(census.most() <= 3, "{} objects at a time", census.most());
    assert_eq!((it.hits + it.misses, it.in_use), (4_000, 0));
    assert_eq!(it.retained as usize, census.alive());
    drop(pool);
    assert_eq!(census.alive(), 0);
}

#[test]
fn an_object_has_one_user_at_a_time_and_is_used_again() {
    let next = AtomicUsize::new(0);
    let pool = BoundedPool::new("bounded/reuse", 3, move || next.fetch_add(1, SeqCst)).unwrap();
    for _ in 0..10 {
        let leases: Vec<_> = (0..3).map(|_| pool.acquire().unwrap()).collect();
        let mut numbers: Vec<_> = leases.iter().map(|lease| **lease).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, [0, 1, 2]);
    }
    let first = *pool.acquire().unwrap();
    for _ in 0..10 {
        assert_eq!(*pool.acquire().unwrap(), first, "the others can expire");
    }
    assert_eq!(pool.statistics().created, 3);
}

#[test]
fn nothing_left_and_not_made_and_closed_are_different_errors() {
    let works = std::sync::Arc::new(AtomicBool::new(false));
    let factory = works.clone();
    let make = move || match factory.load(SeqCst) {
        true => Ok(7),
        false => Err(std::io::Error::other("the server is down")),
    };
    let pool = BoundedPool::try_builder("bounded/errors", 1, make).build().unwrap();

    let error = pool.acquire().unwrap_err();
    assert!(matches!(error, PoolError::Create(_)), "{error:?}");
    assert!(error.to_string().contains("the server is down"), "{error}");
    assert!(std::error::Error::source(&error).is_some());
    let it = check(&pool);
    assert_eq!((it.created, it.misses, it.in_use), (0, 1, 0), "the place is free again");

    works.store(true, SeqCst);
    let lease = pool.acquire().unwrap();
    for error in [pool.try_acquire().unwrap_err(), pool.acquire_timeout(SHORT).unwrap_err()] {
        assert!(matches!(error, PoolError::Exhausted { max_live: 1, .. }), "{error:?}");
        assert!(error.to_string().contains("bounded/errors"), "{error}");
    }
    let it = pool.statistics();
    assert_eq!((it.waits.times.count, it.waits.timeouts, it.misses), (1, 1, 4));
    assert!(it.waits.times.max_ns >= SHORT.as_nanos() as u64);

    pool.close();
    assert!(pool.is_closed());
    assert!(matches!(pool.acquire(), Err(PoolError::Closed { .. })));
    assert_eq!(*lease, 7, "what is in use stays valid");
    drop(lease);
    let it = check(&pool);
    assert_eq!((it.created, it.dropped, it.retained), (1, 1, 0));
    assert!(matches!(pool.try_acquire(), Err(PoolError::Closed { .. })));
}

#[test]
fn a_name_that_is_no_tag_is_refused() {
    let error = BoundedPool::new("a//b", 1, || ()).unwrap_err();
    assert!(matches!(error, PoolError::Name(_)), "{error:?}");
}

#[test]
fn a_lease_can_outlive_its_pool() {
    let census = Census::default();
    let factory = census.clone();
    let pool = BoundedPool::new("bounded/outlive", 2, move || factory.object()).unwrap();
    let owned = Lease::into_owned(Lease::into_owned(pool.acquire().unwrap()));
    drop(pool.acquire().unwrap());
    assert_eq!(census.alive(), 2);
    drop(pool);
    assert_eq!(census.alive(), 1, "what was idle is gone");
    assert_eq!(owned.number, 0);
    drop(owned);
    assert_eq!(census.alive(), 0);
}

#[test]
fn an_owned_lease_comes_back_like_any_other() {
    let pool = BoundedPool::new("bounded/owned", 1, || 0).unwrap();
    let mut owned = Lease::into_owned(pool.acquire().unwrap());
    *owned = 5;
    assert!(pool.try_acquire().is_err());
    thread::spawn(move || drop(owned)).join().unwrap();
    assert_eq!(*pool.acquire().unwrap(), 5);
    assert_eq!(check(&pool).created, 1);
}

#[test]
fn what_is_taken_out_for_good_makes_room() {
    let census = Census::default();
    let factory = census.clone();
    let pool = BoundedPool::new("bounded/taken", 1, move || factory.object()).unwrap();
    let object: Object = Lease::into_inner(pool.acquire().unwrap());
    let other = pool.try_acquire().unwrap();
    assert_eq!(census.alive(), 2, "one is not the pool's any more");
    drop(object);
    Lease::discard(other);
    assert_eq!(census.alive(), 0);
    let it = check(&pool);
    assert_eq!((it.created, it.dropped, it.retained), (2, 2, 0));
}

#[test]
fn a_forgotten_lease_shows_as_in_use() {
    let pool = BoundedPool::new("bounded/forgotten", 2, || [0_u8; 1000]).unwrap();
    let forgotten = ManuallyDrop::new(pool.acquire().unwrap());
    assert_eq!(check(&pool).in_use, 1);
    let listed = heapledger::pools();
    let it = listed.iter().find(|it| it.name == "bounded/forgotten").expect("a listed pool");
    assert_eq!((it.in_use, it.kind, it.live_max), (1, PoolKind::Bounded, Some(2)));
    assert!(it.used_bytes >= 1000, "{it:?}");
    // For the sanitizers, to which it is a leak as well.
    drop(ManuallyDrop::into_inner(forgotten));
}

#[test]
fn a_smaller_limit_discards_and_a_larger_one_makes() {
    let census = Census::default();
    let factory = census.clone();
    let pool = BoundedPool::new("bounded/resize", 4, move || factory.object()).unwrap();
    let leases: Vec<_> = (0..4).map(|_| pool.acquire().unwrap()).collect();
    pool.resize(2);
    assert_eq!(census.alive(), 4, "what is in use stays");
    assert!(pool.try_acquire().is_err());
    drop(leases);
    assert_eq!((census.alive(), check(&pool).retained), (2, 2));
    pool.resize(1);
    assert_eq!(census.alive(), 1, "an idle one went at once");
    pool.resize(0);
    assert_eq!(census.alive(), 0);
    assert!(matches!(pool.try_acquire(), Err(PoolError::Exhausted { max_live: 0, .. })));
    pool.resize(3);
    let _leases: Vec<_> = (0..3).map(|_| pool.try_acquire().unwrap()).collect();
    assert!(pool.try_acquire().is_err());
}

#[test]
fn idle_bytes_come_back() {
    let make = || vec![1_u8; 100_000];
    let pool = BoundedPool::new("bounded/shrink", 4, make).unwrap();
    let weighed = BoundedPool::builder("bounded/shrink_weighed", 4, Vec::new)
        .weigher(Vec::<u8>::capacity)
        .build()
        .unwrap();
    let mut leases: Vec<_> = (0..4).map(|_| weighed.acquire().unwrap()).collect();
    // Not under the pool's tag: only the weigher knows.
    leases.iter_mut().for_each(|lease| **lease = make());
    drop(leases);
    drop((0..4).map(|_| pool.acquire().unwrap()).collect::<Vec<_>>());
    for pool in [&pool, &weighed] {
        let it = check(pool);
        assert!((400_000..410_000).contains(&it.idle_bytes), "{it:?}");
        let freed = pool.shrink(250_000);
        assert!((200_000..210_000).contains(&freed), "{freed}");
        assert_eq!(check(pool).retained, 2);
        assert_eq!(pool.shrink(250_000), 0);
    }
    // As `shrink_idle` does with all; that would take the other tests' objects, too.
    let mut freed = 0;
    for reclaimer in heapledger::reclaimers() {
        if reclaimer.name().starts_with("bounded/shrink") {
            freed += reclaimer.shrink_idle();
        }
    }
    assert!((400_000..410_000).contains(&freed), "{freed}");
    assert_eq!((check(&pool).retained, check(&weighed).retained), (0, 0));
}

#[test]
fn objects_are_made_and_reset_under_the_pools_tag() {
    let pool = BoundedPool::builder("bounded/tagged", 1, || vec![0_u8; 5_000])
        .reset(|buffer| *buffer = vec![0_u8; 20_000])
        .build()
        .unwrap();
    let tag = heapledger::Tag::register("pool/bounded/tagged").unwrap();
    let live = || tag.read().unwrap().own.live_bytes();
    let empty = live();
    let lease = pool.acquire().unwrap();
    assert!((5_000..6_000).contains(&(live() - empty)));
    drop(lease);
    assert!((20_000..21_000).contains(&(live() - empty)));
    pool.resize(0);
    assert!(live() - empty < 1_000);
}

/// The place is free when the destructor is done, and not before.
#[test]
fn an_object_is_alive_until_its_destructor_is_done() {
    struct OnDrop(Arc<OnceLock<BoundedPool<OnDrop>>>, Arc<AtomicUsize>);
    impl Drop for OnDrop {
        fn drop(&mut self) {
            if self.0.get().expect("the pool").try_acquire().is_err() {
                self.1.fetch_add(1, SeqCst);
            }
        }
    }
    let (pool, refused) = (Arc::new(OnceLock::new()), Arc::new(AtomicUsize::new(0)));
    let (pool_in, refused_in) = (pool.clone(), refused.clone());
    let make = move || OnDrop(pool_in.clone(), refused_in.clone());
    let pool = pool.get_or_init(|| BoundedPool::new("bounded/destructor", 1, make).unwrap());
    Lease::discard(pool.acquire().unwrap());
    assert_eq!(refused.load(SeqCst), 1);
    drop(pool.acquire().unwrap());
    pool.resize(0);
    assert_eq!(refused.load(SeqCst), 2);
    assert_eq!(check(pool).dropped, 2);
}

/// What is out has what the idle objects, whose weights are known, do not have.
#[test]
fn used_bytes_are_those_of_the_objects_in_use() {
    let pool = BoundedPool::builder("bounded/used", 2, Vec::<u8>::new)
        .weigher(Vec::capacity)
        .build()
        .unwrap();
    assert_eq!(pool.tag().name(), "pool/bounded/used");
    let [mut large, mut small] = [pool.acquire().unwrap(), pool.acquire().unwrap()];
    pool.tag().run(|| (large.reserve_exact(1 << 20), small.reserve_exact(1 << 10)));
    drop(large);
    let it = pool.statistics();
    assert!((1 << 20..(1 << 20) + 200).contains(&it.idle_bytes), "{it:?}");
    assert!((1 << 10..4 << 10).contains(&it.used_bytes), "{it:?}");
    drop(small);
    assert_eq!(pool.statistics().used_bytes, 0);
    assert!(pool.shrink_idle() >= 1 << 20);
    assert_eq!((pool.statistics().retained, pool.name()), (0, "bounded/used"));
}

#[test]
fn nobody_is_told_to_wait_who_did_not() {
    let text = |max_live| {
        let pool = BoundedPool::new("bounded/texts", max_live, || 1).unwrap();
        let _all: Vec<_> = (0..max_live).map(|_| pool.acquire().unwrap()).collect();
        pool.try_acquire().unwrap_err().to_string()
    };
    let (none, two) = (text(0), text(2));
    assert!(none.contains("resize") && !none.contains("wait"), "{none}");
    assert!(two.contains("all 2") && two.contains("in use:"), "{two}");
    assert!(!two.contains("0ns") && !two.contains("wait longer"), "{two}");
}

#[test]
fn a_pool_that_is_gone_leaves_nothing_on_its_tag() {
    let pool = BoundedPool::new("bounded/gone", 2, || vec![0_u8; 100]).unwrap();
    let tag = pool.tag().clone();
    drop(pool.acquire().unwrap());
    drop(pool);
    assert_eq!(tag.read().unwrap().own.live_bytes(), 0);
}
