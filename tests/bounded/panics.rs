//! User code that panics, at every point where there is any: nobody loses a place,
//! no object comes back twice, and the numbers add up.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Wake, Waker};
use std::thread;

use heapledger::{BoundedPool, BoundedPoolBuilder, Lease};

use crate::{Census, Object, check, until_waiting};

/// The points where the pool runs the program's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Point {
    Factory,
    Check,
    Reset,
    Weigher,
    Drop,
}

const POINTS: [Point; 5] =
    [Point::Factory, Point::Check, Point::Reset, Point::Weigher, Point::Drop];

thread_local! {
    static PANICS_AT: Cell<Option<Point>> = const { Cell::new(None) };
}

/// Panics if this is the point at which the thread is to; once.
fn pass(point: Point) {
    if PANICS_AT.get() == Some(point) {
        PANICS_AT.set(None);
        panic!("{point:?}");
    }
}

struct Fragile(#[allow(dead_code, reason = "it is counted")] Object);

impl Drop for Fragile {
    fn drop(&mut self) {
        pass(Point::Drop);
    }
}

fn fragile(name: &str, max_live: usize) -> (BoundedPoolBuilder<Fragile>, Census) {
    let census = Census::default();
    let factory = census.clone();
    let make = move || {
        pass(Point::Factory);
        Fragile(factory.object())
    };
    let builder = BoundedPool::builder(name, max_live, make)
        .health_check(|_| {
            pass(Point::Check);
            true
        })
        .reset(|_| pass(Point::Reset))
        .weigher(|_| {
            pass(Point::Weigher);
            0
        });
    (builder, census)
}

/// Runs what panics at the point; returns whether it did.
fn panics(point: Point, body: impl FnOnce()) -> bool {
    PANICS_AT.set(Some(point));
    let panicked = catch_unwind(AssertUnwindSafe(body)).is_err();
    PANICS_AT.set(None);
    panicked
}

/// Every point, in every operation, with a pool of one object: a place that is lost
/// shows at once.
#[test]
fn a_panic_anywhere_costs_an_object_and_no_place() {
    type Operation = fn(&BoundedPool<Fragile>);
    let operations: [(&str, Operation, &[Point]); 7] = [
        ("first acquire", |pool| drop(pool.acquire()), &[Point::Factory, Point::Reset]),
        ("release", |pool| drop(pool.acquire()), &[Point::Reset, Point::Weigher]),
        ("discard", |pool| Lease::discard(pool.acquire().unwrap()), &[Point::Drop, Point::Check]),
        ("shrink", |pool| assert!(pool.shrink(0) > 0), &[Point::Drop]),
        ("resize", |pool| pool.resize(0), &[Point::Drop]),
        ("close", |pool| pool.close(), &[Point::Drop]),
        (
            "owned",
            |pool| drop(Lease::into_owned(pool.acquire().unwrap())),
            &[Point::Reset, Point::Check, Point::Weigher],
        ),
    ];
    for (name, operation, points) in operations {
        for point in POINTS {
            let (builder, census) = fragile("bounded/panics", 1);
            let pool = builder.build().unwrap();
            if name != "first acquire" {
                drop(pool.acquire().unwrap());
            }
            let panicked = panics(point, || operation(&pool));
            assert!(panicked || !points.contains(&point), "{name}: never came to {point:?}");
            let it = check(&pool);
            assert_eq!((it.in_use, it.retained as usize), (0, census.alive()), "{name}: {point:?}");
            pool.resize(1);
            if !pool.is_closed() {
                drop(
                    pool.try_acquire().unwrap_or_else(|error| panic!("{name}: {point:?}: {error}")),
                );
                assert_eq!((check(&pool).retained, census.alive()), (1, 1), "{name}: {point:?}");
            }
            drop(pool);
            assert_eq!(census.alive(), 0, "{name}: {point:?}");
        }
    }
}

/// A place that a panic sets free goes to the one who waits.
#[test]
fn who_waits_gets_the_place_that_a_panic_left() {
    for point in [Point::Reset, Point::Weigher] {
        let (builder, _) = fragile("bounded/panics_waiting", 1);
        let pool = builder.build().unwrap();
        thread::scope(|scope| {
            let lease = pool.acquire().unwrap();
            let waits = scope.spawn(|| pool.acquire().map(drop));
            until_waiting(&pool, 1);
            assert!(panics(point, || drop(lease)));
            waits.join().unwrap().unwrap();
        });
        let it = check(&pool);
        assert_eq!((it.created, it.dropped, it.retained), (2, 1, 1));
    }
}

/// Of many that are discarded together, each is, whichever panics.
#[test]
fn a_destructor_that_panics_does_not_save_the_others() {
    let (builder, census) = fragile("bounded/panics_many", 8);
    let pool = builder.build().unwrap();
    drop((0..8).map(|_| pool.acquire().unwrap()).collect::<Vec<_>>());
    assert_eq!(census.alive(), 8);
    assert!(panics(Point::Drop, || pool.resize(3)));
    assert_eq!((census.alive(), check(&pool).retained), (3, 3));
    assert!(panics(Point::Drop, || drop(pool)));
    assert_eq!(census.alive(), 0);
}

/// What was in use during a panic may be half-changed.
#[test]
fn objects_do_not_outlive_a_panic_unless_they_may() {
    for (retain, resets, kept) in [(false, true, false), (true, true, true), (true, false, false)] {
        let (builder, census) = fragile("bounded/panicking", 1);
        let pool = builder.retain_after_panic(retain).build().unwrap();
        let user = catch_unwind(AssertUnwindSafe(|| {
            let _lease = pool.acquire().unwrap();
            if !resets {
                PANICS_AT.set(Some(Point::Reset));
            }
            panic!("the user's own");
        }));
        PANICS_AT.set(None);
        assert!(user.is_err());
        assert_eq!((check(&pool).retained, census.alive()), (u64::from(kept), usize::from(kept)));
        drop(pool.try_acquire().unwrap());
        assert_eq!(census.alive(), 1);
    }
}

/// Functions of the program may use the pool that calls them: no lock is held.
#[test]
fn user_code_may_use_the_pool() {
    let inner: Arc<std::sync::OnceLock<BoundedPool<u8>>> = Arc::default();
    let again = inner.clone();
    let use_pool = move || {
        let Some(pool) = again.get() else { return };
        let _ = pool.try_acquire();
        let _ = pool.statistics();
        pool.remove_expired();
    };
    let (on_make, on_check, on_reset) = (use_pool.clone(), use_pool.clone(), use_pool);
    let pool = BoundedPool::builder("bounded/reentrant", 1, move || {
        on_make();
        0
    })
    .health_check(move |_| {
        on_check();
        true
    })
    .reset(move |_| on_reset())
    .build()
    .unwrap();
    let pool = inner.get_or_init(|| pool);
    drop(pool.acquire().unwrap());
    drop(pool.acquire().unwrap());
    assert_eq!(check(pool).retained, 1);
}

/// A waker is code of the executor.
#[test]
fn a_waker_that_panics_loses_nothing() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("the executor's own");
        }
    }
    let pool = BoundedPool::new("bounded/waker", 1, || ()).unwrap();
    let waker = Waker::from(Arc::new(Panics));
    for ends in [false, true] {
        let lease = pool.acquire().unwrap();
        let mut future = pool.acquire_async();
        let mut other = pool.acquire_async();
        let woken = Arc::<crate::Woken>::default();
        let mut context = Context::from_waker(&waker);
        assert!(std::pin::Pin::new(&mut future).poll(&mut context).is_pending());
        assert!(crate::poll_once(&mut other, &woken).is_none());
        if ends {
            assert!(catch_unwind(AssertUnwindSafe(|| pool.close())).is_err());
            assert_eq!(woken.times(), 1, "the other one is woken all the same");
        } else {
            assert!(catch_unwind(AssertUnwindSafe(|| drop(lease))).is_err());
            assert!(matches!(crate::poll_once(&mut future, &woken), Some(Ok(_))));
            assert_eq!(woken.times(), 1, "by the lease that the first one dropped");
            assert!(matches!(crate::poll_once(&mut other, &woken), Some(Ok(_))));
        }
    }
    assert_eq!(check(&pool).in_use, 0);
}

/// What was made beforehand ends whole, whatever its destructors do.
#[test]
fn a_pool_that_cannot_be_filled_drops_all_and_panics_once() {
    struct Bomb(Arc<AtomicUsize>);
    impl Drop for Bomb {
        fn drop(&mut self) {
            self.0.fetch_add(1, SeqCst);
            resume_unwind(Box::new("at the end"));
        }
    }
    let (ended, made) = (Arc::<AtomicUsize>::default(), AtomicUsize::new(0));
    let make = ended.clone();
    let factory = move || match made.fetch_add(1, SeqCst) {
        3 => Err("no more"),
        _ => Ok(Bomb(make.clone())),
    };
    let build = || BoundedPool::try_builder("bounded/bombs", 5, factory).prefill(5).build();
    assert!(catch_unwind(AssertUnwindSafe(|| build().is_ok())).is_err());
    assert_eq!(ended.load(SeqCst), 3);
}

/// A reset that panics with what panics when it is dropped, while a thread panics.
#[test]
fn a_payload_that_panics_does_not_abort() {
    struct Payload;
    impl Drop for Payload {
        fn drop(&mut self) {
            resume_unwind(Box::new("the payload"));
        }
    }
    let pool = BoundedPool::builder("bounded/payload", 1, || 1)
        .reset(|_| std::panic::panic_any(Payload))
        .retain_after_panic(true)
        .build()
        .unwrap();
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let _lease = pool.acquire().unwrap();
        resume_unwind(Box::new("with an object out"));
    }));
    assert!(outcome.is_err());
    assert_eq!((check(&pool).retained, check(&pool).dropped), (0, 1));
}
