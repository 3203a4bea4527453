//! A thread that calls a function at intervals, for pools and caches that ask for
//! one. It ends with its owner.

use std::io;
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::process;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::each::drop_payload;

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
                match panic::catch_unwind(AssertUnwindSafe(&sweep)) {
                    Ok(true) => {}
                    Ok(false) => break,
                    // It was printed; the time must go on all the same.
                    Err(payload) => drop_payload(Some(payload)),
                }
            }
        };
        let thread = thread::Builder::new().name(name.to_owned()).spawn(run)?;
        Ok(Self { alive: Some(alive), thread: Some(thread), process: process::id() })
    }
}

impl Sweeper {
    /// Whether the thread is in another process: this is a forked child's, and the fork
    /// may have cut the thread off with a lock in its hands.
    pub(crate) fn is_elsewhere(&self) -> bool {
        self.process != process::id()
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        if self.is_elsewhere() {
            // To wait for the thread would be for ever; and one of those locks may be the
            // channel's.
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
