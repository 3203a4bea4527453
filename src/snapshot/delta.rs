//! What changed between two snapshots.

use core::ops::{Add, Sub};

use crate::ledger::Counts;

use super::Snapshot;

/// The difference of two snapshots, every field signed.
///
/// `(b - a) + a == b` whenever both snapshots know the same fields. A field that
/// one of them does not know is `None`.
///
/// # Examples
///
/// ```
/// # #[global_allocator]
/// # static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
/// let kept = vec![0_u8; 4096];
/// let before = heapledger::snapshot().unwrap();
/// drop(kept);
/// let after = heapledger::snapshot().unwrap();
/// assert_eq!((after - before).live_bytes(), -4096);
/// assert_eq!((after - before) + before, after);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
#[allow(missing_docs)] // The fields are those of `Snapshot`.
pub struct Delta {
    pub seq: i64,
    pub monotonic_ns: i64,
    pub unix_ms: i64,
    pub allocated_bytes: i64,
    pub allocated_blocks: i64,
    pub freed_bytes: i64,
    pub freed_blocks: i64,
    pub peak_live_bytes: i64,
    pub external_bytes: i64,
    pub rss_bytes: Option<i64>,
    pub vms_bytes: Option<i64>,
    pub threads: Option<i64>,
    pub fds: Option<i64>,
    pub backend_allocated_bytes: Option<i64>,
    pub active_bytes: Option<i64>,
    pub metadata_bytes: Option<i64>,
    pub resident_bytes: Option<i64>,
    pub mapped_bytes: Option<i64>,
    pub retained_bytes: Option<i64>,
}

impl Delta {
    /// By how much the live bytes grew.
    #[must_use]
    pub const fn live_bytes(&self) -> i64 {
        self.allocated_bytes.wrapping_sub(self.freed_bytes)
    }

    /// By how much the live blocks grew.
    #[must_use]
    pub const fn live_blocks(&self) -> i64 {
        self.allocated_blocks.wrapping_sub(self.freed_blocks)
    }
}

/// Wraps, and the addition wraps back: exact for any two values.
fn minus(later: u64, earlier: u64) -> i64 {
    later.wrapping_sub(earlier).cast_signed()
}

fn minus_known(later: Option<u64>, earlier: Option<u64>) -> Option<i64> {
    Some(minus(later?, earlier?))
}

fn plus(delta: i64, earlier: u64) -> u64 {
    earlier.wrapping_add_signed(delta)
}

fn plus_known(delta: Option<i64>, earlier: Option<u64>) -> Option<u64> {
    Some(plus(delta?, earlier?))
}

impl Sub for Snapshot {
    type Output = Delta;

    fn sub(self, earlier: Self) -> Delta {
        let counts = self.counts.since(&earlier.counts);
        Delta {
            seq: minus(self.seq, earlier.seq),
            monotonic_ns: minus(self.monotonic_ns, earlier.monotonic_ns),
            unix_ms: minus(self.unix_ms, earlier.unix_ms),
            allocated_bytes: counts.allocated_bytes.cast_signed(),
            allocated_blocks: counts.allocated_blocks.cast_signed(),
            freed_bytes: counts.freed_bytes.cast_signed(),
            freed_blocks: counts.freed_blocks.cast_signed(),
            peak_live_bytes: minus(self.peak_live_bytes, earlier.peak_live_bytes),
            external_bytes: minus(self.external_bytes, earlier.external_bytes),
            rss_bytes: minus_known(self.rss_bytes, earlier.rss_bytes),
            vms_bytes: minus_known(self.vms_bytes, earlier.vms_bytes),
            threads: minus_known(self.threads, earlier.threads),
            fds: minus_known(self.fds, earlier.fds),
            backend_allocated_bytes: minus_known(
                self.backend_allocated_bytes,
                earlier.backend_allocated_bytes,
            ),
            active_bytes: minus_known(self.active_bytes, earlier.active_bytes),
            metadata_bytes: minus_known(self.metadata_bytes, earlier.metadata_bytes),
            resident_bytes: minus_known(self.resident_bytes, earlier.resident_bytes),
            mapped_bytes: minus_known(self.mapped_bytes, earlier.mapped_bytes),
            retained_bytes: minus_known(self.retained_bytes, earlier.retained_bytes),
        }
    }
}

impl Add<Snapshot> for Delta {
    type Output = Snapshot;

    fn add(self, earlier: Snapshot) -> Snapshot {
        let counts = Counts {
            allocated_bytes: self.allocated_bytes.cast_unsigned(),
            allocated_blocks: self.allocated_blocks.cast_unsigned(),
            freed_bytes: self.freed_bytes.cast_unsigned(),
            freed_blocks: self.freed_blocks.cast_unsigned(),
        };
        Snapshot {
            seq: plus(self.seq, earlier.seq),
            monotonic_ns: plus(self.monotonic_ns, earlier.monotonic_ns),
            unix_ms: plus(self.unix_ms, earlier.unix_ms),
            counts: earlier.counts.plus(&counts),
            peak_live_bytes: plus(self.peak_live_bytes, earlier.peak_live_bytes),
            external_bytes: plus(self.external_bytes, earlier.external_bytes),
            rss_bytes: plus_known(self.rss_bytes, earlier.rss_bytes),
            vms_bytes: plus_known(self.vms_bytes, earlier.vms_bytes),
            threads: plus_known(self.threads, earlier.threads),
            fds: plus_known(self.fds, earlier.fds),
            backend_allocated_bytes: plus_known(
                self.backend_allocated_bytes,
                earlier.backend_allocated_bytes,
            ),
            active_bytes: plus_known(self.active_bytes, earlier.active_bytes),
            metadata_bytes: plus_known(self.metadata_bytes, earlier.metadata_bytes),
            resident_bytes: plus_known(self.resident_bytes, earlier.resident_bytes),
            mapped_bytes: plus_known(self.mapped_bytes, earlier.mapped_bytes),
            retained_bytes: plus_known(self.retained_bytes, earlier.retained_bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::ledger::Counts;
    use crate::snapshot::Snapshot;
    use crate::snapshot::process::tests::example;

    /// Random 64-bit patterns: differences wrap as often as not.
    fn random(state: &mut u64) -> u64 {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        *state ^ (*state >> 29)
    }

    fn random_snapshot(state: &mut u64) -> Snapshot {
        let mut next = || random(state);
        Snapshot {
            seq: next(),
            monotonic_ns: next(),
            unix_ms: next(),
            counts: Counts {
                allocated_bytes: next(),
                allocated_blocks: next(),
                freed_bytes: next(),
                freed_blocks: next(),
            },
            peak_live_bytes: next(),
            external_bytes: next(),
            rss_bytes: Some(next()),
            vms_bytes: Some(next()),
            threads: None,
            fds: Some(next()),
            backend_allocated_bytes: Some(next()),
            active_bytes: Some(next()),
            metadata_bytes: None,
            resident_bytes: Some(next()),
            mapped_bytes: Some(next()),
            retained_bytes: Some(next()),
        }
    }

    #[test]
    fn a_difference_added_back_is_exact_whatever_the_values() {
        let mut state = 1;
        for _ in 0..10_000 {
            let (a, b) = (random_snapshot(&mut state), random_snapshot(&mut state));
            assert_eq!((b - a) + a, b);
        }
    }

    #[test]
    fn what_one_does_not_know_has_no_difference() {
        let (a, b) = (example(1000), Snapshot { fds: None, ..example(400) });
        assert_eq!((b - a).live_bytes(), -600);
        assert_eq!((b - a).fds, None);
        assert_eq!((b - a).threads, Some(0));
    }
}
