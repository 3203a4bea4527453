//! Freeing off the first path: in scopes, tiny and over-aligned layouts, threads
//! without a shard.

use core::hint;

use heapledger_alloc_sys::Backend;

use crate::ledger::tag_map::{self, Granule, LARGE_MIN};

use super::Allocator;
use super::booking::{book_free, layout, offset, take_from_map, word};
use super::layout::{self, Regime, TINY};
use super::local::local;

/// `dealloc` for over-aligned blocks.
#[inline(never)]
pub(super) unsafe fn dealloc_aligned<B: Backend>(
    block: *mut u8,
    size: usize,
    align: usize,
    this: &Allocator<B>,
) {
    // SAFETY: the caller's block and layout, over-aligned.
    unsafe {
        hint::assert_unchecked(align > layout::PLAIN_ALIGN_MAX);
        dealloc_in_map(block, size, align, this)
    }
}

/// `dealloc` for tiny blocks, words and large blocks that are not over-aligned.
#[inline(never)]
pub(super) unsafe fn dealloc_odd<B: Backend>(
    block: *mut u8,
    size: usize,
    align: usize,
    this: &Allocator<B>,
) {
    // SAFETY: the caller's block and layout; a live tiny block has its owner
    // behind its data, and came from the backend as TINY.
    unsafe {
        hint::assert_unchecked(align <= layout::PLAIN_ALIGN_MAX);
        if size >= LARGE_MIN {
            return dealloc_in_map(block, size, align, this);
        }
        if size > layout::TINY_MAX {
            return dealloc_word(block, size, align, this);
        }
        let Some(shard) = local().shard() else {
            return dealloc_slow(block, size, align, this);
        };
        let owner = offset(layout::tiny_owner(block).read());
        shard.cell_at(owner).book_free(size as u64);
        this.backend.free(block, TINY);
    }
}

/// `dealloc` for words.
#[inline(never)]
unsafe fn dealloc_word<B: Backend>(block: *mut u8, size: usize, align: usize, this: &Allocator<B>) {
    let Some(shard) = local().shard() else {
        // SAFETY: the caller's block and layout.
        return unsafe { dealloc_slow(block, size, align, this) };
    };
    let owner = take_from_map(block, size);
    // SAFETY: owners are offsets; the owner tells which layout the block came from
    // the backend with.
    unsafe {
        shard.cell_at(owner).book_free(size as u64);
        this.backend.free(block, word::<B>(layout(size, align), owner));
    }
}

/// `dealloc` for small blocks whose owner, if there is one, is in the map.
#[inline(never)]
pub(super) unsafe fn dealloc_small<B: Backend>(
    block: *mut u8,
    size: usize,
    align: usize,
    this: &Allocator<B>,
) {
    // SAFETY: the caller's block and layout, small.
    unsafe {
        hint::assert_unchecked(align <= layout::PLAIN_ALIGN_MAX && layout::is_small(size));
        dealloc_in_map(block, size, align, this)
    }
}

/// `dealloc` for blocks whose owner, if there is one, is kept in the map.
#[inline(always)]
unsafe fn dealloc_in_map<B: Backend>(
    block: *mut u8,
    size: usize,
    align: usize,
    this: &Allocator<B>,
) {
    // SAFETY: the caller's block and layout; owners are offsets; the block came
    // from the backend as a plain one.
    unsafe {
        let Some(shard) = local().shard() else {
            return dealloc_slow(block, size, align, this);
        };
        let Some(owner) = tag_map::take_narrow(block, Granule::of(size)) else {
            return dealloc_wide(block, size, align, this);
        };
        shard.cell_at(offset(owner)).book_free(size as u64);
        this.backend.free(block, layout::plain::<B>(layout(size, align)));
    }
}

/// The end of `dealloc_in_map` for owners that do not fit into a byte.
#[cold]
#[inline(never)]
unsafe fn dealloc_wide<B: Backend>(block: *mut u8, size: usize, align: usize, this: &Allocator<B>) {
    book_free(local(), offset(tag_map::wide_owner(block, Granule::of(size))), size);
    // SAFETY: the caller's block and layout; it came from the backend as a plain
    // one.
    unsafe { this.backend.free(block, layout::plain::<B>(layout(size, align))) };
}

/// `dealloc` in every regime for a thread without a shard.
#[cold]
#[inline(never)]
pub(super) unsafe fn dealloc_slow<B: Backend>(
    block: *mut u8,
    size: usize,
    align: usize,
    this: &Allocator<B>,
) {
    let outer = layout(size, align);
    // SAFETY: regime and address tell where the owner is and which layout the
    // block has with the backend.
    unsafe {
        let (owner, base, inner) = match Regime::of(outer) {
            Regime::Tiny => (offset(layout::tiny_owner(block).read()), block, TINY),
            Regime::Header if layout::has_header(block) => {
                let base = layout::header_base(block);
                (layout::read_header(base), base, layout::with_header(outer))
            }
            Regime::Header => (0, block, layout::plain::<B>(outer)),
            Regime::Word => {
                let owner = take_from_map(block, size);
                (owner, block, word::<B>(outer, owner))
            }
            Regime::Map => (take_from_map(block, size), block, layout::plain::<B>(outer)),
        };
        book_free(local(), owner, size);
        this.backend.free(base, inner);
    }
}
