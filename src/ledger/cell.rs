//! A cell: what one thread allocated and freed under one tag.
//!
//! Invariant: an owned cell has a single writer, the thread that holds its
//! shard, and its four counters only grow. A freer writes to *its own* cell of
//! the owner's tag, never to the cell the block was counted in, so live is a
//! difference of sums and no counter is ever decremented.

use crate::sync::{Counter, Ordering, bump};

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
    /// Nothing.
    pub const ZERO: Self =
        Self { allocated_bytes: 0, allocated_blocks: 0, freed_bytes: 0, freed_blocks: 0 };

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
    allocated_bytes: Counter,
    allocated_blocks: Counter,
    freed_bytes: Counter,
    freed_blocks: Counter,
}

/// Bytes from one tag's cell to the next in a shard.
pub(crate) const CELL_BYTES: u32 = size_of::<Cell>() as u32;

impl Cell {
    #[cfg(not(loom))]
    pub(crate) const fn new() -> Self {
        Self {
            allocated_bytes: Counter::new(0),
            allocated_blocks: Counter::new(0),
            freed_bytes: Counter::new(0),
            freed_blocks: Counter::new(0),
        }
    }

    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self {
            allocated_bytes: Counter::new(0),
            allocated_blocks: Counter::new(0),
            freed_bytes: Counter::new(0),
            freed_blocks: Counter::new(0),
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

    /// Adds what happened elsewhere, into a cell that several threads share.
    #[cfg(not(loom))]
    pub(crate) fn add_shared(&self, counts: &Counts) {
        // Relaxed: read once who added has been waited for.
        self.allocated_bytes.fetch_add(counts.allocated_bytes, Ordering::Relaxed);
        self.allocated_blocks.fetch_add(counts.allocated_blocks, Ordering::Relaxed);
        self.freed_bytes.fetch_add(counts.freed_bytes, Ordering::Relaxed);
        self.freed_blocks.fetch_add(counts.freed_blocks, Ordering::Relaxed);
    }

    /// Makes a cell that only the calling thread uses as one that only it writes;
    /// returns by how much it was behind.
    #[cfg(not(loom))]
    pub(crate) fn catch_up(&self, with: &Self) -> Counts {
        let advance = |behind: &Counter, counter: &Counter| {
            // Relaxed: the thread's own.
            let now = counter.load(Ordering::Relaxed);
            let by = now.wrapping_sub(behind.load(Ordering::Relaxed));
            if by != 0 {
                behind.store(now, Ordering::Relaxed);
            }
            by
        };
        Counts {
            allocated_bytes: advance(&self.allocated_bytes, &with.allocated_bytes),
            allocated_blocks: advance(&self.allocated_blocks, &with.allocated_blocks),
            freed_bytes: advance(&self.freed_bytes, &with.freed_bytes),
            freed_blocks: advance(&self.freed_blocks, &with.freed_blocks),
        }
    }

    /// Starts at zero again; for who knows that nobody uses the cell.
    #[cfg(not(loom))]
    pub(crate) fn clear(&self) {
        for counter in
            [&self.allocated_bytes, &self.allocated_blocks, &self.freed_bytes, &self.freed_blocks]
        {
            counter.store(0, Ordering::Relaxed);
        }
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
    #[cfg(test)]
    pub(crate) fn start_at(&self, value: u64) {
        for counter in
            [&self.allocated_bytes, &self.allocated_blocks, &self.freed_bytes, &self.freed_blocks]
        {
            counter.store(value, Ordering::Relaxed);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::tests::random::Random;

    fn read(cell: &Cell) -> Counts {
        let mut counts = Counts::default();
        cell.read_freed(&mut counts);
        cell.read_allocated(&mut counts);
        counts
    }

    /// Hazard 18. All four totals wrap, at different times; live and what happened
    /// since are right at every step.
    #[test]
    fn live_is_exact_across_the_wrap_of_every_counter() {
        let cell = Cell::new();
        cell.start_at(u64::MAX - 1000);
        let start = read(&cell);
        assert_eq!((start.live_bytes(), start.live_blocks()), (0, 0));

        let mut random = Random::new(18);
        let mut blocks = Vec::new();
        let (mut allocated, mut freed) = ((0_u64, 0_u64), (0_u64, 0_u64));
        for _ in 0..1_000_000 {
            if blocks.is_empty() || random.below(2) == 0 {
                let bytes = random.below(100);
                cell.book_alloc(bytes);
                blocks.push(bytes);
                allocated = (allocated.0 + bytes, allocated.1 + 1);
            } else {
                let bytes = blocks.swap_remove(random.below(blocks.len() as u64) as usize);
                cell.book_free(bytes);
                freed = (freed.0 + bytes, freed.1 + 1);
            }
            let now = read(&cell);
            assert_eq!(now.live_bytes(), allocated.0 - freed.0);
            assert_eq!(now.live_blocks(), allocated.1 - freed.1);
            let since = now.since(&start);
            assert_eq!((since.allocated_bytes, since.allocated_blocks), allocated);
            assert_eq!((since.freed_bytes, since.freed_blocks), freed);
        }
        let end = read(&cell);
        for total in [end.allocated_bytes, end.allocated_blocks, end.freed_bytes, end.freed_blocks]
        {
            assert!(total < u64::MAX - 1000, "a counter never came to the wrap: {total}");
        }
    }

    /// Threads that free what others allocated are below zero, by themselves.
    #[test]
    fn sums_are_exact_across_the_wrap_with_a_cell_below_zero() {
        let [allocator, freer] = [Cell::new(), Cell::new()];
        allocator.start_at(u64::MAX - 5);
        allocator.book_alloc(100);
        freer.book_free(60);
        let sum = read(&allocator).plus(&read(&freer));
        assert_eq!((sum.live_bytes(), sum.live_blocks()), (40, 0));
        assert_eq!(read(&freer).live_bytes_signed(), -60);
        assert_eq!(read(&freer).live_blocks_signed(), -1);
    }

    #[test]
    fn what_was_taken_back_was_never_there() {
        let cell = Cell::new();
        cell.start_at(u64::MAX - 5);
        let before = read(&cell);
        cell.book_alloc(100);
        cell.take_back_alloc(100);
        assert_eq!(read(&cell), before);
    }

    #[test]
    fn threads_that_share_a_cell_lose_nothing() {
        let cell = Cell::new();
        std::thread::scope(|scope| {
            for thread in 1..=4 {
                let cell = &cell;
                scope.spawn(move || {
                    for _ in 0..50_000 {
                        cell.book_alloc_shared(2 * thread);
                        cell.book_free_shared(thread);
                    }
                });
            }
        });
        let counts = read(&cell);
        assert_eq!((counts.allocated_bytes, counts.freed_bytes), (1_000_000, 500_000));
        assert_eq!((counts.allocated_blocks, counts.freed_blocks), (200_000, 200_000));
    }
}
