//! Where a pool's shards are: one for each thread number.

use core::ptr::NonNull;

use crate::alloc::local::{NOBODYS_PLACE, PART_BYTES, PARTS, local};

use super::shard::Shard;

const _: () = assert!(size_of::<Shard>() == PART_BYTES);

/// The shards of a pool in a row: the last is nobody's and never opens. Threads
/// without one of their own try that one, in vain, instead of asking whether they have
/// one; then they share another.
pub(super) type Row = [Shard; PARTS + 1];

/// Where a pool's shards are.
#[derive(Clone, Copy)]
pub(super) struct Shards(NonNull<Row>);

// SAFETY: a place; what is there has its own rules.
unsafe impl Send for Shards {}
// SAFETY: as above.
unsafe impl Sync for Shards {}

impl Shards {
    pub(super) const fn new(row: &'static Row) -> Self {
        Self(NonNull::from_ref(row))
    }

    /// # Safety
    ///
    /// - What is at `row` lives as long as this and its copies are used.
    pub(super) const unsafe fn from_raw(row: NonNull<Row>) -> Self {
        Self(row)
    }

    /// Those of all threads that may have one.
    pub(super) fn as_slice(&self) -> &[Shard] {
        // SAFETY: there as long as this is used (`from_raw`).
        let row = unsafe { self.0.as_ref() };
        &row[..PARTS]
    }

    /// The calling thread's own; `None` where it has none.
    pub(super) fn own(&self) -> Option<&Shard> {
        let has_one = local().place() < NOBODYS_PLACE as usize;
        has_one.then(|| self.at_hand())
    }

    /// The calling thread's own, or the one that is nobody's.
    #[inline(always)]
    pub(super) fn at_hand(&self) -> &Shard {
        // SAFETY: places are those of the parts of a row, which is there as long as this
        // is used (`from_raw`).
        unsafe { self.0.cast::<Shard>().byte_add(local().place()).as_ref() }
    }
}
