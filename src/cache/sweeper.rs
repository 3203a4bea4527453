//! A thread that lets expired entries go and keeps the time, for caches that ask
//! for one. It ends with its cache.

use std::panic::{self, AssertUnwindSafe};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::error::CacheError;

/// Not more often: a shorter interval would keep a processor busy.
const INTERVAL_MIN: Duration = Duration::from_millis(1);

/// The running thread; dropping this ends it.
pub(super) struct Sweeper {
    /// Nothing is sent: that it goes is the message.
    alive: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Sweeper {
    /// Starts the thread. `sweep` is called every `interval`, and ends the thread
    /// by returning false.
    pub(super) fn start(
        interval: Duration,
        sweep: impl Fn() -> bool + Send + 'static,
    ) -> Result<Self, CacheError> {
        let interval = interval.max(INTERVAL_MIN);
        let (alive, ended) = mpsc::channel();
        let run = move || {
            while ended.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                // A listener's panic was printed; the time must go on all the same.
                let swept = panic::catch_unwind(AssertUnwindSafe(&sweep));
                if !swept.unwrap_or(true) {
                    break;
                }
            }
        };
        let thread = thread::Builder::new()
            .name("cache-sweeper".into())
            .spawn(run)
            .map_err(|error| CacheError::NoSweeper(error.raw_os_error()))?;
        Ok(Self { alive: Some(alive), thread: Some(thread) })
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        drop(self.alive.take());
        if let Some(thread) = self.thread.take()
            // The cache's last handle may have gone while the thread swept: then
            // this runs on the thread itself, which ends right after.
            && thread.thread().id() != thread::current().id()
        {
            // It catches what panics in it.
            let _ = thread.join();
        }
    }
}
