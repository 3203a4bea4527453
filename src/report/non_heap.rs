//! What of the resident size is not the heap's.

#[cfg(target_os = "linux")]
use core::ops::Range;

#[cfg(target_os = "linux")]
use crate::ledger::{registry, tag_map};
#[cfg(target_os = "linux")]
use crate::os::smaps::{self, Kind};

/// The resident size, and the parts of it that are known to be no heap.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct NonHeap {
    pub(super) rss_bytes: u64,
    /// The program, libraries, mapped files, shared memory, the kernel's pages.
    pub(super) file_bytes: u64,
    /// Stacks of the first thread and of all that have counters.
    pub(super) stack_bytes: u64,
    /// The `brk` heap: the C library's, for code that does not come to us.
    pub(super) brk_bytes: u64,
    /// The mapping that holds heapledger's static tables and the program's other
    /// zero-initialised statics.
    pub(super) statics_bytes: u64,
}

impl NonHeap {
    #[cfg(target_os = "linux")]
    pub(super) fn read() -> Option<Self> {
        let mut sum = Self::default();
        smaps::for_each(|mapping| {
            sum.rss_bytes += mapping.rss_bytes;
            let part = match mapping.kind {
                Kind::File | Kind::Kernel => &mut sum.file_bytes,
                Kind::Stack => &mut sum.stack_bytes,
                Kind::Brk => &mut sum.brk_bytes,
                Kind::Anonymous if holds_stack(&mapping.range) => &mut sum.stack_bytes,
                Kind::Anonymous if mapping.range.contains(&tag_map::statics().start) => {
                    &mut sum.statics_bytes
                }
                Kind::Anonymous => return,
            };
            *part += mapping.rss_bytes;
        })?;
        Some(sum)
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn read() -> Option<Self> {
        None
    }
}

/// Whether a thread's stack is in a mapping: where it was when the thread
/// allocated for the first time.
#[cfg(target_os = "linux")]
fn holds_stack(range: &Range<usize>) -> bool {
    registry::shards()
        .any(|shard| range.contains(&shard.stack_address()) && registry::is_alive(shard))
}
