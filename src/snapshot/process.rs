//! The whole process at one moment.

use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use heapledger_alloc_sys::Statistics;

use crate::error::Error;
use crate::external::external_bytes;
use crate::ledger::{Counts, peak, read};
use crate::os;

use super::backend;

/// The process's memory at one moment; `later - earlier` is a [`Delta`](super::Delta).
///
/// What the operating system or the backend does not tell is `None`, never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Snapshot {
    /// How many snapshots the process took before this one.
    pub seq: u64,
    /// When it was taken, on a clock that never goes back.
    pub monotonic_ns: u64,
    /// When it was taken, in milliseconds since 1970 (UTC).
    pub unix_ms: u64,
    /// What the program allocated and freed, under all tags and on all threads.
    pub counts: Counts,
    /// The largest live bytes seen so far; never below one returned before.
    ///
    /// Below the true peak by at most what each thread allocates between two looks:
    /// the interval ([`set_peak_interval_bytes`](crate::set_peak_interval_bytes)), or
    /// 16 bytes for every tag and thread there is if that is more.
    pub peak_live_bytes: u64,
    /// Bytes that components hold beside the allocator's:
    /// [`external_bytes`](crate::external_bytes).
    pub external_bytes: u64,
    /// Bytes in physical memory, by the kernel's count.
    pub rss_bytes: Option<u64>,
    /// Bytes of address space in use.
    pub vms_bytes: Option<u64>,
    /// Threads the kernel knows.
    pub threads: Option<u64>,
    /// Open file descriptors.
    pub fds: Option<u64>,
    /// Bytes in blocks the backend handed out, rounded up to size classes.
    pub backend_allocated_bytes: Option<u64>,
    /// Bytes in the backend's pages that hold at least one block.
    pub active_bytes: Option<u64>,
    /// Bytes of the backend's own bookkeeping.
    pub metadata_bytes: Option<u64>,
    /// Bytes the backend believes to be in physical memory.
    pub resident_bytes: Option<u64>,
    /// Bytes of address space the backend uses.
    pub mapped_bytes: Option<u64>,
    /// Bytes of address space the backend keeps for later, without memory.
    pub retained_bytes: Option<u64>,
}

impl Snapshot {
    /// A snapshot around counts that were just read.
    pub(super) fn around(counts: Counts) -> Self {
        static SEQ: AtomicU64 = AtomicU64::new(0);
        let os::Process { rss_bytes, vms_bytes, threads, fds } = os::process();
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            // Relaxed: a number for people.
            seq: SEQ.fetch_add(1, Ordering::Relaxed),
            monotonic_ns: os::monotonic_ns(),
            unix_ms: u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX),
            counts,
            peak_live_bytes: peak::raise_process(counts.live_bytes()),
            external_bytes: external_bytes().total_bytes(),
            rss_bytes,
            vms_bytes,
            threads,
            fds,
            backend_allocated_bytes: None,
            active_bytes: None,
            metadata_bytes: None,
            resident_bytes: None,
            mapped_bytes: None,
            retained_bytes: None,
        }
    }

    /// The same with the backend's statistics.
    pub(super) fn with_backend(self, statistics: Statistics) -> Self {
        let Statistics {
            allocated_bytes: backend_allocated_bytes,
            active_bytes,
            metadata_bytes,
            internal_bytes: _,
            resident_bytes,
            mapped_bytes,
            retained_bytes,
        } = statistics;
        Self {
            backend_allocated_bytes,
            active_bytes,
            metadata_bytes,
            resident_bytes,
            mapped_bytes,
            retained_bytes,
            ..self
        }
    }

    /// Bytes the program holds: allocated and not freed.
    #[must_use]
    pub const fn live_bytes(&self) -> u64 {
        self.counts.live_bytes()
    }

    /// Blocks the program holds.
    #[must_use]
    pub const fn live_blocks(&self) -> u64 {
        self.counts.live_blocks()
    }

    /// The known sizes, rounded to whole MB of 1,048,576 bytes: what `Display`
    /// prints, too.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[global_allocator]
    /// # static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
    /// let line = heapledger::snapshot().unwrap().fmt_mb().to_string();
    /// assert!(line.starts_with("live 0MB"), "{line}");
    /// ```
    #[must_use]
    pub fn fmt_mb(&self) -> impl fmt::Display {
        Mb(*self)
    }
}

/// A snapshot's sizes in MB.
struct Mb(Snapshot);

impl fmt::Display for Mb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "live {}MB", mb(self.0.live_bytes()))?;
        let known = [
            ("active", self.0.active_bytes),
            ("mapped", self.0.mapped_bytes),
            ("external", Some(self.0.external_bytes)),
            ("rss", self.0.rss_bytes),
        ];
        for (name, bytes) in known {
            if let Some(bytes) = bytes {
                write!(f, ", {name} {}MB", mb(bytes))?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Mb(*self).fmt(f)
    }
}

/// Whole MB, rounded half up.
fn mb(bytes: u64) -> u64 {
    const MB: u64 = 1 << 20;
    bytes / MB + u64::from(bytes % MB >= MB / 2)
}

/// The process's memory now: the ledger's totals and the kernel's numbers.
///
/// The backend's statistics are left out, because they take longer to get than
/// all the rest: [`snapshot_with_backend`].
///
/// # Cost
///
/// Two passes over the cells of all threads and five system calls: 9 µs, 15 µs
/// with 64 threads and 100 tags. No allocation.
///
/// # Concurrency
///
/// Nobody is stopped. The ledger's numbers are one sound reading (live is never
/// negative); the kernel's come right after it.
///
/// # Errors
///
/// [`ErrorKind::NotInstalled`](crate::ErrorKind::NotInstalled) if no heapledger
/// allocator serves the process.
///
/// # Examples
///
/// ```
/// # #[global_allocator]
/// # static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
/// let before = heapledger::snapshot().unwrap();
/// let buffer = vec![0_u8; 1 << 20];
/// let grown = heapledger::snapshot().unwrap() - before;
/// assert_eq!(grown.live_bytes(), 1 << 20);
/// # drop(buffer);
/// ```
pub fn snapshot() -> Result<Snapshot, Error> {
    backend()?;
    Ok(Snapshot::around(read::total()))
}

/// The process's memory now, the backend's statistics included.
///
/// # Cost
///
/// That of [`snapshot`], and of gathering the statistics: jemalloc visits every
/// arena, 10 to 120 µs. No allocation.
///
/// # Concurrency
///
/// As [`snapshot`]. jemalloc takes the locks of its arenas for moments.
///
/// # Errors
///
/// [`ErrorKind::NotInstalled`](crate::ErrorKind::NotInstalled) if no heapledger
/// allocator serves the process.
///
/// # Examples
///
/// ```
/// # #[global_allocator]
/// # static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
/// # let kept = vec![0_u8; 1000];
/// let now = heapledger::snapshot_with_backend().unwrap();
/// if let (Some(allocated), Some(active)) = (now.backend_allocated_bytes, now.active_bytes) {
///     assert!(now.live_bytes() <= allocated && allocated <= active);
/// }
/// ```
pub fn snapshot_with_backend() -> Result<Snapshot, Error> {
    let backend = backend()?;
    // The ledger first: live is then no more than what was handed out.
    let counts = read::total();
    let statistics = (backend.statistics)();
    Ok(Snapshot::around(counts).with_backend(statistics))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn example(live_bytes: u64) -> Snapshot {
        Snapshot {
            seq: 7,
            monotonic_ns: 5_000_000_000,
            unix_ms: 1_790_000_000_000,
            counts: Counts { allocated_bytes: live_bytes, allocated_blocks: 3, ..Counts::ZERO },
            peak_live_bytes: live_bytes,
            external_bytes: 3 << 20,
            rss_bytes: Some(45 << 20),
            vms_bytes: Some(100 << 20),
            threads: Some(4),
            fds: Some(9),
            backend_allocated_bytes: Some(live_bytes + 1000),
            active_bytes: Some(20 << 20),
            metadata_bytes: Some(5 << 20),
            resident_bytes: Some(30 << 20),
            mapped_bytes: Some(33 << 20),
            retained_bytes: Some(0),
        }
    }

    #[test]
    fn sizes_are_rounded_to_mb() {
        let half = (12 << 20) + (1 << 19);
        assert_eq!(
            example(half).to_string(),
            "live 13MB, active 20MB, mapped 33MB, external 3MB, rss 45MB"
        );
        let bare = Snapshot { rss_bytes: None, ..example(half - 1).with_backend_unknown() };
        assert_eq!(bare.fmt_mb().to_string(), "live 12MB, external 3MB");
    }

    impl Snapshot {
        fn with_backend_unknown(self) -> Self {
            self.with_backend(Statistics::default())
        }
    }
}
