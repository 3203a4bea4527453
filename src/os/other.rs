//! Systems that are not asked yet.

use core::ops::Range;
use std::sync::OnceLock;
use std::time::Instant;

use super::Process;

pub(crate) fn process() -> Process {
    Process::default()
}

pub(crate) fn available_bytes() -> Option<u64> {
    None
}

pub(crate) fn rss_bytes() -> Option<u64> {
    None
}

pub(crate) fn resident_in(_range: &Range<usize>) -> Option<u64> {
    None
}

pub(crate) fn uptime_ms() -> Option<u64> {
    None
}

/// Nanoseconds since the first call.
pub(crate) fn monotonic_ns() -> u64 {
    static FIRST: OnceLock<Instant> = OnceLock::new();
    u64::try_from(FIRST.get_or_init(Instant::now).elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// The same clock: there is no coarser one.
#[cfg(feature = "cache")]
pub(crate) fn monotonic_coarse_ns() -> u64 {
    monotonic_ns()
}
