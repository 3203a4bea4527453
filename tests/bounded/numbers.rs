//! What the statistics say, whoever has what at the moment.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use heapledger::{BoundedPool, PoolError};

use crate::{SHORT, Woken, check, poll_once};

/// Acquisitions without the lock are counted where the object is, and seen there.
#[test]
fn hits_are_seen_while_the_object_is_out() {
    let pool = BoundedPool::new("bounded/hits", 2, || 1).unwrap();
    for _ in 0..1_000 {
        drop(pool.acquire().unwrap());
    }
    let lease = pool.acquire().unwrap();
    let it = check(&pool);
    assert_eq!((it.hits, it.misses, it.in_use), (1_000, 1, 1));
    assert!(it.hit_rate() > 0.99);
    // Not even with an object that never comes back.
    let forgotten = std::mem::ManuallyDrop::new(lease);
    assert_eq!(check(&pool).hits, 1_000);
    for _ in 0..10 {
        drop(pool.acquire().unwrap());
    }
    pool.shrink_idle();
    assert_eq!((check(&pool).hits, check(&pool).misses), (1_009, 2));
    // Nor with objects that come and go, more than there are at a time.
    for _ in 0..100 {
        drop(pool.acquire().unwrap());
        drop(pool.acquire().unwrap());
        pool.shrink_idle();
    }
    assert_eq!((check(&pool).hits, check(&pool).misses), (1_109, 102));
    drop(std::mem::ManuallyDrop::into_inner(forgotten));
}

/// An object that is refused on the way out is not out beside the one that takes its place.
#[test]
fn one_acquisition_is_one_in_use_however_many_objects_it_tries() {
    let old = BoundedPool::builder("bounded/old", 4, || 1).max_lifetime(SHORT).prefill(4);
    let old = old.build().unwrap();
    thread::sleep(3 * SHORT);
    drop(old.acquire().unwrap());
    assert_eq!(check(&old).high_water, 1);
    let broken = BoundedPool::builder("bounded/broken", 4, || 1).health_check(|_| false).prefill(3);
    let broken = broken.build().unwrap();
    let lease = broken.acquire().unwrap();
    drop(broken.acquire().unwrap());
    drop(lease);
    let it = check(&broken);
    assert_eq!((it.high_water, it.dropped, it.created), (2, 3, 5), "{it:?}");
}

#[test]
fn a_pool_that_its_own_check_closes_makes_nothing_more() {
    let pool: Arc<OnceLock<BoundedPool<u8>>> = Arc::default();
    let own = pool.clone();
    let check_closes = move |_: &mut u8| {
        own.get().expect("it is there").close();
        false
    };
    let built = BoundedPool::builder("bounded/closes", 2, || 1).prefill(1);
    assert!(pool.set(built.health_check(check_closes).build().unwrap()).is_ok());
    let pool = pool.get().unwrap();
    assert!(matches!(pool.acquire(), Err(PoolError::Closed { .. })));
    let it = check(pool);
    assert_eq!((it.hits, it.misses, it.created, it.in_use), (0, 1, 1, 0));
    // The same by a future.
    let pool = BoundedPool::builder("bounded/closes_later", 2, || 1).prefill(1).build().unwrap();
    let close = async |_: &mut i32| {
        pool.close();
        false
    };
    let mut future = Box::pin(pool.acquire_checked(close, async || Ok::<_, PoolError>(2)));
    let outcome = poll_once(&mut future, &Arc::<Woken>::default()).expect("nothing to wait for");
    assert!(matches!(outcome, Err(PoolError::Closed { .. })));
    drop(future);
    let it = check(&pool);
    assert_eq!((it.hits, it.misses, it.created, it.in_use), (0, 1, 1, 0));
}

/// An object that comes back in a panic is kept, where that is asked for; those that have
/// expired are left alone, as their destructors may panic, too.
#[test]
fn nothing_expires_while_a_thread_panics() {
    struct Bomb(bool, Arc<AtomicUsize>);
    impl Drop for Bomb {
        fn drop(&mut self) {
            self.1.fetch_add(1, SeqCst);
            if self.0 {
                resume_unwind(Box::new("expired"));
            }
        }
    }
    let ended = Arc::<AtomicUsize>::default();
    let make = ended.clone();
    let pool = BoundedPool::builder("bounded/expires", 2, move || Bomb(false, make.clone()))
        .idle_timeout(4 * SHORT)
        .retain_after_panic(true)
        .build()
        .unwrap();
    let (mut bomb, other) = (pool.acquire().unwrap(), pool.acquire().unwrap());
    bomb.0 = true;
    drop(bomb);
    thread::sleep(Duration::from_millis(20));
    let panics = catch_unwind(AssertUnwindSafe(|| {
        let _other = other;
        resume_unwind(Box::new("with an object out"));
    }));
    assert!(panics.is_err());
    assert_eq!((ended.load(SeqCst), check(&pool).retained), (0, 2));
    assert!(catch_unwind(AssertUnwindSafe(|| pool.shrink_idle())).is_err());
    assert_eq!((ended.load(SeqCst), check(&pool).retained), (2, 0));
}

#[test]
fn fractions_are_as_they_are_said() {
    let build = |limit, fraction| {
        BoundedPool::builder("bounded/fractions", limit, || 1).prefill_fraction(fraction).build()
    };
    for (limit, fraction, filled) in [(100, 0.29, 29), (100, 0.999, 99), (7, 1.0, 7), (10, 0.0, 0)]
    {
        assert_eq!(check(&build(limit, fraction).unwrap()).retained, filled);
    }
    assert_eq!(check(&build(usize::MAX, 0.0).unwrap()).retained, 0);
}
