//! What `#[measured]` expands to: a call is measured, and logged when it ends.

use core::future::Future;
use core::pin::Pin;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::ledger::Counts;
use crate::ledger::window::Watch;
use crate::scope::{InScope, ScopeGuard, Scoped, Tag};

use super::{Interval, Measurement, Record};

pub use tracing::Level;

/// The target of all events, for filters.
const TARGET: &str = "heapledger";

/// Who owns what subscribers allocate for our events: no function that is measured.
static LOG: Tag = Tag::new("heapledger/log");

/// Calls a macro of `tracing` at a level that is known at run time only.
macro_rules! at_level {
    ($level:expr, $call:ident $(, $($rest:tt)+)?) => {
        match $level {
            Level::ERROR => tracing::$call!(target: TARGET, Level::ERROR $(, $($rest)+)?),
            Level::WARN => tracing::$call!(target: TARGET, Level::WARN $(, $($rest)+)?),
            Level::INFO => tracing::$call!(target: TARGET, Level::INFO $(, $($rest)+)?),
            Level::DEBUG => tracing::$call!(target: TARGET, Level::DEBUG $(, $($rest)+)?),
            Level::TRACE => tracing::$call!(target: TARGET, Level::TRACE $(, $($rest)+)?),
        }
    };
}

/// A function that is measured.
pub struct Site {
    tag: Tag,
    level: Level,
}

impl Site {
    /// Panics if the name is not one of a tag: at compile time, in a `static`.
    #[must_use]
    pub const fn new(name: &'static str, level: Level) -> Self {
        Self { tag: Tag::new(name), level }
    }

    /// Begins a call, which lasts until the guard is dropped.
    #[must_use]
    pub fn start(&'static self) -> Measured {
        let log = Log::start(self);
        Measured { _interval: log.interval(), _scope: self.tag.enter(), log }
    }

    /// Wraps a call of an `async fn`, which begins with its first poll.
    pub fn future<F: Future>(&'static self, future: F) -> MeasuredFuture<F> {
        MeasuredFuture { future: future.in_scope(&self.tag), log: None, site: self }
    }

    fn watch(&self) -> Watch {
        Watch::Tag(self.tag.id().get())
    }
}

/// A call under way. Ends in the order of the fields: the log comes last.
pub struct Measured {
    _scope: ScopeGuard,
    _interval: Option<Interval>,
    log: Log,
}

impl Drop for Measured {
    fn drop(&mut self) {
        self.log.is_finished = !std::thread::panicking();
    }
}

/// A call of an `async fn`. If it is dropped half-way, its memory goes first, and
/// the log follows.
pub struct MeasuredFuture<F> {
    // Pinned with `Self`.
    future: Scoped<F>,
    /// From the first poll on.
    log: Option<Log>,
    site: &'static Site,
}

impl<F: Future> Future for MeasuredFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: nothing is moved out of `this`.
        let this = unsafe { self.get_unchecked_mut() };
        // SAFETY: `future` is pinned as long as `Self` is: there is no other way to
        // it, no `Drop`, and `Self` is `Unpin` only if `Scoped<F>` is.
        let future = unsafe { Pin::new_unchecked(&mut this.future) };
        let log = this.log.get_or_insert_with(|| Log::start(this.site));
        let interval = log.interval();
        let value = ready!(future.poll(context));
        drop(interval);
        log.is_finished = true;
        this.log = None;
        Poll::Ready(value)
    }
}

/// Logs when it is dropped.
struct Log {
    site: &'static Site,
    started: Instant,
    /// `None` if nobody wants to know.
    record: Option<Result<Record, Error>>,
    is_finished: bool,
}

impl Log {
    fn start(site: &'static Site) -> Self {
        let is_wanted = at_level!(site.level, enabled);
        let record = is_wanted.then(|| Record::start(site.watch()).inspect_err(warn_once));
        Self { site, started: Instant::now(), record, is_finished: false }
    }

    /// For the thread that does the work, while it does.
    fn interval(&self) -> Option<Interval> {
        matches!(self.record, Some(Ok(_))).then(|| Interval::shorten(self.site.watch()))
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        let Self { site, started, ref mut record, is_finished } = *self;
        let Some(measured) = record.take() else { return };
        let measured = measured.map(|record| record.stop(Counts::ZERO));
        let _scope = LOG.enter();
        match measured {
            Ok(measurement) => log_measured(site, &measurement, is_finished),
            Err(error) => log_failed(site, started.elapsed(), error, is_finished),
        }
    }
}

#[cold]
fn warn_once(error: &Error) {
    static WARNED: AtomicBool = AtomicBool::new(false);
    // Relaxed: whoever comes first, it publishes nothing.
    if !WARNED.swap(true, Ordering::Relaxed) {
        let _scope = LOG.enter();
        tracing::warn!(target: TARGET, "functions run without being measured: {error}");
    }
}

fn log_measured(site: &Site, measurement: &Measurement, finished: bool) {
    let Measurement { elapsed, live_bytes_delta, peak_live_bytes, .. } = *measurement;
    at_level!(
        site.level,
        event,
        function = site.tag.name(),
        elapsed_us = elapsed.as_micros() as u64,
        live_bytes_delta,
        peak_live_bytes,
        allocated_bytes = measurement.allocated_bytes,
        allocated_blocks = measurement.allocated_blocks,
        finished,
        "{}: {:.4} s, {:+.1} KiB live",
        site.tag,
        elapsed.as_secs_f64(),
        live_bytes_delta as f64 / 1024.0,
    );
}

fn log_failed(site: &Site, elapsed: Duration, error: Error, finished: bool) {
    at_level!(
        site.level,
        event,
        function = site.tag.name(),
        elapsed_us = elapsed.as_micros() as u64,
        %error,
        finished,
        "{}: {:.4} s, memory was not measured",
        site.tag,
        elapsed.as_secs_f64(),
    );
}
