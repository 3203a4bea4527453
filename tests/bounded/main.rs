//! `BoundedPool`, `Resources` and `Pools`, as a program uses them.
//!
//! Where an order is asked for, it is the order of events, never of the clock: a test
//! waits until a thread is in the queue by asking the pool.

mod beginning;
mod cancelling;
mod chaos;
mod expiry;
mod limits;
mod model;
mod named;
mod numbers;
mod panics;
mod resources;
mod waiting;

#[path = "../support/random.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod random;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use heapledger::{BoundedPool, PoolStatistics};

#[global_allocator]
static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();

/// Longer than any machine needs for what has to happen.
const LONG: Duration = Duration::from_secs(60);
/// For what cannot happen.
const SHORT: Duration = Duration::from_millis(1);

/// Counts the objects of a test: those alive now and the most at a time.
#[derive(Clone, Default)]
struct Census(Arc<(AtomicUsize, AtomicUsize)>);

impl Census {
    fn alive(&self) -> usize {
        self.0.0.load(SeqCst)
    }

    fn most(&self) -> usize {
        self.0.1.load(SeqCst)
    }

    fn object(&self) -> Object {
        let alive = self.0.0.fetch_add(1, SeqCst) + 1;
        self.0.1.fetch_max(alive, SeqCst);
        Object { census: self.clone(), number: 0 }
    }
}

/// An object that counts itself until its destructor is done.
struct Object {
    census: Census,
    number: usize,
}

impl Drop for Object {
    fn drop(&mut self) {
        self.census.0.0.fetch_sub(1, SeqCst);
    }
}

/// What has to hold of a pool that nobody uses at the moment.
#[track_caller]
fn check<T: Send + 'static>(pool: &BoundedPool<T>) -> PoolStatistics {
    let it = pool.statistics();
    assert_eq!(it.created, it.dropped + it.in_use + it.retained, "{it:?}");
    assert!(it.high_water >= it.in_use, "{it:?}");
    assert_eq!(it.waits.waiting, 0, "{it:?}");
    assert_eq!(it.waits.times.buckets.iter().sum::<u64>(), it.waits.times.count, "{it:?}");
    it
}

/// Waits until so many are in the pool's queue.
fn until_waiting<T: Send + 'static>(pool: &BoundedPool<T>, count: u64) {
    while pool.statistics().waits.waiting != count {
        std::thread::yield_now();
    }
}

/// A waker that counts.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

impl Woken {
    fn times(&self) -> usize {
        self.0.load(SeqCst)
    }
}

/// Polls a future once, with a waker of its own.
fn poll_once<F: Future + Unpin>(future: &mut F, woken: &Arc<Woken>) -> Option<F::Output> {
    let waker = Waker::from(woken.clone());
    match std::pin::Pin::new(future).poll(&mut Context::from_waker(&waker)) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}
