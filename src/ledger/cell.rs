//! A cell: what one thread allocated and freed under one tag.
//!
//! Invariant: an owned cell has a single writer, the thread that holds its
//! shard, and its four counters only grow. A freer writes to *its own* cell of
//! the owner's tag, never to the cell the block was counted in, so live is a
//! difference of sums and no counter is ever decremented.

use crate::sync::{AtomicU64, Ordering, bump};

/// Four totals that only grow; what is live is their difference.
///
/// Bytes are what the program asked for, not size classes. The counters wrap at
/// 2^64, and the differences with them, so they stay right across a wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Counts {
    /// Bytes ever allocated. A `realloc` allocates its new size.
    pub allocated_bytes: u64,
    /// Blocks ever allocated. A `realloc` allocates one block.
    pub allocated_blocks: u64,
    /// Bytes ever freed. A `realloc` frees its old size.
    pub freed_bytes: u64,
    /// Blocks ever freed. A `realloc` frees one block.
    pub freed_blocks: u64,
}

impl Counts {
    /// Bytes allocated and not freed.
    ///
    /// For one thread's counts this may wrap below zero, because a thread may
    /// free what another allocated: see [`live_bytes_signed`](Self::live_bytes_signed).
    #[must_use]
    pub const fn live_bytes(&self) -> u64 {
        self.allocated_bytes.wrapping_sub(self.freed_bytes)
    }

    /// Blocks allocated and not freed.
    #[must_use]
    pub const fn live_blocks(&self) -> u64 {
        self.allocated_blocks.wrapping_sub(self.freed_blocks)
    }

    /// Allocated minus freed bytes; negative where more was freed than allocated.
    #[must_use]
    pub const fn live_bytes_signed(&self) -> i64 {
        self.live_bytes().cast_signed()
    }

    /// Allocated minus freed blocks; negative where more were freed than allocated.
    #[must_use]
    pub const fn live_blocks_signed(&self) -> i64 {
        self.live_blocks().cast_signed()
    }

    /// The sum of two readings.
    #[must_use]
    pub const fn plus(&self, other: &Self) -> Self {
        Self {
            allocated_bytes: self.allocated_bytes.wrapping_add(other.allocated_bytes),
            allocated_blocks: self.allocated_blocks.wrapping_add(other.allocated_blocks),
            freed_bytes: self.freed_bytes.wrapping_add(other.freed_bytes),
            freed_blocks: self.freed_blocks.wrapping_add(other.freed_blocks),
        }
    }

    /// What happened since an earlier reading.
    #[must_use]
    pub const fn since(&self, earlier: &Self) -> Self {
        Self {
            allocated_bytes: self.allocated_bytes.wrapping_sub(earlier.allocated_bytes),
            allocated_blocks: self.allocated_blocks.wrapping_sub(earlier.allocated_blocks),
            freed_bytes: self.freed_bytes.wrapping_sub(earlier.freed_bytes),
            freed_blocks: self.freed_blocks.wrapping_sub(earlier.freed_blocks),
        }
    }
}

/// One thread's counters for one tag: half a cache line.
#[repr(C, align(32))]
pub(crate) struct Cell {
    allocated_bytes: AtomicU64,
    allocated_blocks: AtomicU64,
    freed_bytes: AtomicU64,
    freed_blocks: AtomicU64,
}

/// Bytes from one tag's cell to the next in a shard.
pub(crate) const CELL_BYTES: u32 = size_of::<Cell>() as u32;

impl Cell {
    #[cfg(not(loom))]
    pub(crate) const fn new() -> Self {
        Self {
            allocated_bytes: AtomicU64::new(0),
            allocated_blocks: AtomicU64::new(0),
            freed_bytes: AtomicU64::new(0),
            freed_blocks: AtomicU64::new(0),
        }
    }

    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self {
            allocated_bytes: AtomicU64::new(0),
            allocated_blocks: AtomicU64::new(0),
            freed_bytes: AtomicU64::new(0),
            freed_blocks: AtomicU64::new(0),
        }
    }

    /// Books one block, by the thread that owns this cell.
    #[inline(always)]
    pub(crate) fn book_alloc(&self, bytes: u64) {
        // Relaxed: whoever later frees the block publishes this store with the
        // Release of its own `book_free`, because the block's address reached
        // it from here.
        bump(&self.allocated_bytes, bytes, Ordering::Relaxed);
        bump(&self.allocated_blocks, 1, Ordering::Relaxed);
    }

    /// Takes back a booking whose request then failed, by the owning thread.
    #[cfg(not(loom))]
    pub(crate) fn take_back_alloc(&self, bytes: u64) {
        bump(&self.allocated_bytes, bytes.wrapping_neg(), Ordering::Relaxed);
        bump(&self.allocated_blocks, 1_u64.wrapping_neg(), Ordering::Relaxed);
    }

    /// Books one freed block, by the thread that owns this cell.
    #[inline(always)]
    pub(crate) fn book_free(&self, bytes: u64) {
        // Release: pairs with the Acquire in `read_freed`. A reader that sees
        // this free then sees the allocation, so live is never negative.
        bump(&self.freed_bytes, bytes, Ordering::Release);
        bump(&self.freed_blocks, 1, Ordering::Release);
    }

    /// Books one block into a cell that several threads share.
    pub(crate) fn book_alloc_shared(&self, bytes: u64) {
        // Relaxed: as in `book_alloc`.
        self.allocated_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.allocated_blocks.fetch_add(1, Ordering::Relaxed);
    }

    /// Books one freed block into a cell that several threads share.
    pub(crate) fn book_free_shared(&self, bytes: u64) {
        // AcqRel: Release pairs with the Acquire in `read_freed`; Acquire keeps
        // the earlier freers' allocations visible behind this store as well.
        self.freed_bytes.fetch_add(bytes, Ordering::AcqRel);
        self.freed_blocks.fetch_add(1, Ordering::AcqRel);
    }

    /// Adds the freed half to `sum`. Must come before any `read_allocated`.
    #[inline]
    pub(crate) fn read_freed(&self, sum: &mut Counts) {
        // Acquire: pairs with the Release in `book_free`.
        let blocks = self.freed_blocks.load(Ordering::Acquire);
        let bytes = self.freed_bytes.load(Ordering::Acquire);
        sum.freed_blocks = sum.freed_blocks.wrapping_add(blocks);
        sum.freed_bytes = sum.freed_bytes.wrapping_add(bytes);
    }

    /// Adds the allocated half to `sum`, after every cell's freed half was read.
    #[inline]
    pub(crate) fn read_allocated(&self, sum: &mut Counts) {
        // Relaxed: the Acquire loads of the freed halves came before.
        let blocks = self.allocated_blocks.load(Ordering::Relaxed);
        let bytes = self.allocated_bytes.load(Ordering::Relaxed);
        sum.allocated_blocks = sum.allocated_blocks.wrapping_add(blocks);
        sum.allocated_bytes = sum.allocated_bytes.wrapping_add(bytes);
    }

    /// Bytes ever allocated in this cell.
    #[inline]
    pub(crate) fn allocated_bytes(&self) -> u64 {
        // Relaxed: read by the cell's own thread, to see whether it moved.
        self.allocated_bytes.load(Ordering::Relaxed)
    }

    /// Starts every counter at a value of choice, to test the wrap at 2^64.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn start_at(&self, value: u64) {
        for counter in
            [&self.allocated_bytes, &self.allocated_blocks, &self.freed_bytes, &self.freed_blocks]
        {
            counter.store(value, Ordering::Relaxed);
        }
    }
}
