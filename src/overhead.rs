//! What heapledger itself takes up.

use core::ops::Range;

use crate::ledger::{observer, peak, registry, tag_map, window};
use crate::{external, os};

/// Memory of heapledger's own, in bytes of physical memory.
///
/// Records inside the program's blocks (8 bytes of each small one in a scope) are
/// not here: they are in the backend's allocated bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Overhead {
    /// Names, peaks, the shared counters, the roots of the other tables.
    pub statics_bytes: u64,
    /// The counters of all threads, alive and finished; the counters of a
    /// finished thread serve the next one. With those of tests and observations.
    pub threads_bytes: u64,
    /// The owners of blocks that cannot carry a record.
    pub tag_map_bytes: u64,
    /// Threads whose counters those are: the most that were alive at one time.
    pub threads: u64,
    /// True if pages in memory were counted. False where the operating system
    /// does not tell: then these are bytes of address space, an upper bound.
    pub is_resident: bool,
}

impl Overhead {
    /// All together.
    #[must_use]
    pub const fn total_bytes(&self) -> u64 {
        self.statics_bytes + self.threads_bytes + self.tag_map_bytes
    }
}

/// What heapledger itself takes up.
///
/// Whole pages are counted, and a page that was only ever read counts, too
/// (although the kernel shares one page of zeroes for those): the true number is
/// at most this.
///
/// # Cost
///
/// System calls for every table: 150 µs, and a few more for each thread and each
/// 2 MiB of address space with tagged blocks. No allocation.
///
/// # Concurrency
///
/// Tables that grow meanwhile are counted or not.
///
/// # Examples
///
/// ```
/// # #[global_allocator]
/// # static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
/// let overhead = heapledger::self_overhead();
/// assert!(overhead.total_bytes() <= (1 << 20) + overhead.threads * (16 << 10));
/// ```
#[must_use]
pub fn self_overhead() -> Overhead {
    let mut is_resident = true;
    let mut resident = |range: Range<usize>| {
        os::resident_in(&range).unwrap_or_else(|| {
            is_resident = false;
            range.len() as u64
        })
    };
    let statics_bytes = whole_pages(statics()).map(&mut resident).sum();
    let (mut threads, mut threads_bytes, mut tag_map_bytes) = (0, 0, 0);
    for shard in registry::shards() {
        threads += 1;
        threads_bytes += resident(registry::addresses_of(shard));
    }
    observer::for_each_table(|table| threads_bytes += resident(table));
    let touched = |range: &Range<usize>| os::resident_in(range) != Some(0);
    tag_map::for_each_table(touched, |table| tag_map_bytes += resident(table));
    Overhead { statics_bytes, threads_bytes, tag_map_bytes, threads, is_resident }
}

const STATICS: usize = 8;

fn statics() -> [Range<usize>; STATICS] {
    let [tags, shared, shards] = registry::statics();
    let (peaks, windows) = (peak::statics(), window::statics());
    [
        tags,
        shared,
        shards,
        peaks,
        windows,
        tag_map::statics(),
        external::statics(),
        observer::statics(),
    ]
}

/// The pages under some ranges, none of them twice.
fn whole_pages<const N: usize>(
    mut ranges: [Range<usize>; N],
) -> impl Iterator<Item = Range<usize>> {
    let page_bytes = heapledger_alloc_sys::os_pages::page_size();
    ranges.sort_unstable_by_key(|range| range.start);
    let mut counted = 0;
    ranges.into_iter().map(move |range| {
        let start = (range.start & !(page_bytes - 1)).max(counted);
        counted = range.end.next_multiple_of(page_bytes).max(counted);
        start..counted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_page_is_counted_twice() {
        let page = heapledger_alloc_sys::os_pages::page_size();
        let at = |start: usize, end: usize| page * start / 10..page * end / 10;
        let ranges =
            [at(105, 109), at(10, 25), at(26, 27), at(0, 1), at(27, 61), at(100, 120), at(0, 2)];
        let pages: Vec<_> = whole_pages(ranges).map(|range| range.len() / page).collect();
        assert_eq!(pages, [1, 0, 2, 0, 4, 2, 0]);
    }
}
