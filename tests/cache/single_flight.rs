//! One build for many callers, and what happens when it comes to nothing.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::task::{Context, Poll, Waker};
use std::thread;

use heapledger::BoundedCache;

use crate::support::{assert_adds_up, block_on, yield_once};

const CALLERS: u64 = 16;

fn cache(name: &str) -> BoundedCache<u64, Arc<u64>> {
    let builder = BoundedCache::builder(name).capacity_bytes(1 << 20);
    builder.weigher(|_, _| 100).build().expect("a valid cache")
}

/// Runs `one` on 16 threads at once.
fn all_at_once<R: Send>(one: impl Fn(u64) -> R + Sync) -> Vec<R> {
    let start = Barrier::new(CALLERS as usize);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..CALLERS)
            .map(|number| {
                let (one, start) = (&one, &start);
                scope.spawn(move || {
                    start.wait();
                    one(number)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    })
}

/// The table alone would keep the first ones, and push out what is new.
#[test]
fn what_is_built_last_is_there_however_few_entries_there_are() {
    for entries in [1, 2, 3, 10, 29, 31, 100] {
        let counted = BoundedCache::<u64, u64>::builder("few").max_entries(entries);
        let weighed = BoundedCache::builder("few_bytes").capacity_bytes(entries * 100 + 40);
        for builder in [counted, weighed.weigher(|_, _| 100)] {
            let cache = builder.build().expect("a valid cache");
            for key in 0..1000 {
                assert_eq!(cache.get_or_insert_with(&key, || key), key);
                for _ in 0..3 {
                    assert_eq!(cache.get(&key), Some(key), "of {entries}");
                }
            }
            let it = cache.statistics();
            assert!(it.entries <= entries && it.inserted == 1000, "{it:?}");
            assert_adds_up(&it);
        }
    }
}

#[test]
fn sixteen_callers_get_one_build() {
    let cache = cache("flight");
    for key in 0..200 {
        let builds = AtomicU64::new(0);
        let values = all_at_once(|number| {
            let build = || {
                builds.fetch_add(1, Ordering::Relaxed);
                thread::yield_now();
                Arc::new(key)
            };
            // Both kinds of waiting, on one key.
            if number % 2 == 0 {
                cache.get_or_insert_with(&key, build)
            } else {
                block_on(cache.get_or_insert_async(&key, async { build() }))
            }
        });
        assert_eq!(builds.into_inner(), 1);
        assert!(values.iter().all(|value| Arc::ptr_eq(value, &values[0])));
    }
    let it = cache.statistics();
    assert_eq!((it.inserted, it.hits + it.misses), (200, 200 * CALLERS));
    assert_eq!(it.misses - it.coalesced, 200, "each other miss was served by the build");
    assert_adds_up(&it);
}

#[test]
fn a_build_that_panics_or_fails_lets_the_next_one_build() {
    let cache = cache("flight_fails");
    for key in 0..100 {
        let builds = AtomicU64::new(0);
        let results = all_at_once(|number| {
            let build = || match builds.fetch_add(1, Ordering::Relaxed) {
                0 => panic!("planted"),
                1..5 => Err("planted"),
                _ => Ok(Arc::new(key)),
            };
            catch_unwind(AssertUnwindSafe(|| match number % 2 {
                0 => cache.try_get_or_insert_with(&key, build),
                _ => block_on(cache.try_get_or_insert_async(&key, async { build() })),
            }))
        });
        assert_eq!(builds.into_inner(), 6, "one after the other, until one was right");
        assert_eq!(results.iter().filter(|it| it.is_err()).count(), 1);
        let failed = |it: &&thread::Result<Result<_, _>>| matches!(it, Ok(Err("planted")));
        assert_eq!(results.iter().filter(failed).count(), 4);
        assert_eq!(cache.get(&key).as_deref(), Some(&key));
    }
    let nothing: Result<_, &str> = cache.try_get_or_insert_with(&1000, || Err("planted"));
    assert_eq!(nothing, Err("planted"));
    assert_eq!((cache.len(), cache.get(&1000)), (100, None), "nothing is left of it");
    assert_eq!(*cache.get_or_insert_with(&1000, || Arc::new(1)), 1);
}

#[test]
fn an_oversize_value_is_built_once_for_all_who_wait() {
    let cache = BoundedCache::<u64, Arc<u64>>::builder("flight_oversize")
        .capacity_bytes(1000)
        .weigher(|_, value| **value)
        .build()
        .expect("a valid cache");
    let builds = AtomicU64::new(0);
    let build = || async {
        builds.fetch_add(1, Ordering::Relaxed);
        yield_once().await;
        Arc::new(5000)
    };
    let mut leader = pin!(cache.get_or_insert_async(&1, build()));
    let mut waits = pin!(cache.get_or_insert_async(&1, build()));
    assert!(poll(leader.as_mut()).is_pending());
    assert!(poll(waits.as_mut()).is_pending());
    assert_eq!(poll(leader), Poll::Ready(Arc::new(5000)));
    assert_eq!(poll(waits), Poll::Ready(Arc::new(5000)));
    assert_eq!(builds.load(Ordering::Relaxed), 1);
    let it = cache.statistics();
    assert_eq!((it.refused, it.coalesced, it.entries, it.inserted), (1, 1, 0, 0));
}

/// A future polled by hand, with a waker that does nothing.
fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn dropping_the_leaders_future_hands_over() {
    let cache = cache("flight_cancel");
    let builds = AtomicU64::new(0);
    let never = || async {
        builds.fetch_add(1, Ordering::Relaxed);
        std::future::pending::<Arc<u64>>().await
    };
    let mut leader = Box::pin(cache.get_or_insert_async(&1, never()));
    assert!(poll(leader.as_mut()).is_pending());
    let mut waits_too = Box::pin(cache.get_or_insert_async(&1, never()));
    let mut waits = pin!(cache.get_or_insert_async(&1, async {
        builds.fetch_add(1, Ordering::Relaxed);
        yield_once().await;
        Arc::new(7)
    }));
    assert!(poll(waits_too.as_mut()).is_pending());
    assert!(poll(waits.as_mut()).is_pending());
    assert_eq!(builds.load(Ordering::Relaxed), 1, "the others wait");
    // Both who come before it go, whichever of them was given the turn.
    drop(leader);
    drop(waits_too);
    assert!(poll(waits.as_mut()).is_pending(), "its own build gives way once");
    assert_eq!(poll(waits.as_mut()), Poll::Ready(Arc::new(7)));
    assert_eq!((builds.load(Ordering::Relaxed), cache.len()), (2, 1));
}

#[test]
fn a_dropped_build_with_nobody_waiting_leaves_nothing() {
    let cache = cache("flight_alone");
    let mut leader = Box::pin(cache.get_or_insert_async(&1, std::future::pending()));
    assert!(poll(leader.as_mut()).is_pending());
    drop(leader);
    assert!(cache.is_empty());
    assert_eq!(*cache.get_or_insert_with(&1, || Arc::new(3)), 3);
}

#[test]
fn a_value_put_in_during_a_build_is_newer_than_what_is_built() {
    let cache = cache("flight_overtaken");
    let built = cache.get_or_insert_with(&1, || {
        cache.insert(1, Arc::new(2)).expect("it fits");
        Arc::new(1)
    });
    assert_eq!((*built, cache.get(&1).as_deref()), (1, Some(&2)));
    let removed = cache.get_or_insert_with(&3, || {
        cache.remove(&3);
        Arc::new(3)
    });
    assert_eq!((*removed, cache.get(&3)), (3, None), "removed while it was built");
    assert_adds_up(&cache.statistics());
}

#[test]
fn futures_of_the_cache_can_be_sent() {
    fn sendable<T: Send>(future: T) -> T {
        future
    }
    let cache = cache("flight_send");
    let future = sendable(cache.get_or_insert_async(&1, async { Arc::new(1) }));
    assert_eq!(*block_on(future), 1);
}
