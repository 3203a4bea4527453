//! What a shard counts, without the turn: a little late while it is in use.

use core::sync::atomic::Ordering::Relaxed;

use super::{Shard, add};

impl Shard {
    /// Counts an object that came in; by the number's thread, or with the lock.
    pub(in crate::pool) fn count_created(&self) {
        add(&self.created, 1);
    }

    /// Counts an object that left; by the number's thread, or with the lock.
    pub(in crate::pool) fn count_dropped(&self) {
        add(&self.dropped, 1);
    }

    /// Counts an acquisition that no object was ready for; likewise.
    pub(in crate::pool) fn count_miss(&self) {
        add(&self.misses, 1);
    }

    /// Objects that may be ready here.
    pub(in crate::pool) fn room(&self) -> u32 {
        self.room.load(Relaxed)
    }

    pub(in crate::pool) fn misses(&self) -> u64 {
        self.misses.load(Relaxed)
    }

    pub(in crate::pool) fn hits(&self) -> u64 {
        self.hits.load(Relaxed)
    }

    pub(in crate::pool) fn created(&self) -> u64 {
        self.created.load(Relaxed)
    }

    pub(in crate::pool) fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    /// Objects ready.
    pub(in crate::pool) fn ready(&self) -> u64 {
        let in_magazines = self.loaded.len() + self.previous.len.load(Relaxed);
        u64::from(in_magazines) + u64::from(!self.hot.load(Relaxed).is_null())
    }

    /// Their weight.
    pub(in crate::pool) fn idle_bytes(&self) -> u64 {
        self.idle_bytes.load(Relaxed)
    }
}
