//! How long those waited who had to.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::reclaim::{WAIT_BUCKETS, WaitStatistics};

/// Counts and a histogram in steps of powers of two.
///
/// Whoever waited has slept: shared counters cost nothing beside that, and who did
/// not wait does not touch them. Relaxed: each is a total of its own.
#[derive(Default)]
pub(super) struct WaitTimes {
    timeouts: AtomicU64,
    cancelled: AtomicU64,
    total_ns: AtomicU64,
    max_ns: AtomicU64,
    buckets: [AtomicU64; WAIT_BUCKETS],
}

impl WaitTimes {
    pub(super) fn add(&self, waited: Duration) {
        let ns = u64::try_from(waited.as_nanos()).unwrap_or(u64::MAX);
        self.total_ns.fetch_add(ns, Relaxed);
        self.max_ns.fetch_max(ns, Relaxed);
        if let Some(bucket) = self.buckets.get(bucket(ns / 1_000)) {
            bucket.fetch_add(1, Relaxed);
        }
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
        statistics.buckets = self.buckets.each_ref().map(|bucket| bucket.load(Relaxed));
        statistics.waits = statistics.buckets.iter().sum();
        statistics.timeouts = self.timeouts.load(Relaxed);
        statistics.cancelled = self.cancelled.load(Relaxed);
        statistics.waiting = waiting as u64;
        statistics.total_ns = self.total_ns.load(Relaxed);
        statistics.max_ns = self.max_ns.load(Relaxed);
        statistics
    }
}

/// The bucket of a wait of so many whole microseconds.
const fn bucket(us: u64) -> usize {
    let bits = (u64::BITS - us.leading_zeros()) as usize;
    if bits < WAIT_BUCKETS { bits } else { WAIT_BUCKETS - 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wait_is_in_the_first_bucket_that_is_long_enough() {
        for (us, expected) in [(0, 0), (1, 1), (2, 2), (3, 2), (4, 3), (1_000_000, 20)] {
            assert_eq!(bucket(us), expected, "{us} µs");
            assert!(us < 1 << expected && (expected == 0 || us >= 1 << (expected - 1)));
        }
        assert_eq!(bucket(u64::MAX), WAIT_BUCKETS - 1);
    }

    #[test]
    fn sums_and_the_longest() {
        let times = WaitTimes::default();
        times.add(Duration::from_micros(3));
        times.add(Duration::from_nanos(10));
        times.add_timeout();
        times.add_cancelled();
        let statistics = times.statistics(5);
        assert_eq!((statistics.waits, statistics.timeouts), (2, 1));
        assert_eq!((statistics.cancelled, statistics.waiting), (1, 5));
        assert_eq!((statistics.total_ns, statistics.max_ns), (3_010, 3_000));
        assert_eq!((statistics.buckets[0], statistics.buckets[2]), (1, 1));
        times.add(Duration::MAX);
        assert_eq!(times.statistics(0).buckets[WAIT_BUCKETS - 1], 1);
    }
}
