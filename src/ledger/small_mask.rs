//! Small masks: whether a small block's free has to look into the tag map.
//!
//! Most programs never put a small block there, and then no free of one looks. The
//! first to put one in lowers the masks of all threads before, and whoever frees
//! it has it from there, so finds its own mask lowered.
//!
//! Invariant: once a block can be in the map, no thread has the mask `NO_SMALL`.
//! A thread that takes a shard meanwhile is in the roster before it looks at the
//! flag, and the flag is set before the roster is looked at: one sees the other.

use crate::sync::{AtomicU32, Ordering, fence};

/// Small blocks for whose bits (`size - 9`) this is 0 keep their owner in the map.
pub(crate) const SMALL_IN_MAP: u32 = 8;

/// The mask as long as there is none.
const NO_SMALL: u32 = u32::MAX;

/// Whether small blocks are in the map, for all threads.
pub(crate) struct SmallInMap(AtomicU32);

/// The same for one thread, where its frees look.
///
/// Small blocks for whose bits this mask gives 0 may have their owner in the map.
/// All ones, and then next to none, until the map holds the first small block; 0,
/// and then all, in the shard of those who have none.
pub(crate) struct SmallMask(AtomicU32);

impl SmallMask {
    #[cfg(not(loom))]
    pub(crate) const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    #[inline(always)]
    pub(crate) fn get(&self) -> u32 {
        // Relaxed: whoever has a block of the map has it from the thread that put
        // its owner in, which lowered all masks before.
        self.0.load(Ordering::Relaxed)
    }
}

impl SmallInMap {
    #[cfg(not(loom))]
    pub(crate) const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Sets the mask of the calling thread's shard, which is in the roster. Only
    /// a mask that is new: one that was lowered in the meantime stays.
    pub(crate) fn begin(&self, mask: &SmallMask) {
        // Between publishing the shard and reading the flag, as between setting
        // the flag and reading the roster in `let_in`.
        fence(Ordering::SeqCst);
        // Relaxed, both: ordered by the fences.
        let first = if self.0.load(Ordering::Relaxed) == 0 { NO_SMALL } else { SMALL_IN_MAP };
        let _ = mask.0.compare_exchange(0, first, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Lowers the masks of all the shards there are; called before the first small
    /// block is put into the map, any number of times.
    pub(crate) fn let_in<'a, I: Iterator<Item = &'a SmallMask>>(&self, masks: impl FnOnce() -> I) {
        // Relaxed: the fence orders it before the look at the roster.
        self.0.store(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        masks().for_each(|mask| {
            // Relaxed: published with the leaf of the map that the block is in. A
            // swap, where a store would do, because loom orders only that after
            // the exchange in `begin`.
            mask.0.swap(SMALL_IN_MAP, Ordering::Relaxed);
        });
    }
}
