//! A shard: one thread's cells, one for each tag, and who the thread is.
//!
//! A shard is mapped from the operating system when its slot is first claimed
//! and stays for the life of the process; untouched pages of it cost nothing,
//! and the ids of tags are dense, so a thread that uses fewer than a hundred
//! tags touches two pages.

use core::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};

use super::TAGS_MAX;
use super::cell::{CELL_BYTES, Cell, Counts};

/// Small blocks for whose bits (`size - 9`) this is 0 keep their owner in the map.
pub(crate) const SMALL_IN_MAP: u32 = 8;

/// A thread's time in a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tenure {
    number: u32,
    /// What the slot's earlier threads had counted when the time began.
    pub(crate) inherited: Counts,
}

/// What `peak` saw last time it came by, one entry a tag.
type Checked = [AtomicU64; TAGS_MAX];

/// The counters of one thread slot.
///
/// The cells come last but one so that the header shares a page with the first
/// tags' cells, and `Checked` starts on a page of its own.
#[repr(C, align(64))]
pub(crate) struct Shard {
    /// The kernel's id of the thread that holds the slot.
    os_thread_id: AtomicU64,
    /// This shard's slot.
    slot: AtomicU32,
    /// An address on the stack of the thread that holds the slot.
    stack_address: AtomicUsize,
    /// Counts the threads that held the slot, twice; odd while one takes over.
    tenure: AtomicU32,
    /// What earlier threads of the slot had counted when this one took over.
    inherited: [AtomicU64; 4],
    /// See `small_mask`.
    small_mask: AtomicU32,
    cells: [Cell; TAGS_MAX],
    checked: Checked,
}

impl Shard {
    pub(crate) const fn new() -> Self {
        Self {
            os_thread_id: AtomicU64::new(0),
            slot: AtomicU32::new(0),
            stack_address: AtomicUsize::new(0),
            tenure: AtomicU32::new(0),
            inherited: [const { AtomicU64::new(0) }; 4],
            small_mask: AtomicU32::new(0),
            cells: [const { Cell::new() }; TAGS_MAX],
            checked: [const { AtomicU64::new(0) }; TAGS_MAX],
        }
    }

    /// The cell of one tag; an id out of range gets the untagged one.
    #[inline]
    pub(crate) fn cell(&self, id: u16) -> &Cell {
        match self.cells.get(id as usize) {
            Some(cell) => cell,
            None => &self.cells[0],
        }
    }

    /// All cells, in the order of tag ids.
    #[inline]
    pub(crate) fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// The cell at a tag's offset, as scopes and owner records hold it.
    ///
    /// # Safety
    ///
    /// - `offset` is a tag's id times `CELL_BYTES`.
    #[inline(always)]
    pub(crate) unsafe fn cell_at(&self, offset: u32) -> &Cell {
        debug_assert!(offset.is_multiple_of(CELL_BYTES) && offset < CELL_BYTES * TAGS_MAX as u32);
        // SAFETY: the offset is that of an element of `cells` (caller).
        unsafe { &*(&raw const self.cells).cast::<Cell>().byte_add(offset as usize) }
    }

    /// Small blocks for whose bits (`size - 9`) this mask gives 0 may have their
    /// owner in the tag map. All ones, and then next to none, until the map holds
    /// the first small block; 0, and then all, in the shard of those who have none.
    #[inline(always)]
    pub(crate) fn small_mask(&self) -> u32 {
        // Relaxed: whoever has a block of the map has it from the thread that put
        // its owner in, which lowered all masks before.
        self.small_mask.load(Ordering::Relaxed)
    }

    /// Sets the mask of a shard that is new.
    pub(crate) fn begin_small_mask(&self, mask: u32) {
        // Relaxed: see `registry::let_small_into_map`. A mask that was lowered in
        // the meantime stays.
        let _ = self.small_mask.compare_exchange(0, mask, Ordering::Relaxed, Ordering::Relaxed);
    }

    pub(crate) fn lower_small_mask(&self) {
        self.small_mask.store(SMALL_IN_MAP, Ordering::Relaxed);
    }

    /// What the tag's allocated bytes were when its peak was last looked at.
    #[inline]
    pub(crate) fn checked(&self, id: u16) -> Option<&AtomicU64> {
        self.checked.get(id as usize)
    }

    pub(crate) fn slot(&self) -> usize {
        // Relaxed: written once, before the shard is published.
        self.slot.load(Ordering::Relaxed) as usize
    }

    pub(crate) fn set_slot(&self, slot: usize) {
        self.slot.store(slot as u32, Ordering::Relaxed);
    }

    pub(crate) fn os_thread_id(&self) -> u64 {
        // Relaxed: a label; a stale one is a thread that just ended.
        self.os_thread_id.load(Ordering::Relaxed)
    }

    pub(crate) fn set_os_thread_id(&self, id: u64) {
        self.os_thread_id.store(id, Ordering::Relaxed);
    }

    /// An address on the stack of the shard's thread; 0 if there never was one.
    pub(crate) fn stack_address(&self) -> usize {
        // Relaxed: a label, as the thread's id.
        self.stack_address.load(Ordering::Relaxed)
    }

    /// Notes that a thread takes the shard over, from the counts so far. Called
    /// by the holder of the slot, before its first event.
    pub(crate) fn begin_tenure(&self, inherited: Counts) {
        let on_stack = 0_u8;
        self.stack_address.store((&raw const on_stack).addr(), Ordering::Relaxed);
        let number = self.tenure.load(Ordering::Relaxed);
        self.tenure.store(number.wrapping_add(1), Ordering::Relaxed);
        // Release: readers that see a new value below see the odd number.
        fence(Ordering::Release);
        let values = [
            inherited.allocated_bytes,
            inherited.allocated_blocks,
            inherited.freed_bytes,
            inherited.freed_blocks,
        ];
        for (place, value) in self.inherited.iter().zip(values) {
            place.store(value, Ordering::Relaxed);
        }
        // Release: readers that see the even number see the values.
        self.tenure.store(number.wrapping_add(2), Ordering::Release);
    }

    /// The present thread's time in the slot; `None` while one takes over.
    pub(crate) fn tenure(&self) -> Option<Tenure> {
        // Acquire: pairs with the last Release in `begin_tenure`.
        let number = self.tenure.load(Ordering::Acquire);
        // Relaxed: the fence orders them before the second look at the number.
        let [allocated_bytes, allocated_blocks, freed_bytes, freed_blocks] =
            self.inherited.each_ref().map(|value| value.load(Ordering::Relaxed));
        // Acquire: pairs with the Release fence in `begin_tenure`.
        fence(Ordering::Acquire);
        let inherited = Counts { allocated_bytes, allocated_blocks, freed_bytes, freed_blocks };
        (number.is_multiple_of(2) && self.tenure.load(Ordering::Relaxed) == number)
            .then_some(Tenure { number, inherited })
    }
}
