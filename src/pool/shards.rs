//! Where a pool's shards are: one for each thread number.

use core::ptr::NonNull;

use crate::alloc::local::local;

use super::shard::Shard;

/// Threads with a shard of their own; further ones share one.
pub(super) const SHARDS: usize = 1024;

/// Where a pool's shards are.
#[derive(Clone, Copy)]
pub(super) struct Shards {
    first: NonNull<Shard>,
    len: usize,
}

// SAFETY: a place; what is there has its own rules.
unsafe impl Send for Shards {}
// SAFETY: as above.
unsafe impl Sync for Shards {}

impl Shards {
    pub(super) const fn new(shards: &'static [Shard]) -> Self {
        // SAFETY: a reference is not null.
        let first = unsafe { NonNull::new_unchecked(shards.as_ptr().cast_mut()) };
        Self { first, len: shards.len() }
    }

    /// # Safety
    ///
    /// - `first` is the address of so many shards, which live as long as this and
    ///   its copies are used.
    pub(super) const unsafe fn from_raw(first: NonNull<Shard>, len: usize) -> Self {
        Self { first, len }
    }

    pub(super) fn as_slice(&self) -> &[Shard] {
        // SAFETY: so many shards are there as long as this is used (`from_raw`).
        unsafe { core::slice::from_raw_parts(self.first.as_ptr(), self.len) }
    }

    /// The calling thread's own; `None` where it has none.
    #[inline(always)]
    pub(super) fn own(&self) -> Option<&Shard> {
        self.as_slice().get(local().number() as usize)
    }
}
