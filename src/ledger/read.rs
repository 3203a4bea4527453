//! Reading the ledger while others write it.
//!
//! All freed halves first (Acquire), then all allocated halves: every free that
//! was seen has its allocation seen too, so live is never negative, without a
//! lock and without stopping anybody. What was allocated *during* the read may
//! be counted without its free: live may exceed the true value by the bytes that
//! were in flight while the read ran.

use super::cell::Counts;
use super::registry::{self, TAGS};
use super::shard::Shard;

/// Sums of one tag over all shards.
pub(crate) fn tag(id: u16) -> Counts {
    let mut sum = Counts::default();
    for shard in registry::all_shards() {
        shard.cell(id).read_freed(&mut sum);
    }
    for shard in registry::all_shards() {
        shard.cell(id).read_allocated(&mut sum);
    }
    sum
}

/// Sums over all shards of the tags `0..out.len()`, one entry each.
pub(crate) fn tags_into(out: &mut [Counts]) {
    out.fill(Counts::default());
    for shard in registry::all_shards() {
        for (cell, sum) in shard.cells().iter().zip(out.iter_mut()) {
            cell.read_freed(sum);
        }
    }
    for shard in registry::all_shards() {
        for (cell, sum) in shard.cells().iter().zip(out.iter_mut()) {
            cell.read_allocated(sum);
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
    for shard in registry::all_shards() {
        shard.cells().iter().take(len).for_each(|cell| cell.read_freed(&mut sum));
    }
    for shard in registry::all_shards() {
        shard.cells().iter().take(len).for_each(|cell| cell.read_allocated(&mut sum));
    }
    sum
}

/// The sum over all tags of one shard: what its threads allocated and freed.
pub(crate) fn shard(shard: &Shard) -> Counts {
    let len = tags_len();
    let mut sum = Counts::default();
    shard.cells().iter().take(len).for_each(|cell| cell.read_freed(&mut sum));
    shard.cells().iter().take(len).for_each(|cell| cell.read_allocated(&mut sum));
    sum
}
