//! A shard: one thread's cells, one for each tag, and who the thread is.
//!
//! A shard is mapped from the operating system when its slot is first claimed
//! and stays for the life of the process; untouched pages of it cost nothing,
//! and the ids of tags are dense, so a thread that uses fewer than a hundred
//! tags touches two pages.

use core::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

use super::TAGS_MAX;
use super::cell::{CELL_BYTES, Cell, Counts};
use super::observer::Stays;
use super::once_ptr::OncePtr;
use super::small_mask::SmallMask;
use super::tenure::Tenures;

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
    /// Bytes allocated since this shard's thread looked at the process's peak.
    since_process_look: AtomicU64,
    /// Whose time it is.
    pub(crate) tenures: Tenures,
    pub(crate) small_mask: SmallMask,
    /// The thread's time with observers; null before the first.
    pub(crate) stays: OncePtr<Stays>,
    cells: [Cell; TAGS_MAX],
    checked: Checked,
}

impl Shard {
    pub(crate) const fn new() -> Self {
        Self {
            os_thread_id: AtomicU64::new(0),
            slot: AtomicU32::new(0),
            stack_address: AtomicUsize::new(0),
            since_process_look: AtomicU64::new(0),
            tenures: Tenures::new(),
            small_mask: SmallMask::new(),
            stays: OncePtr::null(),
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

    /// Which small blocks may have their owner in the tag map: see `SmallMask`.
    #[inline(always)]
    pub(crate) fn small_mask(&self) -> u32 {
        self.small_mask.get()
    }

    /// What the tag's allocated bytes were when its peak was last looked at.
    #[inline]
    pub(crate) fn checked(&self, id: u16) -> Option<&AtomicU64> {
        self.checked.get(id as usize)
    }

    #[inline]
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
    #[cfg_attr(not(target_os = "linux"), allow(dead_code))]
    pub(crate) fn stack_address(&self) -> usize {
        // Relaxed: a label, as the thread's id.
        self.stack_address.load(Ordering::Relaxed)
    }

    /// Counts one more interval allocated since the process's peak was last looked
    /// at; whether that makes enough.
    pub(crate) fn process_look_is_due(&self, interval: u64, enough: u64) -> bool {
        // Relaxed: only the shard's own thread uses it.
        let since = self.since_process_look.load(Ordering::Relaxed).saturating_add(interval);
        let is_due = since >= enough;
        self.since_process_look.store(if is_due { 0 } else { since }, Ordering::Relaxed);
        is_due
    }

    /// Notes that a thread takes the shard over, from the counts so far. Called
    /// by the holder of the slot, before its first event.
    pub(crate) fn begin_tenure(&self, inherited: Counts) {
        let on_stack = 0_u8;
        self.stack_address.store((&raw const on_stack).addr(), Ordering::Relaxed);
        self.tenures.begin(inherited);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_is_looked_at_when_enough_was_allocated() {
        let shard = Box::new(Shard::new());
        assert!(shard.process_look_is_due(100, 100));
        assert!(!shard.process_look_is_due(100, 250));
        assert!(!shard.process_look_is_due(100, 250));
        assert!(shard.process_look_is_due(100, 250));
        assert!(!shard.process_look_is_due(100, 250));
    }
}
