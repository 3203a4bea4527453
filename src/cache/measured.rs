//! What building a value leaves behind, told by the ledger.

use crate::alloc::local::local;
use crate::ledger::Counts;
use crate::scope::Tag;

/// Measures by how much the calling thread's live bytes under a tag grow.
///
/// Exact for what this thread allocates and frees meanwhile: nobody else writes
/// the counters that are read.
pub(super) struct Meter {
    /// The tag and what was live; `None` where nobody counts or nobody asks.
    before: Option<(u16, i64)>,
    asked: bool,
}

impl Meter {
    pub(super) fn start(asked: bool, tag: &Tag) -> Self {
        let id = tag.id().get();
        let before = if asked { live_bytes(id).map(|bytes| (id, bytes)) } else { None };
        Self { before, asked }
    }

    /// The growth; `Some(0)` where nobody asked, `None` where nobody counts.
    pub(super) fn stop(self) -> Option<i64> {
        if !self.asked {
            return Some(0);
        }
        let (id, before) = self.before?;
        Some(live_bytes(id)?.wrapping_sub(before))
    }
}

/// What the calling thread allocated under a tag minus what it freed; `None` if it
/// has no counters of its own.
fn live_bytes(id: u16) -> Option<i64> {
    let shard = local().shard().or_else(|| local().register())?;
    let mut counts = Counts::ZERO;
    shard.cell(id).read_freed(&mut counts);
    shard.cell(id).read_allocated(&mut counts);
    Some(counts.live_bytes_signed())
}
