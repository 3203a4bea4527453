//! What a store can tell: objects and bytes, while others use it.

use core::sync::atomic::Ordering::Relaxed;

use crate::ledger::registry;
use crate::reclaim;

use super::{Shard, Store};

/// Objects that ever came and left, and those that are ready.
pub(in crate::pool) struct Flow {
    pub(in crate::pool) created: u64,
    pub(in crate::pool) dropped: u64,
    pub(in crate::pool) ready: u64,
}

impl Flow {
    pub(in crate::pool) fn in_use(&self) -> u64 {
        self.created.saturating_sub(self.dropped + self.ready)
    }
}

impl Store {
    /// Bytes of slots, magazines and tables.
    pub(in crate::pool) fn own_bytes(&self) -> u64 {
        self.pages.bytes() + self.depot.bytes()
    }

    pub(in crate::pool) fn slot_bytes(&self) -> u64 {
        self.pages.shape().slot_bytes() as u64
    }

    /// Objects ready.
    pub(in crate::pool) fn ready(&self) -> u64 {
        self.sum(Shard::ready) + self.depot.objects()
    }

    /// Whether the depot has more than the threads leave it: after objects were
    /// gathered that threads may replace.
    pub(in crate::pool) fn is_too_full(&self) -> bool {
        self.depot.promised() > self.limits().retained_max
    }

    /// Their weight; 0 without a weigher.
    pub(in crate::pool) fn ready_bytes(&self) -> u64 {
        self.sum(Shard::idle_bytes) + self.depot.object_bytes()
    }

    /// What came, what left and what is ready, at one moment if there is one.
    pub(in crate::pool) fn flow(&self) -> Flow {
        const ATTEMPTS: usize = 4;
        let left = || (self.sum(Shard::dropped), self.ready());
        let created = || self.sum(Shard::created);
        for _ in 0..ATTEMPTS {
            let before = left();
            let created = created();
            if left() == before {
                let (dropped, ready) = before;
                return Flow { created, dropped, ready };
            }
        }
        // What came is read first: rather too few are out than some that never were.
        let created = created();
        let (dropped, ready) = left();
        Flow { created, dropped, ready }
    }

    /// Objects out now.
    pub(in crate::pool) fn in_use(&self) -> u64 {
        self.flow().in_use()
    }

    /// Bytes of the objects that are ready: their slots, and what they own.
    pub(in crate::pool) fn idle_bytes(&self) -> u64 {
        self.ready() * self.slot_bytes() + self.ready_content_bytes()
    }

    /// What the objects that are ready own beyond their slots: as the weigher says, or
    /// else the mean of all objects.
    pub(in crate::pool) fn ready_content_bytes(&self) -> u64 {
        if self.weights.are_kept() {
            return self.ready_bytes();
        }
        let ready = self.ready();
        let all = ready + self.in_use();
        let content = self.content_bytes().unwrap_or(0);
        (u128::from(content) * u128::from(ready) / u128::from(all.max(1))) as u64
    }

    /// What the pool's tag owns beyond the pool's own memory, if somebody counts.
    pub(in crate::pool) fn content_bytes(&self) -> Option<u64> {
        Some(reclaim::live_bytes(&self.tag)?.saturating_sub(self.own_bytes()))
    }

    /// After an object was made: looks at the high-water mark. At a thread's first few
    /// objects each time, so that small pools are exact; then so often that a look at
    /// all threads costs each object a look at one.
    pub(in crate::pool) fn note_growth(&self) {
        const FIRST: u64 = 16;
        let created = self.shards.own().map_or(0, Shard::created);
        if created <= FIRST || created.is_multiple_of(registry::slots_used().max(1) as u64) {
            self.note_high_water();
        }
    }

    /// Looks at how many objects are out; returns the most that were seen.
    pub(in crate::pool) fn note_high_water(&self) -> u64 {
        let in_use = self.in_use();
        self.high_water.fetch_max(in_use, Relaxed).max(in_use)
    }
}
