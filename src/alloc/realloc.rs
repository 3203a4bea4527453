//! `realloc`: keeps the owner, and stays in place where the backend can.
//!
//! The owner is read, and taken out of the map, before the backend may give the
//! address to another thread; if the backend has no memory it is put back. A
//! block that changes its regime moves, once.

use core::alloc::Layout;

use heapledger_alloc_sys::Backend;

use super::Allocator;
use super::allocating::Placed;
use super::booking::{
    book_alloc, book_free, injected, offset, record_in_map, refused, take_from_map, word,
};
use super::layout::{self, Regime, TINY};
use super::local::local;

/// `realloc` for every layout.
#[inline(never)]
pub(super) unsafe fn realloc<B: Backend>(
    block: *mut u8,
    size: usize,
    align: usize,
    new_size: usize,
    this: &Allocator<B>,
) -> *mut u8 {
    if local().spend(new_size.saturating_sub(size)).is_err() {
        // SAFETY: the caller's arguments.
        return unsafe { realloc_slow(block, size, align, new_size, this) };
    }
    // SAFETY: the caller's arguments.
    unsafe { this.regrow(block, size, align, new_size) }
}

/// `realloc` once the tank ran out: gives the thread a shard if it has none yet,
/// and looks at the peaks after the block is booked.
#[cold]
#[inline(never)]
unsafe fn realloc_slow<B: Backend>(
    block: *mut u8,
    size: usize,
    align: usize,
    new_size: usize,
    this: &Allocator<B>,
) -> *mut u8 {
    let local = local();
    local.register();
    if local.observer().refuses() {
        return injected();
    }
    // SAFETY: the caller's arguments.
    let block = unsafe { this.regrow(block, size, align, new_size) };
    if !block.is_null() {
        local.look();
    }
    block
}

impl<B: Backend> Allocator<B> {
    /// Resizes a block of any regime, and books it.
    #[inline(always)]
    unsafe fn regrow(&self, block: *mut u8, size: usize, align: usize, new_size: usize) -> *mut u8 {
        // SAFETY: the first came out of a `Layout`, the caller vouches for the new
        // size.
        let (old, new) = unsafe {
            (
                Layout::from_size_align_unchecked(size, align),
                Layout::from_size_align_unchecked(new_size, align),
            )
        };
        let from = Regime::of(old);
        // SAFETY: for all three, the caller's block, its regime as computed.
        let (owner, placed) = unsafe {
            match from {
                Regime::Header if layout::has_header(block) => self.regrow_header(block, old, new),
                Regime::Tiny => self.regrow_tiny(block, old, new),
                Regime::Word | Regime::Header | Regime::Map => {
                    self.regrow_plain(block, old, new, from)
                }
            }
        };
        if placed.block.is_null() {
            return refused();
        }
        // The new block first, then the old: live is never below the truth.
        let local = local();
        book_alloc(local, placed.owner, new_size);
        book_free(local, owner, size);
        placed.block
    }

    /// A tagged block of the header regime.
    #[inline(always)]
    unsafe fn regrow_header(&self, block: *mut u8, old: Layout, new: Layout) -> (u32, Placed) {
        // SAFETY: the block has a header (caller).
        let base = unsafe { layout::header_base(block) };
        // SAFETY: as above.
        let owner = unsafe { layout::read_header(base) };
        if Regime::of(new) != Regime::Header {
            // SAFETY: the caller's block.
            return (owner, unsafe { self.relocate(block, old, new, owner) });
        }
        let inner = layout::with_header(old);
        // SAFETY: the block came from the backend with this layout; the header is
        // moved with the data.
        let base = unsafe { self.backend.reallocate(base, inner, layout::with_header(new).size()) };
        if base.is_null() {
            return (owner, Placed { block: base, owner });
        }
        let header = layout::header(owner, new.size());
        // SAFETY: the block has room for its header.
        (owner, Placed { block: unsafe { layout::write_header(base, header) }, owner })
    }

    #[inline(never)]
    unsafe fn regrow_tiny(&self, block: *mut u8, old: Layout, new: Layout) -> (u32, Placed) {
        // SAFETY: a live tiny block has its owner behind its data.
        let owner = offset(unsafe { layout::tiny_owner(block).read() });
        if Regime::of(new) == Regime::Tiny {
            // All tiny blocks are of one size.
            return (owner, Placed { block, owner });
        }
        // SAFETY: the caller's block.
        (owner, unsafe { self.relocate(block, old, new, owner) })
    }

    /// A block without a record of its own: untagged, or tagged in the map.
    #[inline(always)]
    unsafe fn regrow_plain(
        &self,
        block: *mut u8,
        old: Layout,
        new: Layout,
        from: Regime,
    ) -> (u32, Placed) {
        let owner = if from == Regime::Header { 0 } else { take_from_map(block, old.size()) };
        let to = Regime::of(new);
        if owner != 0 && from == Regime::Word && to == Regime::Word {
            // All tagged words are of one size.
            record_in_map(block, new.size(), owner);
            return (owner, Placed { block, owner });
        }
        let stays = match to {
            Regime::Tiny => false,
            Regime::Word | Regime::Header => owner == 0 && same_alignment::<B>(old, new),
            Regime::Map => (owner == 0 || from == Regime::Map) && same_alignment::<B>(old, new),
        };
        if !stays {
            // SAFETY: the caller's block.
            let placed = unsafe { self.relocate(block, old, new, owner) };
            if placed.block.is_null() {
                record_in_map(block, old.size(), owner);
            }
            return (owner, placed);
        }
        let inner = layout::plain::<B>(old);
        // SAFETY: the block came from the backend with this layout.
        let moved =
            unsafe { self.backend.reallocate(block, inner, layout::plain::<B>(new).size()) };
        if moved.is_null() {
            // The old block lives on, with its owner.
            record_in_map(block, old.size(), owner);
            return (owner, Placed { block: moved, owner });
        }
        let booked = record_in_map(moved, new.size(), owner);
        (owner, Placed { block: moved, owner: booked })
    }

    /// Allocates anew, copies, frees the old block; the owner stays.
    #[inline(never)]
    unsafe fn relocate(&self, block: *mut u8, old: Layout, new: Layout, owner: u32) -> Placed {
        // SAFETY: the new size is not 0 (caller of realloc).
        let placed = unsafe { self.place(new, owner, false) };
        if placed.block.is_null() {
            return placed;
        }
        let bytes = old.size().min(new.size());
        // SAFETY: both blocks are live, at least this long, and do not overlap.
        unsafe { core::ptr::copy_nonoverlapping(block, placed.block, bytes) };
        let (base, inner) = match Regime::of(old) {
            Regime::Tiny => (block, TINY),
            Regime::Header if layout::has_header(block) => {
                // SAFETY: the block has a header.
                (unsafe { layout::header_base(block) }, layout::with_header(old))
            }
            Regime::Word => (block, word::<B>(old, owner)),
            Regime::Header | Regime::Map => (block, layout::plain::<B>(old)),
        };
        // SAFETY: the old block came from the backend with this layout, and its
        // owner is already out of the map.
        unsafe { self.backend.free(base, inner) };
        placed
    }
}

/// Whether the backend was, and will be, asked for the same alignment.
#[inline(always)]
const fn same_alignment<B: Backend>(old: Layout, new: Layout) -> bool {
    layout::plain::<B>(old).align() == layout::plain::<B>(new).align()
}
