//! The report: where the process's physical memory is, component by component.
//!
//! Ordinary world. Reads tags, backend and operating system once each, in this
//! order, with everything it needs allocated before; makes rows of them that sum
//! to the resident size; prints them as a table.

mod human;
mod non_heap;
mod rows;
mod table;

pub use rows::{Row, RowKind, TagColumns};

use heapledger_alloc_sys::Statistics;

use crate::error::{Error, ErrorKind};
use crate::external::{ExternalBytes, external_bytes};
use crate::ledger::{Counts, peak, registry};
use crate::overhead::{Overhead, self_overhead};
use crate::snapshot::{TagReading, all_tags, backend};

use non_heap::NonHeap;

/// Where the process's physical memory is: rows that sum to its resident size.
///
/// `Display` prints the rows as a table of at most 100 columns. The first rows
/// are the tags; what follows explains the rest, and what nothing explains is a
/// row of its own, [`RowKind::Unexplained`].
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Report {
    /// Bytes in physical memory: the sum over all mappings of the process.
    pub rss_bytes: u64,
    /// What the program allocated and freed, under all tags.
    pub counts: Counts,
    /// The largest live bytes seen so far.
    pub peak_live_bytes: u64,
    /// What components hold beside the allocator's memory. Not a row: how much of it
    /// is in physical memory is not known, and what is, is among the others.
    pub external: ExternalBytes,
    /// The backend's name.
    pub backend: String,
    /// The rows; their `bytes` sum to `rss_bytes`, exactly.
    pub rows: Vec<Row>,
}

impl Report {
    /// The row of a kind, if there is one.
    #[must_use]
    pub fn row(&self, kind: RowKind) -> Option<&Row> {
        self.rows.iter().find(|row| row.kind == kind)
    }
}

/// Tells where the process's physical memory is, component by component.
///
/// # Cost
///
/// The kernel walks the process's page tables for it: from 0.3 ms in a small
/// process to several milliseconds with 64 threads or a large heap. Allocates the
/// result, in part before it reads.
///
/// # Concurrency
///
/// The tags are one reading. The backend and the kernel are asked right after it;
/// what other threads allocate in between appears as unexplained, or is missing
/// there.
///
/// # Errors
///
/// - [`ErrorKind::NotInstalled`] if no heapledger allocator serves the process.
/// - [`ErrorKind::SystemUnavailable`] where there is no `/proc/self/smaps`.
///
/// # Examples
///
/// ```
/// # #[global_allocator]
/// # static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
/// use heapledger::scope;
///
/// let postings = scope!("index/postings", vec![1_u32; 1 << 20]);
/// let report = heapledger::report().unwrap();
/// println!("{report}");
/// let sum: i64 = report.rows.iter().map(|row| row.bytes).sum();
/// assert_eq!(sum, report.rss_bytes as i64);
/// # drop(postings);
/// ```
pub fn report() -> Result<Report, Error> {
    let backend = backend()?;
    // So that no row says "orphaned" of what has no block any more.
    registry::end_orphans();
    let tags = all_tags()?;
    let statistics = (backend.statistics)();
    let overhead = self_overhead();
    let non_heap = NonHeap::read().ok_or(Error::new(ErrorKind::SystemUnavailable))?;
    Ok(Reading { tags, statistics, overhead, non_heap, backend: backend.name }.report())
}

/// Everything a report is made of.
struct Reading {
    tags: Vec<TagReading>,
    statistics: Statistics,
    overhead: Overhead,
    non_heap: NonHeap,
    backend: &'static str,
}

impl Reading {
    fn report(self) -> Report {
        let counts = self.tags.iter().fold(Counts::ZERO, |sum, tag| sum.plus(&tag.own));
        Report {
            rss_bytes: self.non_heap.rss_bytes,
            counts,
            peak_live_bytes: peak::raise_process(counts.live_bytes()),
            external: external_bytes(),
            backend: self.backend.to_owned(),
            rows: rows::of(&self, counts.live_bytes()),
        }
    }
}
