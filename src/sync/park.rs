//! Sleeping until a future is ready, real or modelled.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::sync::Arc;
use std::task::Wake;
use std::time::Instant;

#[cfg(not(loom))]
use std::thread::{self, Thread};

#[cfg(loom)]
use super::loom_thread::{self as thread, Thread};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future on this thread, which sleeps in between.
///
/// `None` at the deadline; in a model there is no time, and it never comes.
pub(crate) fn block_on<F: Future + Unpin>(
    future: &mut F,
    deadline: Option<Instant>,
) -> Option<F::Output> {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = Pin::new(&mut *future).poll(&mut context) {
            return Some(output);
        }
        // It may return early, or for somebody else's sake: then we look again.
        if !park(deadline) {
            return None;
        }
    }
}

/// False when the deadline has passed.
#[cfg(not(loom))]
fn park(deadline: Option<Instant>) -> bool {
    let Some(deadline) = deadline else {
        thread::park();
        return true;
    };
    let left = deadline.saturating_duration_since(Instant::now());
    if !left.is_zero() {
        thread::park_timeout(left);
    }
    !left.is_zero()
}

#[cfg(loom)]
fn park(_: Option<Instant>) -> bool {
    thread::park();
    true
}
