//! Reading the ledger while others write it.
//!
//! All freed halves first (Acquire), then all allocated halves: every free that
//! was seen has its allocation seen too, so live is never negative, without a
//! lock and without stopping anybody. What was allocated *during* the read may
//! be counted without its free: live may exceed the true value by the bytes that
//! were in flight while the read ran.
//!
//! What a *tag* holds is what the cells of its id say and the id's balance (see
//! `moves`), read by somebody inside the gate. What is *live* is in the cells alone,
//! and so is every sum over all tags.

use super::cell::Counts;
use super::descendants::Descendants;
use super::registry::{self, Reading, TAGS};
use super::shard::Shard;

/// Sums of one id over all shards: of the tag that has it, and of those that had it.
pub(crate) fn id(id: u16) -> Counts {
    let mut sum = Counts::default();
    for shard in registry::all_shards() {
        shard.cell(id).read_freed(&mut sum);
    }
    for shard in registry::all_shards() {
        shard.cell(id).read_allocated(&mut sum);
    }
    sum
}

/// What one tag holds, and the same with the tags below it.
pub(crate) fn tag_with_children(reading: &Reading, id: u16) -> (Counts, Counts) {
    let below = Descendants::of(reading, id);
    let mut own = reading.balance(id);
    let mut children = Counts::ZERO;
    below.ids().for_each(|id| children = children.plus(&reading.balance(id)));
    for shard in registry::all_shards() {
        shard.cell(id).read_freed(&mut own);
        below.ids().for_each(|id| shard.cell(id).read_freed(&mut children));
    }
    for shard in registry::all_shards() {
        shard.cell(id).read_allocated(&mut own);
        below.ids().for_each(|id| shard.cell(id).read_allocated(&mut children));
    }
    (own, own.plus(&children))
}

/// What the tags `0..out.len()` hold, one entry each; `counts` finds the place in an
/// entry.
pub(crate) fn tags_into<T>(
    reading: &Reading,
    out: &mut [T],
    counts: impl Fn(&mut T) -> &mut Counts,
) {
    for (id, sum) in (0_u16..).zip(out.iter_mut()) {
        *counts(sum) = reading.balance(id);
    }
    for shard in registry::all_shards() {
        for (cell, sum) in shard.cells().iter().zip(out.iter_mut()) {
            cell.read_freed(counts(sum));
        }
    }
    for shard in registry::all_shards() {
        for (cell, sum) in shard.cells().iter().zip(out.iter_mut()) {
            cell.read_allocated(counts(sum));
        }
    }
}

/// How many tags there are, the two built-in ones included.
pub(crate) fn tags_len() -> usize {
    TAGS.len()
}

/// The sum over all tags and shards.
pub(crate) fn total() -> Counts {
    let len = tags_len();
    let mut sum = Counts::default();
    registry::all_shards().for_each(|shard| freed(shard, len, &mut sum));
    registry::all_shards().for_each(|shard| allocated(shard, len, &mut sum));
    sum
}

/// The sum over all tags of one shard: what its threads allocated and freed.
pub(crate) fn shard(shard: &Shard) -> Counts {
    let len = tags_len();
    let mut sum = Counts::default();
    freed(shard, len, &mut sum);
    allocated(shard, len, &mut sum);
    sum
}

/// Adds the freed halves of one shard's first `len` tags.
pub(crate) fn freed(shard: &Shard, len: usize, sum: &mut Counts) {
    shard.cells().iter().take(len).for_each(|cell| cell.read_freed(sum));
}

/// Adds the allocated halves of one shard's first `len` tags.
pub(crate) fn allocated(shard: &Shard, len: usize, sum: &mut Counts) {
    shard.cells().iter().take(len).for_each(|cell| cell.read_allocated(sum));
}
