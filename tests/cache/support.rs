//! A clock that stands until it is moved, a listener that writes down, and a
//! runtime of one thread.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use heapledger::{CacheStatistics, Cause};

/// Entries may be found one tick of the cache's clock longer than they should.
pub const TICK: Duration = Duration::from_nanos(1 << 25);

#[derive(Clone, Default)]
pub struct FakeClock(Arc<AtomicU64>);

impl FakeClock {
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_nanos() as u64, Ordering::Relaxed);
    }

    pub fn now(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }

    pub fn reader(&self) -> impl Fn() -> Duration + Send + Sync + 'static {
        let clock = self.clone();
        move || clock.now()
    }
}

/// What a listener was told.
pub struct Log<K, V>(Arc<Mutex<Vec<(K, V, Cause)>>>);

impl<K: Send + 'static, V: Send + 'static> Log<K, V> {
    pub fn new() -> Self {
        Self(Arc::default())
    }

    pub fn listener(&self) -> impl Fn(K, V, Cause) + Send + Sync + 'static {
        let log = Arc::clone(&self.0);
        move |key, value, cause| log.lock().unwrap().push((key, value, cause))
    }

    pub fn take(&self) -> Vec<(K, V, Cause)> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

/// What came in is there or left for one cause.
pub fn assert_adds_up(it: &CacheStatistics) {
    let left = it.evicted + it.expired + it.removed + it.replaced + it.cleared;
    assert_eq!(it.inserted, it.entries + left, "{it:?}");
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future on this thread.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// Gives way once.
pub async fn yield_once() {
    let mut yielded = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
