//! Health checks, and objects that are too old. Times are 0 or an hour: what must
//! expire has, and what must not has not, however slow the machine is.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use heapledger::{BoundedPool, BoundedPoolBuilder, Lease};

use crate::check;

const HOUR: Duration = Duration::from_secs(3600);

fn numbered(name: &str, max_live: usize) -> BoundedPoolBuilder<usize> {
    let next = AtomicUsize::new(0);
    BoundedPool::builder(name, max_live, move || next.fetch_add(1, SeqCst))
}

#[test]
fn what_is_old_is_not_used_again() {
    let pool = numbered("bounded/old", 2).max_lifetime(Duration::ZERO).build().unwrap();
    assert_eq!(*pool.acquire().unwrap(), 0);
    assert_eq!(*pool.acquire().unwrap(), 1);
    let it = check(&pool);
    assert_eq!((it.created, it.dropped, it.retained), (2, 2, 0), "discarded when it came back");
}

#[test]
fn what_was_idle_for_too_long_is_not_used_again() {
    let pool = numbered("bounded/idle", 2).idle_timeout(Duration::ZERO).build().unwrap();
    drop([pool.acquire().unwrap(), pool.acquire().unwrap()]);
    assert_eq!(*pool.acquire().unwrap(), 2);
    let it = check(&pool);
    assert_eq!((it.created, it.dropped, it.retained), (3, 3, 0));
}

/// Nobody came back meanwhile: who acquires finds them.
#[test]
fn expired_objects_are_not_given_out() {
    let timeout = Duration::from_millis(20);
    let pool = numbered("bounded/expired", 2).idle_timeout(timeout).build().unwrap();
    drop([pool.acquire().unwrap(), pool.acquire().unwrap()]);
    std::thread::sleep(2 * timeout);
    let lease = pool.acquire().unwrap();
    let it = check(&pool);
    assert_eq!((*lease, it.dropped, it.retained), (2, 2, 0));
}

#[test]
fn what_is_young_stays() {
    let pool = numbered("bounded/young", 2).max_lifetime(HOUR).idle_timeout(HOUR).build().unwrap();
    for _ in 0..10 {
        assert_eq!(*pool.acquire().unwrap(), 0);
    }
    assert_eq!(pool.remove_expired(), 0);
    assert_eq!(check(&pool).retained, 1);
}

/// Idle objects leave without anybody who wants one.
#[test]
fn expired_objects_are_removed_on_request() {
    let timeout = Duration::from_millis(20);
    let pool = numbered("bounded/removed", 3).idle_timeout(timeout).build().unwrap();
    drop([pool.acquire().unwrap(), pool.acquire().unwrap(), pool.acquire().unwrap()]);
    std::thread::sleep(2 * timeout);
    pool.remove_expired();
    let it = check(&pool);
    assert_eq!((it.dropped, it.retained), (3, 0));
}

/// One that is used again and again takes the idle ones along when it comes back.
#[test]
fn expired_objects_are_removed_by_those_that_come_back() {
    let timeout = Duration::from_millis(20);
    let pool = numbered("bounded/swept", 3).idle_timeout(timeout).build().unwrap();
    let kept = pool.acquire().unwrap();
    drop([pool.acquire().unwrap(), pool.acquire().unwrap()]);
    std::thread::sleep(2 * timeout);
    drop(kept);
    let it = check(&pool);
    assert_eq!((it.dropped, it.in_use), (2 + 1 - it.retained, 0), "the other two are gone");
}

/// Uses the pool whenever it has nothing to sweep, until two objects have `ended`.
fn until_two_are_swept<T: Send + 'static>(pool: &BoundedPool<T>, ended: &AtomicUsize) {
    let begin = Instant::now();
    while ended.load(SeqCst) < 2 {
        assert!(begin.elapsed() < crate::LONG, "nobody sweeps");
        if pool.statistics().retained == 0 {
            drop(pool.acquire().unwrap());
        }
        std::thread::yield_now();
    }
}

/// Nobody acquires, comes back or asks: a thread of the pool's own discards them, goes
/// on when a destructor panics, and is gone when the pool is.
#[test]
fn a_sweeping_thread_needs_no_use_of_the_pool() {
    struct Ends(Arc<AtomicUsize>);
    impl Drop for Ends {
        fn drop(&mut self) {
            if std::thread::current().name() == Some("pool-sweeper") {
                assert!(self.0.fetch_add(1, SeqCst) > 0, "planted");
            }
        }
    }
    let ended = Arc::new(AtomicUsize::new(0));
    let count = ended.clone();
    let pool = BoundedPool::builder("bounded/thread", 3, move || Ends(count.clone()))
        .idle_timeout(Duration::from_millis(1))
        .sweep_every(Duration::from_millis(5))
        .build()
        .unwrap();
    until_two_are_swept(&pool, &ended);
    drop(pool);
    assert_eq!(Arc::strong_count(&ended), 1, "nothing of the pool is left");
}

/// The thread goes on whatever a destructor panics with.
#[test]
fn a_panic_that_panics_when_it_is_dropped_does_not_end_the_sweeping_thread() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("planted");
        }
    }
    struct Ends(Arc<AtomicUsize>);
    impl Drop for Ends {
        fn drop(&mut self) {
            if std::thread::current().name() == Some("pool-sweeper")
                && self.0.fetch_add(1, SeqCst) == 0
            {
                std::panic::panic_any(Bomb);
            }
        }
    }
    let ended = Arc::new(AtomicUsize::new(0));
    let count = ended.clone();
    let pool = BoundedPool::builder("bounded/bomb", 1, move || Ends(count.clone()))
        .idle_timeout(Duration::from_millis(1))
        .sweep_every(Duration::from_millis(5))
        .build()
        .unwrap();
    until_two_are_swept(&pool, &ended);
}

/// While one is being dropped, the others are still there for others.
#[test]
fn expired_objects_are_discarded_one_by_one() {
    static POOL: OnceLock<BoundedPool<Looks>> = OnceLock::new();
    static SEEN: Mutex<Vec<(u64, u64)>> = Mutex::new(Vec::new());
    struct Looks;
    impl Drop for Looks {
        fn drop(&mut self) {
            let it = POOL.get().unwrap().statistics();
            SEEN.lock().unwrap().push((it.in_use, it.retained));
        }
    }
    let timeout = Duration::from_millis(20);
    let builder = BoundedPool::builder("bounded/one_by_one", 3, || Looks).idle_timeout(timeout);
    let pool = POOL.get_or_init(|| builder.build().unwrap());
    loop {
        drop([(); 3].map(|()| pool.acquire().unwrap()));
        std::thread::sleep(2 * timeout);
        SEEN.lock().unwrap().clear();
        // Unless one was found expired when another one came back.
        if pool.remove_expired() == 3 {
            break;
        }
    }
    assert_eq!(*SEEN.lock().unwrap(), [(1, 2), (1, 1), (1, 0)]);
}

#[test]
fn a_pool_dropped_by_its_own_sweeping_thread_ends_too() {
    type Own = Arc<Mutex<Option<BoundedPool<Last>>>>;
    struct Last(Own, Arc<AtomicUsize>);
    impl Drop for Last {
        fn drop(&mut self) {
            let pool = self.0.lock().unwrap().take();
            drop(pool);
            self.1.fetch_add(1, SeqCst);
        }
    }
    let (own, ended) = (Own::default(), Arc::new(AtomicUsize::new(0)));
    let (pools, count) = (own.clone(), ended.clone());
    let pool =
        BoundedPool::builder("bounded/own_thread", 1, move || Last(pools.clone(), count.clone()))
            .idle_timeout(Duration::from_millis(1))
            .sweep_every(Duration::from_millis(20))
            .build()
            .unwrap();
    let lease = Lease::into_owned(pool.acquire().unwrap());
    *own.lock().unwrap() = Some(pool);
    drop(lease);
    let begin = Instant::now();
    while ended.load(SeqCst) < 1 {
        assert!(begin.elapsed() < crate::LONG, "nobody sweeps");
        std::thread::yield_now();
    }
}

#[test]
fn what_is_broken_is_not_given_out() {
    let checked = Arc::new(AtomicUsize::new(0));
    let count = checked.clone();
    let pool = numbered("bounded/broken", 4)
        .health_check(move |number| {
            count.fetch_add(1, SeqCst);
            *number == 3
        })
        .build()
        .unwrap();
    let leases: Vec<_> = (0..4).map(|_| pool.acquire().unwrap()).collect();
    assert_eq!(checked.load(SeqCst), 0, "new ones are taken as they are");
    drop(leases);
    assert_eq!(*pool.acquire().unwrap(), 3, "the one that is not broken");
    let checks = checked.load(SeqCst);
    let it = check(&pool);
    assert_eq!(it.dropped as usize, checks - 1);
    assert_eq!((it.created, it.retained as usize), (4, 4 - (checks - 1)));
    pool.resize(1);
    drop(pool.acquire().unwrap());
}

#[test]
fn when_all_are_broken_another_one_is_made() {
    let pool = numbered("bounded/all_broken", 2).health_check(|_| false).build().unwrap();
    drop([pool.acquire().unwrap(), pool.acquire().unwrap()]);
    assert_eq!(*pool.acquire().unwrap(), 2);
    let it = check(&pool);
    assert_eq!((it.created, it.dropped, it.retained), (3, 2, 1));
}

#[test]
fn what_cannot_be_reset_is_discarded() {
    let pool = numbered("bounded/reset", 1).try_reset(|number| *number != 0).build().unwrap();
    assert_eq!(*pool.acquire().unwrap(), 0);
    assert_eq!(*pool.acquire().unwrap(), 1);
    assert_eq!(*pool.acquire().unwrap(), 1);
    assert_eq!(check(&pool).dropped, 1);
}
