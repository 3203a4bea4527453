//! A thread that calls a function at intervals, for pools and caches that ask for
//! one. It ends with its owner.

use std::io;
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::process;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Not more often: a shorter interval would keep a processor busy.
const INTERVAL_MIN: Duration = Duration::from_millis(1);

/// The running thread; dropping this ends it.
pub(crate) struct Sweeper {
    /// Nothing is sent: that it goes is the message.
    alive: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
    /// Where the thread is: a forked child has none.
    process: u32,
}

impl Sweeper {
    /// Starts the thread. `sweep` is called every `interval`, and ends the thread
    /// by returning false.
    pub(crate) fn start(
        name: &str,
        interval: Duration,
        sweep: impl Fn() -> bool + Send + 'static,
    ) -> io::Result<Self> {
        let interval = interval.max(INTERVAL_MIN);
        let (alive, ended) = mpsc::channel();
        let run = move || {
            while ended.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                // User code's panic was printed; the time must go on all the same.
                let swept = panic::catch_unwind(AssertUnwindSafe(&sweep));
                if !swept.unwrap_or(true) {
                    break;
                }
            }
        };
        let thread = thread::Builder::new().name(name.to_owned()).spawn(run)?;
        Ok(Self { alive: Some(alive), thread: Some(thread), process: process::id() })
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        if self.process != process::id() {
            // To wait for the thread would be for ever; and the fork may have cut it off
            // with the channel's lock in its hands.
            mem::forget((self.alive.take(), self.thread.take()));
            return;
        }
        drop(self.alive.take());
        if let Some(thread) = self.thread.take()
            // The owner's last handle may have gone while the thread swept: then
            // this runs on the thread itself, which ends right after.
            && thread.thread().id() != thread::current().id()
        {
            // It catches what panics in it.
            let _ = thread.join();
        }
    }
}
