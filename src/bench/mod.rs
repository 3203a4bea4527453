//! What a piece of benchmarked work allocates, to be reported beside its time.
//!
//! [`count`] is a plain function for any harness. With the feature `criterion`,
//! the module `criterion` reports the same through Criterion.
//!
//! The numbers are the process's, all threads and tags: work that hands parts to
//! other threads is counted whole, and a benchmark should be alone in its process.

use core::fmt;
use core::hint::black_box;

use crate::error::Error;
use crate::ledger::window::Watch;
use crate::measure::Running;
use crate::snapshot::backend;

#[cfg(feature = "criterion")]
pub mod criterion;

/// What one run of a piece of work did to memory.
///
/// # Examples
///
/// ```
/// # #[global_allocator]
/// # static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
/// let usage = heapledger::bench::count(|| vec![0_u8; 1000]).unwrap();
/// assert!(usage.to_string().starts_with("1000 B in 1 block, peak 1000 B"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Usage {
    /// Bytes allocated.
    pub allocated_bytes: u64,
    /// Blocks allocated.
    pub allocated_blocks: u64,
    /// The most that was live at one time, beyond what was live before. Exact if
    /// one thread works; further ones add what they allocate between two looks.
    pub peak_live_bytes: u64,
    /// By how much the backend's resident bytes grew; `None` if it does not tell.
    pub resident_growth_bytes: Option<i64>,
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { allocated_bytes, allocated_blocks, peak_live_bytes, .. } = *self;
        let s = if allocated_blocks == 1 { "" } else { "s" };
        write!(f, "{allocated_bytes} B in {allocated_blocks} block{s}, peak {peak_live_bytes} B")?;
        match self.resident_growth_bytes {
            Some(bytes) => write!(f, ", resident {bytes:+} B"),
            None => Ok(()),
        }
    }
}

/// Runs a piece of work once, its result's drop included, and counts.
///
/// Run the work before if its first run differs (lazy values, warm caches). The
/// work runs in no scope of ours: its code takes the paths it takes in the
/// program.
///
/// # Cost
///
/// 25 µs around the work, 200 with 64 threads (the backend's statistics), and in
/// it a look at the peaks for every allocation that may make a new one: do not
/// time this run.
///
/// # Errors
///
/// The work is not run and the error is
/// [`ErrorKind::NotInstalled`](crate::ErrorKind::NotInstalled),
/// [`ErrorKind::ThreadNotCounted`](crate::ErrorKind::ThreadNotCounted) or
/// [`ErrorKind::TooManyMeasurements`](crate::ErrorKind::TooManyMeasurements), as
/// for [`measure`](crate::measure()).
///
/// # Panics
///
/// If the work does.
///
/// # Examples
///
/// ```
/// # #[global_allocator]
/// # static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
/// let usage = heapledger::bench::count(|| {
///     let mut squares = Vec::new();
///     squares.extend((0..100_u64).map(|n| n * n));
///     squares
/// })
/// .unwrap();
/// assert_eq!((usage.allocated_bytes, usage.allocated_blocks), (800, 1));
/// ```
pub fn count<T>(work: impl FnOnce() -> T) -> Result<Usage, Error> {
    let statistics = backend()?.statistics;
    let resident_before = statistics().resident_bytes;
    let running = Running::start(Watch::Process)?;
    let live_before = running.live_bytes();
    drop(black_box(work()));
    let measured = running.stop();
    let resident_after = statistics().resident_bytes;
    Ok(Usage {
        allocated_bytes: measured.allocated_bytes,
        allocated_blocks: measured.allocated_blocks,
        peak_live_bytes: measured.peak_live_bytes.saturating_sub(live_before),
        resident_growth_bytes: resident_after
            .zip(resident_before)
            .map(|(after, before)| after.wrapping_sub(before).cast_signed()),
    })
}
