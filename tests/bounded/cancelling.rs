//! Futures that are dropped at any of their polls: nothing is lost, and the next one
//! is woken.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use heapledger::{Acquire, BoundedPool, Lease, PoolError};

use crate::{Woken, check, poll_once};

fn pool(name: &str) -> BoundedPool<()> {
    BoundedPool::new(name, 1, || ()).unwrap()
}

/// Where a future is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dropped {
    Unpolled,
    /// In the queue, alone or before somebody else.
    Waiting,
    /// Its turn has come, and it was not polled since.
    Granted,
    Done,
}

#[test]
fn dropped_at_each_poll() {
    for dropped in [Dropped::Unpolled, Dropped::Waiting, Dropped::Granted, Dropped::Done] {
        for (followed, closed) in [(false, false), (true, false), (true, true)] {
            let pool = pool("bounded/cancelled");
            let (woken, next_woken) = (Arc::<Woken>::default(), Arc::<Woken>::default());
            let held = pool.acquire().unwrap();
            let mut future = pool.acquire_async();
            let mut next = pool.acquire_async();
            if dropped != Dropped::Unpolled {
                assert!(poll_once(&mut future, &woken).is_none());
            }
            if followed {
                assert!(poll_once(&mut next, &next_woken).is_none());
            }
            let mut held = Some(held);
            if matches!(dropped, Dropped::Granted | Dropped::Done) {
                held = None;
                assert_eq!((woken.times(), next_woken.times()), (1, 0));
            }
            if dropped == Dropped::Done {
                assert!(matches!(poll_once(&mut future, &woken), Some(Ok(_))));
            }
            if closed {
                pool.close();
            }
            drop(future);
            drop(held);
            if closed {
                assert_eq!(next_woken.times(), 1);
                let refused = poll_once(&mut next, &next_woken);
                // Unless it was its turn already: then it has what it was given.
                if !matches!(refused, Some(Ok(_))) {
                    assert!(matches!(refused, Some(Err(PoolError::Closed { .. }))));
                }
            } else if followed {
                assert_eq!(next_woken.times(), 1, "{dropped:?}: the next one waits for ever");
                assert!(matches!(poll_once(&mut next, &next_woken), Some(Ok(_))));
            }
            drop(next);
            let it = check(&pool);
            assert_eq!(it.in_use, 0, "{dropped:?}: a place is lost");
            let waited = matches!(dropped, Dropped::Waiting | Dropped::Granted);
            assert_eq!((it.waits.cancelled, it.waits.timeouts), (waited.into(), 0));
            assert_eq!(pool.try_acquire().is_ok(), !closed);
        }
    }
}

/// The waker that counts is the last one.
#[test]
fn a_future_may_change_its_waker() {
    let pool = pool("bounded/waker_changes");
    let (first, last) = (Arc::<Woken>::default(), Arc::<Woken>::default());
    let held = pool.acquire().unwrap();
    let mut future = pool.acquire_async();
    assert!(poll_once(&mut future, &first).is_none());
    assert!(poll_once(&mut future, &last).is_none());
    drop(held);
    assert_eq!((first.times(), last.times()), (0, 1));
    assert_eq!(Arc::strong_count(&first), 1, "wakers are not kept");
    assert!(matches!(poll_once(&mut future, &last), Some(Ok(_))));
    assert_eq!(Arc::strong_count(&last), 1);
}

/// `make` takes three polls; dropped before each of them, and after the last.
#[test]
fn half_made_objects_leave_their_place() {
    let make = || {
        let mut polls = 0;
        poll_fn(move |_| {
            polls += 1;
            if polls < 3 { Poll::Pending } else { Poll::Ready(Ok::<_, PoolError>(())) }
        })
    };
    for polls in 0..4 {
        let pool = pool("bounded/half_made");
        let (woken, next_woken) = (Arc::<Woken>::default(), Arc::<Woken>::default());
        let mut future = Box::pin(pool.acquire_or_make(make));
        let mut next = pool.acquire_async();
        for poll in 1..=polls {
            assert_eq!(poll_once(&mut future, &woken).is_some(), poll == 3);
        }
        if (1..3).contains(&polls) {
            assert!(poll_once(&mut next, &next_woken).is_none(), "the place is taken");
        }
        drop(future);
        assert_eq!(next_woken.times(), usize::from((1..3).contains(&polls)));
        assert!(matches!(poll_once(&mut next, &next_woken), Some(Ok(_))));
        drop(next);
        let it = check(&pool);
        assert_eq!((it.created, it.retained), (1, 1));
    }
}

#[test]
fn what_cannot_be_made_leaves_its_place_and_what_is_idle_is_used() {
    let pool = BoundedPool::new("bounded/made", 1, || 1).unwrap();
    let woken = Arc::<Woken>::default();
    let fails = pool.acquire_or_make(|| async { Err::<i32, _>("no route") });
    let outcome = poll_once(&mut Box::pin(fails), &woken).unwrap();
    assert!(matches!(outcome, Err(PoolError::Create(error)) if error.to_string() == "no route"));
    let mut made = Box::pin(pool.acquire_or_make(|| async { Ok::<_, PoolError>(2) }));
    assert_eq!(*poll_once(&mut made, &woken).unwrap().unwrap(), 2);
    let mut idle = Box::pin(pool.acquire_or_make(|| async { Err::<i32, _>("not needed") }));
    assert_eq!(*poll_once(&mut idle, &woken).unwrap().unwrap(), 2);
    assert_eq!(check(&pool).created, 1);
}

/// Waits once, then says what it is told by the object.
async fn ask(object: &mut u32) -> bool {
    tokio::task::yield_now().await;
    assert!(*object != PANICS, "told to panic");
    *object < UNSOUND
}

const UNSOUND: u32 = 100;
const PANICS: u32 = 1000;

/// A pool of so many, of which the idle objects are these.
fn with_idle(name: &str, max_live: usize, idle: &[u32]) -> BoundedPool<u32> {
    let pool = BoundedPool::new(name, max_live, || 0).unwrap();
    let mut leases: Vec<_> = idle.iter().map(|_| pool.acquire().unwrap()).collect();
    leases.iter_mut().zip(idle).for_each(|(lease, number)| **lease = *number);
    drop(leases);
    pool
}

async fn make() -> Result<u32, PoolError> {
    tokio::task::yield_now().await;
    Ok(7)
}

#[test]
fn what_a_future_finds_unsound_is_discarded_and_the_turn_is_kept() {
    let sound = with_idle("bounded/checked", 3, &[1]);
    assert_eq!(*runtime().block_on(sound.acquire_checked(ask, make)).unwrap(), 1);
    assert_eq!(check(&sound).created, 1);

    let pool = with_idle("bounded/checked_unsound", 2, &[UNSOUND, UNSOUND + 1]);
    let (woken, next_woken) = (Arc::<Woken>::default(), Arc::<Woken>::default());
    let mut future = Box::pin(pool.acquire_checked(ask, make));
    let other = pool.acquire().unwrap();
    // The other one is out; this future checks the last, discards it, and makes one.
    let mut next = pool.acquire_async();
    let mut polls = 0;
    let lease = loop {
        polls += 1;
        if let Some(lease) = poll_once(&mut future, &woken) {
            break lease.unwrap();
        }
        assert!(poll_once(&mut next, &next_woken).is_none(), "it has overtaken");
    };
    assert_eq!((*lease, polls), (7, 3));
    let it = pool.statistics();
    assert_eq!((it.created, it.dropped, it.in_use), (3, 1, 2));
    drop((lease, other, next));
    check(&pool);

    // None is left: all are asked, each once.
    let pool = with_idle("bounded/checked_all", 3, &[UNSOUND; 3]);
    assert_eq!(*runtime().block_on(pool.acquire_checked(ask, make)).unwrap(), 7);
    let it = check(&pool);
    assert_eq!((it.created, it.dropped), (4, 3));
}

#[test]
fn what_is_unsound_in_a_closed_pool_is_not_made_anew() {
    let pool = with_idle("bounded/checked_closed", 1, &[UNSOUND]);
    let woken = Arc::<Woken>::default();
    let mut future = Box::pin(pool.acquire_checked(ask, make));
    assert!(poll_once(&mut future, &woken).is_none());
    pool.close();
    assert!(matches!(poll_once(&mut future, &woken), Some(Err(PoolError::Closed { .. }))));
    drop(future);
    let it = check(&pool);
    assert_eq!((it.created, it.dropped, it.in_use), (1, 1, 0));
}

#[test]
fn a_check_that_is_dropped_or_panics_costs_the_object_and_no_place() {
    for (number, panics) in [(1, false), (PANICS, true)] {
        let pool = with_idle("bounded/checked_dropped", 1, &[number]);
        let (woken, next_woken) = (Arc::<Woken>::default(), Arc::<Woken>::default());
        let mut future = Box::pin(pool.acquire_checked(ask, make));
        let mut next = pool.acquire_async();
        assert!(poll_once(&mut future, &woken).is_none());
        assert!(poll_once(&mut next, &next_woken).is_none(), "the place is taken");
        if panics {
            let poll = std::panic::AssertUnwindSafe(|| poll_once(&mut future, &woken));
            assert!(std::panic::catch_unwind(poll).is_err());
        }
        drop(future);
        assert_eq!(next_woken.times(), 1);
        assert_eq!(*poll_once(&mut next, &next_woken).unwrap().unwrap(), 0);
        drop(next);
        let it = check(&pool);
        assert_eq!((it.created, it.dropped), (2, 1));
    }
}

/// The factory may run within a poll, so the object may come under the right tag.
#[test]
fn objects_made_by_a_future_are_the_pools() {
    let pool = BoundedPool::new("bounded/made_tagged", 1, Vec::new).unwrap();
    let tag = heapledger::Tag::register("pool/bounded/made_tagged").unwrap();
    let before = tag.read().unwrap().own.live_bytes();
    let make = || async {
        tokio::task::yield_now().await;
        Ok::<_, PoolError>(vec![0_u8; 30_000])
    };
    let lease = runtime().block_on(pool.acquire_or_make(make)).unwrap();
    let grown = tag.read().unwrap().own.live_bytes() - before;
    assert!((30_000..31_000).contains(&grown), "{grown} bytes, lease of {}", lease.len());
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

/// Tasks of a runtime, of whose acquisitions two in three lose a `select!`.
#[test]
fn selected_against() {
    let pool = BoundedPool::new("bounded/select", 2, || 0_u64).unwrap();
    let pool = Arc::new(pool);
    let got = runtime().block_on(async {
        let tasks: Vec<_> = (0..50_u64)
            .map(|task| {
                let pool = pool.clone();
                tokio::spawn(async move {
                    let mut got = 0;
                    for turn in 0..60 {
                        let lease: Result<Lease<'_, u64>, _> = tokio::select! {
                            biased;
                            lease = pool.acquire_async() => lease,
                            () = yields(task + turn) => continue,
                        };
                        *lease.unwrap() += 1;
                        tokio::task::yield_now().await;
                        got += 1;
                    }
                    got
                })
            })
            .collect();
        let mut got = 0;
        for task in tasks {
            got += task.await.unwrap();
        }
        got
    });
    let it = check(&pool);
    assert!(got > 0 && it.in_use == 0, "{got}, {it:?}");
    let leases = [pool.try_acquire().unwrap(), pool.try_acquire().unwrap()];
    assert_eq!(leases.iter().map(|lease| **lease).sum::<u64>(), got);
}

async fn yields(number: u64) {
    for _ in 0..number % 3 {
        tokio::task::yield_now().await;
    }
}

/// A future that is never dropped keeps its place, like a lease that is not.
#[tokio::test]
async fn futures_are_send() {
    fn send<T: Send>(_: &T) {}
    let pool = pool("bounded/send");
    let future: Acquire<'_, ()> = pool.acquire_async();
    send(&future);
    send(&pool.acquire_or_make(|| async { Ok::<_, PoolError>(()) }));
    let numbers = Arc::new(with_idle("bounded/send_checked", 1, &[3]));
    let task = tokio::spawn(async move { *numbers.acquire_checked(ask, make).await.unwrap() });
    assert_eq!(task.await.unwrap(), 3);
}
