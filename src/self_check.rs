//! The ledger checks its own invariants, on a process at rest.

use core::fmt;

use crate::alloc::install;
use crate::error::Error;
use crate::ledger::registry::{Reading, reading};
use crate::ledger::{Counts, peak, read, registry};
use crate::scope::{TagId, TagName};
use crate::snapshot;

/// Readings that may find the process busy before the check gives up.
const ATTEMPTS: usize = 16;

/// Which invariant does not hold, where, with which numbers.
///
/// The invariants are those of [`guarantees`](crate::guarantees).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SelfCheckError {
    /// There is nothing to check: [`ErrorKind::NotInstalled`](crate::ErrorKind).
    Unread(Error),
    /// Other threads allocated or freed during every attempt, so what holds only
    /// at rest could not be checked. Nothing was found to be wrong.
    Busy,
    /// I1: more was freed under a tag than allocated.
    FreedExceedsAllocated {
        /// The tag.
        tag: TagId,
        /// What was read.
        counts: Counts,
    },
    /// I1: a tag's live bytes and blocks do not fit together: a block has at
    /// least one byte, and without blocks there are no bytes. In a forked child: or a
    /// thread of the parent was cut off in a call (see [`self_check`]).
    BytesAndBlocksDisagree {
        /// The tag.
        tag: TagId,
        /// What was read.
        counts: Counts,
    },
    /// I3: a total was lower the second time.
    TotalShrank {
        /// The first reading.
        before: Counts,
        /// The second.
        after: Counts,
    },
    /// I4: a tag's peak is below its live bytes.
    PeakBelowLive {
        /// The tag.
        tag: TagId,
        /// The peak.
        peak_live_bytes: u64,
        /// What is live.
        live_bytes: u64,
    },
    /// I8: the sum over the tags is not the sum over the threads.
    SumsDiffer {
        /// Summed by tag.
        tags: Counts,
        /// Summed by thread.
        threads: Counts,
    },
    /// A tag's parent is no tag.
    ParentUnknown {
        /// The tag.
        tag: TagId,
        /// Its parent.
        parent: u16,
    },
    /// The backend says it handed out less than the program holds.
    BackendBelowLive {
        /// What the backend says.
        allocated_bytes: u64,
        /// What is live.
        live_bytes: u64,
    },
}

impl fmt::Display for SelfCheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name =
            |tag: &TagId| reading().name(tag.get()).map_or(TagName::new("(unnamed)"), TagName::new);
        match self {
            Self::Unread(error) => error.fmt(f),
            Self::Busy => f.write_str("other threads allocate: check again when they rest"),
            Self::FreedExceedsAllocated { tag, counts } => {
                write!(f, "I1: under \"{}\" more was freed than allocated: {counts:?}", name(tag))
            }
            Self::BytesAndBlocksDisagree { tag, counts } => {
                write!(f, "I1: under \"{}\" bytes and blocks disagree: {counts:?}", name(tag))
            }
            Self::TotalShrank { before, after } => {
                write!(f, "I3: a total shrank: {before:?}, then {after:?}")
            }
            Self::PeakBelowLive { tag, peak_live_bytes, live_bytes } => write!(
                f,
                "I4: the peak of \"{}\" is {peak_live_bytes} bytes, live are {live_bytes}",
                name(tag)
            ),
            Self::SumsDiffer { tags, threads } => {
                write!(f, "I8: by tag the total is {tags:?}, by thread {threads:?}")
            }
            Self::ParentUnknown { tag, parent } => {
                write!(f, "the parent of \"{}\", {parent}, is no tag", name(tag))
            }
            Self::BackendBelowLive { allocated_bytes, live_bytes } => {
                write!(f, "the backend handed out {allocated_bytes} bytes, live are {live_bytes}")
            }
        }
    }
}

impl core::error::Error for SelfCheckError {}

/// Checks, on a process at rest, the invariants that can be checked.
///
/// For every tag: no more freed than allocated; bytes and blocks fit together;
/// the peak is not below live; the parent is a tag. For the whole: totals do not
/// shrink between two readings; summed by tag they are what they are summed by
/// thread; the backend, where it tells and is the only one, handed out no less than
/// is live. The
/// invariants that speak of calls in flight (I2, I5, I6, I7) cannot be seen at
/// rest; the tests show them.
///
/// # Cost
///
/// One look at every cell of every thread, twice, and the backend's statistics:
/// some ten microseconds for each thousand cells. No allocation: it may be called
/// anywhere, also by a function in `.fini_array`.
///
/// # Concurrency
///
/// Needs a moment in which no other thread allocates or frees. It notices when
/// there was none, and tries again a few times. In a child forked while other threads
/// allocated, the call that each of them was cut off in may stay half counted:
/// [`SelfCheckError::BytesAndBlocksDisagree`] then tells of that.
///
/// # Errors
///
/// The first thing found wrong; [`SelfCheckError::Busy`] if the process did not
/// rest; [`SelfCheckError::Unread`] if there is no ledger.
///
/// # Examples
///
/// ```
/// # #[global_allocator]
/// # static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
/// # let kept = vec![1, 2, 3];
/// assert_eq!(heapledger::self_check(), Ok(()));
/// ```
pub fn self_check() -> Result<(), SelfCheckError> {
    let backend = snapshot::backend().map_err(SelfCheckError::Unread)?;
    for _ in 0..ATTEMPTS {
        let before = read::total();
        let found = check(before);
        let allocated_bytes = (backend.statistics)().allocated_bytes;
        let after = read::total();
        if after != before {
            check_growth(before, after)?;
            continue;
        }
        // Nothing happened in between: what was found was found at rest.
        found?;
        let live_bytes = after.live_bytes();
        return match allocated_bytes {
            Some(allocated_bytes) if allocated_bytes < live_bytes && !install::is_mixed() => {
                Err(SelfCheckError::BackendBelowLive { allocated_bytes, live_bytes })
            }
            _ => Ok(()),
        };
    }
    Err(SelfCheckError::Busy)
}

/// I3. A failed request is taken back, so while others run, only frees are known
/// not to shrink.
fn check_growth(before: Counts, after: Counts) -> Result<(), SelfCheckError> {
    let grew = |from: u64, to: u64| to.wrapping_sub(from).cast_signed() >= 0;
    if grew(before.freed_bytes, after.freed_bytes) && grew(before.freed_blocks, after.freed_blocks)
    {
        Ok(())
    } else {
        Err(SelfCheckError::TotalShrank { before, after })
    }
}

fn check(total: Counts) -> Result<(), SelfCheckError> {
    let mut tags = Counts::ZERO;
    let reading = reading();
    for id in 0..read::tags_len() as u16 {
        let counts = read::id(id).plus(&reading.balance(id));
        check_tag(&reading, id, counts)?;
        tags = tags.plus(&counts);
    }
    let threads = registry::all_shards().fold(Counts::ZERO, |sum, s| sum.plus(&read::shard(s)));
    if tags == threads && tags == total {
        Ok(())
    } else {
        Err(SelfCheckError::SumsDiffer { tags, threads })
    }
}

fn check_tag(reading: &Reading, id: u16, counts: Counts) -> Result<(), SelfCheckError> {
    let tag = TagId::new(id);
    let (bytes, blocks) = (counts.live_bytes_signed(), counts.live_blocks_signed());
    if bytes < 0 || blocks < 0 {
        return Err(SelfCheckError::FreedExceedsAllocated { tag, counts });
    }
    if bytes < blocks || (blocks == 0 && bytes != 0) {
        return Err(SelfCheckError::BytesAndBlocksDisagree { tag, counts });
    }
    let live_bytes = counts.live_bytes();
    peak::raise(id, live_bytes);
    let peak_live_bytes = peak::of(id);
    if peak_live_bytes < live_bytes {
        return Err(SelfCheckError::PeakBelowLive { tag, peak_live_bytes, live_bytes });
    }
    match reading.parent(id) {
        Some(parent) if reading.name(parent).is_none() => {
            Err(SelfCheckError::ParentUnknown { tag, parent })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(allocated: (u64, u64), freed: (u64, u64)) -> Counts {
        Counts {
            allocated_bytes: allocated.0,
            allocated_blocks: allocated.1,
            freed_bytes: freed.0,
            freed_blocks: freed.1,
        }
    }

    #[test]
    fn a_wrong_tag_is_named_with_its_numbers() {
        let id = registry::TAGS.intern("self check/wrong").unwrap();
        let tag = TagId::new(id);
        assert_eq!(check_tag(&reading(), id, counts((100, 3), (90, 2))), Ok(()));
        // Bytes freed twice, blocks freed twice.
        for counts in [counts((100, 3), (101, 2)), counts((100, 3), (90, 4))] {
            let error = SelfCheckError::FreedExceedsAllocated { tag, counts };
            assert_eq!(check_tag(&reading(), id, counts), Err(error));
            assert!(error.to_string().contains("I1: under \"self check/wrong\""), "{error}");
        }
        // A free of the wrong size, an allocation without its block.
        for counts in [counts((100, 3), (99, 1)), counts((100, 3), (90, 3))] {
            let error = SelfCheckError::BytesAndBlocksDisagree { tag, counts };
            assert_eq!(check_tag(&reading(), id, counts), Err(error));
        }
        // Counters that have wrapped are not wrong.
        assert_eq!(check_tag(&reading(), id, counts((50, 1), (u64::MAX - 9, u64::MAX))), Ok(()));
    }

    #[test]
    fn a_shrunken_total_is_found() {
        let (before, after) = (counts((9, 9), (5, 5)), counts((9, 9), (4, 5)));
        assert!(check_growth(before, after).is_err());
        assert_eq!(check_growth(after, before), Ok(()));
    }

    #[test]
    fn a_free_without_its_allocation_is_found_in_the_ledger() {
        let id = registry::TAGS.intern("self check/planted").unwrap();
        let cell = registry::SHARED.cell(id);
        cell.book_free_shared(10);
        let error = check(read::total()).unwrap_err();
        assert!(
            matches!(error, SelfCheckError::FreedExceedsAllocated { tag, .. } if tag.get() == id)
        );
        cell.book_alloc_shared(10);
        assert_eq!(check(read::total()), Ok(()));
    }
}
