//! How a pool makes, checks and resets its objects, and how long it keeps them.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use core::time::Duration;
use std::sync::Arc;
use std::time::Instant;

pub(super) type BoxError = Box<dyn core::error::Error + Send + Sync>;
pub(super) type Factory<T> = Box<dyn Fn() -> Result<T, BoxError> + Send + Sync>;
pub(super) type Check<T> = Box<dyn Fn(&mut T) -> bool + Send + Sync>;
pub(super) type Weigher<T> = Box<dyn Fn(&T) -> usize + Send + Sync>;

/// What the builder collects.
pub(super) struct Recipe<T> {
    pub(super) factory: Factory<T>,
    /// On the way out; false: make another one.
    pub(super) check: Option<Check<T>>,
    /// On the way back; false: discard it.
    pub(super) reset: Option<Check<T>>,
    /// The bytes an object owns beside itself.
    pub(super) weigher: Option<Weigher<T>>,
    pub(super) acquire_timeout: Option<Duration>,
    pub(super) max_lifetime: Option<Duration>,
    pub(super) idle_timeout: Option<Duration>,
    pub(super) retain_after_panic: bool,
}

impl<T> Recipe<T> {
    /// Whether an idle object may go out as it is.
    pub(super) fn goes_out_as_it_is(&self) -> bool {
        self.check.is_none() && !self.is_timed()
    }

    /// Whether an object may come back as it is, if nobody panics.
    pub(super) fn comes_back_as_it_is(&self) -> bool {
        self.reset.is_none() && self.weigher.is_none() && !self.is_timed()
    }

    /// Whether anything ever expires: if not, nobody asks for the time.
    pub(super) fn is_timed(&self) -> bool {
        self.max_lifetime.is_some() || self.idle_timeout.is_some()
    }

    /// Whether an object that has been idle until now has to go.
    pub(super) fn is_expired(&self, object: &Object<T>, now_ns: u64) -> bool {
        self.is_too_old(object, now_ns) || passed(self.idle_timeout, object.idle_since_ns, now_ns)
    }

    pub(super) fn is_too_old(&self, object: &Object<T>, now_ns: u64) -> bool {
        passed(self.max_lifetime, object.made_ns, now_ns)
    }

    /// How often to look for what has expired: the shorter time, four times over.
    pub(super) fn sweep_interval_ns(&self) -> u64 {
        let times = [self.max_lifetime, self.idle_timeout];
        times.into_iter().flatten().map(|it| nanoseconds(it) / 4).min().unwrap_or(u64::MAX)
    }
}

/// An object as the gate keeps it. Times are 0 in a pool where nothing expires.
pub(super) struct Object<T> {
    pub(super) value: T,
    pub(super) made_ns: u64,
    pub(super) idle_since_ns: u64,
    /// What the weigher said when it last came back.
    pub(super) weight_bytes: u64,
    pub(super) _counted: Counted,
}

/// Part of an object: counts it when it is gone, by whatever way.
pub(super) struct Counted(pub(super) Arc<AtomicU64>);

impl Drop for Counted {
    fn drop(&mut self) {
        // Relaxed: a total of its own.
        self.0.fetch_add(1, Relaxed);
    }
}

/// Nanoseconds since the pool was made.
pub(super) struct Clock(Instant);

impl Clock {
    pub(super) fn new() -> Self {
        Self(Instant::now())
    }

    pub(super) fn now_ns(&self) -> u64 {
        nanoseconds(self.0.elapsed())
    }
}

fn passed(limit: Option<Duration>, since_ns: u64, now_ns: u64) -> bool {
    limit.is_some_and(|limit| now_ns.saturating_sub(since_ns) >= nanoseconds(limit))
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
