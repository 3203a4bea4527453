//! How much a pool retains, and where.
//!
//! Half of what may be retained is for the threads' own magazines, shared evenly
//! among the threads that use the pool; the depot may have what the threads' shares
//! leave. A thread for which not even one object is left keeps nothing.

use core::ptr::NonNull;

use super::depot::{MAGAZINE, Magazine};

/// No limit.
pub(super) const UNLIMITED: u64 = u64::MAX;

/// Where an idle object's weight is: behind it in its slot.
#[derive(Clone, Copy)]
pub(super) struct Weights {
    /// 0 if the pool has no weigher.
    offset: usize,
}

impl Weights {
    pub(super) const NONE: Self = Self { offset: 0 };

    /// Behind objects of this size, at a multiple of a weight's alignment.
    pub(super) const fn behind(object_bytes: usize) -> Self {
        let size = if object_bytes == 0 { 1 } else { object_bytes };
        Self { offset: size.next_multiple_of(align_of::<u64>()) }
    }

    /// Where a weight ends.
    pub(super) const fn end(self) -> usize {
        self.offset + size_of::<u64>()
    }

    #[inline(always)]
    pub(super) fn are_kept(self) -> bool {
        self.offset != 0
    }

    /// The weight of an idle object; 0 without a weigher.
    #[inline(always)]
    pub(super) fn of(self, slot: NonNull<u8>) -> u64 {
        if !self.are_kept() {
            return 0;
        }
        // SAFETY: with a weigher every slot has room there, and it was written before
        // the object became idle.
        unsafe { slot.as_ptr().add(self.offset).cast::<u64>().read() }
    }

    /// Writes the weight of an object that is about to become idle.
    ///
    /// # Safety
    ///
    /// - The slot was made for a pool with a weigher, and is the caller's.
    #[inline(always)]
    pub(super) unsafe fn set(self, slot: NonNull<u8>, weight: u64) {
        // SAFETY: the slot has room there (caller).
        unsafe { slot.as_ptr().add(self.offset).cast::<u64>().write(weight) };
    }

    /// The weight of all objects in a magazine.
    pub(super) fn of_all(self, magazine: &Magazine) -> u64 {
        if !self.are_kept() {
            return 0;
        }
        magazine.slots().iter().filter_map(|slot| NonNull::new(*slot)).map(|it| self.of(it)).sum()
    }
}

/// What applies at one moment.
pub(super) struct Terms {
    pub(super) weights: Weights,
    /// Objects that a thread's magazine takes.
    pub(super) magazine: u32,
    /// Objects that a thread keeps, in front of its magazines and in them.
    pub(super) share: u32,
    /// Bytes that a thread keeps.
    pub(super) share_bytes: u64,
    pub(super) room: Room,
}

/// What there is room for.
pub(super) struct Room {
    /// Objects in the depot.
    pub(super) objects: u64,
    /// Bytes in the depot.
    pub(super) bytes: u64,
    /// Objects in the depot, with those that the threads may keep.
    pub(super) promised: u64,
}

impl Room {
    pub(super) const UNLIMITED: Self =
        Self { objects: UNLIMITED, bytes: UNLIMITED, promised: UNLIMITED };
}

/// Whether one more than so many threads may have a share.
pub(super) fn may_share(retained_max: u64, threads: u64) -> bool {
    threads < retained_max / 2
}

impl Terms {
    /// For `threads` that use the pool and have objects of `idle_bytes` ready.
    pub(super) fn new(
        weights: Weights,
        retained_max: u64,
        retained_bytes_max: u64,
        threads: u64,
        idle_bytes: u64,
    ) -> Self {
        // A hot object and two magazines.
        let most = 1 + 2 * MAGAZINE as u64;
        let share = (retained_max / (2 * threads.max(1))).clamp(1, most);
        let nothing = retained_max == 0 || retained_bytes_max == 0;
        let share_bytes = share_bytes(retained_bytes_max, threads);
        let room = Room {
            objects: match (nothing, retained_max) {
                (true, _) => 0,
                (_, UNLIMITED) => UNLIMITED,
                _ => retained_max.saturating_sub(threads * share),
            },
            bytes: match retained_bytes_max {
                UNLIMITED => UNLIMITED,
                // What the threads may keep is theirs, though they do not have it now.
                _ => retained_bytes_max.saturating_sub(idle_bytes.max(threads * share_bytes)),
            },
            promised: retained_max,
        };
        let magazine = ((share - 1) / 2) as u32;
        Self { weights, magazine, share: share as u32, share_bytes, room }.or_nothing(nothing)
    }

    fn or_nothing(mut self, nothing: bool) -> Self {
        if nothing {
            self.share_bytes = 0;
            self.room.bytes = 0;
            self.magazine = u32::MAX;
        }
        self
    }

    pub(super) fn retains_nothing(&self) -> bool {
        self.magazine == u32::MAX
    }
}

/// The most that one object may weigh to be kept: what one thread's share leaves.
pub(super) fn heaviest(retained_bytes_max: u64) -> u64 {
    match retained_bytes_max {
        UNLIMITED => UNLIMITED,
        bytes => bytes - share_bytes(bytes, 1),
    }
}

/// Bytes that each of some threads keeps.
pub(super) fn share_bytes(retained_bytes_max: u64, threads: u64) -> u64 {
    match retained_bytes_max {
        UNLIMITED => UNLIMITED,
        bytes => bytes / (4 * threads.max(1)),
    }
}
