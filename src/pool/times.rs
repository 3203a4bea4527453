//! How long something took that takes long: waiting, making an object.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::reclaim::{TIME_BUCKETS, TimeStatistics, WaitStatistics};

/// Sums, and a histogram in steps of powers of two.
///
/// Shared counters cost nothing beside what is measured, and who neither waits nor
/// makes anything does not touch them. Relaxed: each is a total of its own.
#[derive(Default)]
pub(super) struct Times {
    total_ns: AtomicU64,
    max_ns: AtomicU64,
    buckets: [AtomicU64; TIME_BUCKETS],
}

impl Times {
    pub(super) fn add(&self, time: Duration) {
        let ns = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.total_ns.fetch_add(ns, Relaxed);
        self.max_ns.fetch_max(ns, Relaxed);
        if let Some(bucket) = self.buckets.get(bucket(ns / 1_000)) {
            bucket.fetch_add(1, Relaxed);
        }
    }

    /// Adds the time from now until the value is dropped, whyever that is.
    pub(super) fn watch(&self) -> Watch<'_> {
        Watch { times: self, since: Instant::now() }
    }

    pub(super) fn statistics(&self) -> TimeStatistics {
        let mut statistics = TimeStatistics::default();
        statistics.buckets = self.buckets.each_ref().map(|bucket| bucket.load(Relaxed));
        statistics.count = statistics.buckets.iter().sum();
        statistics.total_ns = self.total_ns.load(Relaxed);
        statistics.max_ns = self.max_ns.load(Relaxed);
        statistics
    }
}

/// A time that is not over.
pub(super) struct Watch<'t> {
    times: &'t Times,
    since: Instant,
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.times.add(self.since.elapsed());
    }
}

/// How long those waited who had to.
#[derive(Default)]
pub(super) struct WaitTimes {
    times: Times,
    timeouts: AtomicU64,
    cancelled: AtomicU64,
}

impl WaitTimes {
    pub(super) fn add(&self, waited: Duration) {
        self.times.add(waited);
    }

    /// Besides `add`.
    pub(super) fn add_timeout(&self) {
        self.timeouts.fetch_add(1, Relaxed);
    }

    /// Besides `add`.
    pub(super) fn add_cancelled(&self) {
        self.cancelled.fetch_add(1, Relaxed);
    }

    pub(super) fn statistics(&self, waiting: usize) -> WaitStatistics {
        let mut statistics = WaitStatistics::default();
        statistics.times = self.times.statistics();
        statistics.timeouts = self.timeouts.load(Relaxed);
        statistics.cancelled = self.cancelled.load(Relaxed);
        statistics.waiting = waiting as u64;
        statistics
    }
}

/// The bucket of a time of so many whole microseconds.
const fn bucket(us: u64) -> usize {
    let bits = (u64::BITS - us.leading_zeros()) as usize;
    if bits < TIME_BUCKETS { bits } else { TIME_BUCKETS - 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_is_in_the_first_bucket_that_is_long_enough() {
        for (us, expected) in [(0, 0), (1, 1), (2, 2), (3, 2), (4, 3), (1_000_000, 20)] {
            assert_eq!(bucket(us), expected, "{us} µs");
            assert!(us < 1 << expected && (expected == 0 || us >= 1 << (expected - 1)));
        }
        assert_eq!(bucket(u64::MAX), TIME_BUCKETS - 1);
    }

    #[test]
    fn sums_and_the_longest() {
        let waits = WaitTimes::default();
        waits.add(Duration::from_micros(3));
        waits.add(Duration::from_nanos(10));
        waits.add_timeout();
        waits.add_cancelled();
        let WaitStatistics { times, timeouts, cancelled, waiting } = waits.statistics(5);
        assert_eq!((timeouts, cancelled, waiting), (1, 1, 5));
        assert_eq!((times.count, times.total_ns, times.max_ns), (2, 3_010, 3_000));
        assert_eq!((times.buckets[0], times.buckets[2]), (1, 1));
        waits.add(Duration::MAX);
        assert_eq!(waits.statistics(0).times.buckets[TIME_BUCKETS - 1], 1);
    }
}
