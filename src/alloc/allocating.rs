//! Allocating off the first path: inside scopes, tiny and over-aligned layouts,
//! threads without a shard.

use core::alloc::Layout;
use core::hint;

use heapledger_alloc_sys::Backend;

use crate::ledger::fault::FAULTS;
use crate::ledger::shard::Shard;
use crate::ledger::tag_map::{self, Granule, LARGE_MIN};

use super::booking::{book_alloc, id, injected, layout, record_in_map, refused, take_back};
use super::layout::{self, Regime, TAGGED_WORD, TINY};
use super::local::local;
use super::{Allocator, install, unwinding};

/// What `place` did: a block, and the owner it is booked to.
pub(super) struct Placed {
    pub(super) block: *mut u8,
    pub(super) owner: u32,
}

/// The end of `alloc` outside scopes, for a backend without fields.
#[inline(never)]
pub(super) unsafe fn alloc_untagged<B: Backend>(
    size: usize,
    align: usize,
    shard: &'static Shard,
) -> *mut u8 {
    debug_assert!(size_of::<Allocator<B>>() == 0);
    // SAFETY: a value without bytes (caller) can be at any address, and there is
    // one of this type: the caller's.
    let this = unsafe { core::ptr::NonNull::<Allocator<B>>::dangling().as_ref() };
    // SAFETY: the caller's layout, not over-aligned.
    unsafe {
        hint::assert_unchecked(align <= layout::PLAIN_ALIGN_MAX);
        this.alloc_untagged(layout(size, align), shard)
    }
}

/// `alloc` for over-aligned layouts.
#[inline(never)]
pub(super) unsafe fn alloc_aligned<B: Backend>(
    size: usize,
    align: usize,
    this: &Allocator<B>,
) -> *mut u8 {
    let local = local();
    if local.tag() != 0 {
        // SAFETY: the caller's layout.
        return unsafe { alloc_aligned_scoped(size, align, this) };
    }
    if local.spend(size).is_err() {
        // SAFETY: the caller's layout.
        return unsafe { this.alloc_slow(layout(size, align), false) };
    }
    // SAFETY: the tank was not empty, so there is a shard; the size is not 0.
    unsafe {
        local.own_shard().cell(0).book_alloc(size as u64);
        let block = this.backend.allocate(layout::plain::<B>(layout(size, align)));
        if block.is_null() {
            return take_back(size);
        }
        block
    }
}

/// `alloc` inside a scope for over-aligned layouts.
#[inline(never)]
unsafe fn alloc_aligned_scoped<B: Backend>(
    size: usize,
    align: usize,
    this: &Allocator<B>,
) -> *mut u8 {
    // SAFETY: the caller's layout, over-aligned.
    unsafe {
        hint::assert_unchecked(align > layout::PLAIN_ALIGN_MAX);
        alloc_in_map(size, align, this)
    }
}

/// `alloc` for tiny layouts.
#[inline(never)]
pub(super) unsafe fn alloc_tiny<B: Backend>(
    size: usize,
    align: usize,
    this: &Allocator<B>,
) -> *mut u8 {
    let local = local();
    if local.spend(size).is_err() {
        // SAFETY: the caller's layout.
        return unsafe { this.alloc_slow(layout(size, align), false) };
    }
    // SAFETY: the tank was not empty, so there is a shard; the tag is an offset;
    // the block is allocated as TINY.
    unsafe {
        local.own_shard().cell_at(local.tag()).book_alloc(size as u64);
        let block = this.backend.allocate(TINY);
        if block.is_null() {
            return take_back(size);
        }
        layout::tiny_owner(block).write(local.tag_id());
        block
    }
}

/// `alloc` for layouts that are neither, once the fuel is out: inside a scope,
/// always.
#[inline(never)]
pub(super) unsafe fn alloc_scoped<B: Backend>(
    size: usize,
    align: usize,
    this: &Allocator<B>,
) -> *mut u8 {
    let local = local();
    let tag = local.tag();
    if tag == 0 {
        // SAFETY: the caller's layout.
        return unsafe { this.alloc_slow(layout(size, align), false) };
    }
    if !layout::is_small(size) {
        // SAFETY: the caller's layout.
        return unsafe { alloc_scoped_odd(size, align, this) };
    }
    if !layout::small_has_header(size) {
        // SAFETY: the caller's layout.
        return unsafe { alloc_scoped_small(size, align, this) };
    }
    if unwinding::may_be_exception(size) {
        // SAFETY: the caller's layout.
        return unsafe { alloc_untagged_for_once(size, align, this) };
    }
    if local.spend(size).is_err() {
        // SAFETY: the caller's layout.
        return unsafe { this.alloc_slow(layout(size, align), false) };
    }
    // SAFETY: the tank was not empty, so there is a shard; the tag is an offset;
    // the size is not 0, and the block is allocated with room for the header.
    unsafe {
        local.own_shard().cell_at(tag).book_alloc(size as u64);
        let header = layout::header(tag, size);
        let base = this.backend.allocate(layout::with_header(layout(size, align)));
        if base.is_null() {
            return take_back(layout::size_of_header(header));
        }
        layout::write_header(base, header)
    }
}

/// `alloc` inside a scope for a block that must be nobody's.
#[cold]
#[inline(never)]
unsafe fn alloc_untagged_for_once<B: Backend>(
    size: usize,
    align: usize,
    this: &Allocator<B>,
) -> *mut u8 {
    let local = local();
    let saved = local.enter(0);
    // SAFETY: the caller's layout.
    let block = unsafe { this.alloc_slow(layout(size, align), false) };
    local.leave(saved);
    block
}

/// `alloc` inside a scope for small blocks whose owner is kept in the map.
#[inline(never)]
unsafe fn alloc_scoped_small<B: Backend>(
    size: usize,
    align: usize,
    this: &Allocator<B>,
) -> *mut u8 {
    // SAFETY: the caller's layout, not over-aligned, small.
    unsafe {
        hint::assert_unchecked(align <= layout::PLAIN_ALIGN_MAX && layout::is_small(size));
        alloc_in_map(size, align, this)
    }
}

/// `alloc` inside a scope for words and for large blocks.
#[inline(never)]
unsafe fn alloc_scoped_odd<B: Backend>(size: usize, align: usize, this: &Allocator<B>) -> *mut u8 {
    // Inside a scope the fuel sinks below zero by what is asked for; it is
    // brought back where a request can be so large that it wraps.
    local().keep_fuel_empty();
    // SAFETY: the caller's layout, not over-aligned.
    unsafe {
        hint::assert_unchecked(align <= layout::PLAIN_ALIGN_MAX);
        if size < LARGE_MIN {
            return this.alloc_recorded(layout(size, align), false);
        }
        alloc_in_map(size, align, this)
    }
}

/// `alloc` inside a scope for blocks of the map regime.
#[inline(always)]
unsafe fn alloc_in_map<B: Backend>(size: usize, align: usize, this: &Allocator<B>) -> *mut u8 {
    let local = local();
    if local.spend(size).is_err() {
        // SAFETY: the caller's layout.
        return unsafe { this.alloc_slow(layout(size, align), false) };
    }
    // SAFETY: the tank was not empty, so there is a shard; the tag is an offset;
    // the size is not 0.
    unsafe {
        local.own_shard().cell_at(local.tag()).book_alloc(size as u64);
        let block = this.backend.allocate(layout::plain::<B>(layout(size, align)));
        if block.is_null() {
            return take_back(size);
        }
        // Of its own, so that here only the size is saved over the call.
        if size < LARGE_MIN {
            record_small::<B>(block, size)
        } else {
            record_large::<B>(block, size)
        }
    }
}

/// Records the current tag for a block of less than 512 bytes.
///
/// Generic so that it is compiled into the program's crate, where the thread-local
/// is an offset and not a call.
#[allow(clippy::extra_unused_type_parameters)]
#[inline(never)]
fn record_small<B: Backend>(block: *mut u8, size: usize) -> *mut u8 {
    if tag_map::put_where_mapped(block, Granule::Small, local().tag_id()) {
        return block;
    }
    record_slow(block, size)
}

/// Records the current tag for a block of 512 bytes and more.
#[allow(clippy::extra_unused_type_parameters)]
#[inline(never)]
fn record_large<B: Backend>(block: *mut u8, size: usize) -> *mut u8 {
    if tag_map::put_where_mapped(block, Granule::Large, local().tag_id()) {
        return block;
    }
    record_slow(block, size)
}

/// Records the current tag where the map has no leaf yet, or books the block to
/// nobody if there is no memory for one.
#[cold]
#[inline(never)]
fn record_slow(block: *mut u8, size: usize) -> *mut u8 {
    let local = local();
    let tag = local.tag();
    if !tag_map::put(block, Granule::of(size), id(tag)) {
        FAULTS.blocks_without_owner.raise();
        if let Some(shard) = local.shard() {
            // SAFETY: tags are offsets.
            unsafe { shard.cell_at(tag) }.take_back_alloc(size as u64);
            shard.cell(0).book_alloc(size as u64);
        }
    }
    // Callers that knew they get their own block back would save it over the call
    // instead of ending with it.
    hint::black_box(block)
}

/// `alloc_zeroed` for every layout.
#[inline(never)]
pub(super) unsafe fn alloc_zeroed<B: Backend>(
    size: usize,
    align: usize,
    this: &Allocator<B>,
) -> *mut u8 {
    // SAFETY: the caller's layout.
    unsafe { this.alloc_recorded(layout(size, align), true) }
}

impl<B: Backend> Allocator<B> {
    /// The end of `alloc` outside scopes.
    #[inline(always)]
    pub(super) unsafe fn alloc_untagged(&self, layout: Layout, shard: &Shard) -> *mut u8 {
        // Booked before the call, so that nothing but the size has to survive it;
        // until the call returns, the block is in flight.
        shard.cell(0).book_alloc(layout.size() as u64);
        // SAFETY: the size is not 0.
        let block = unsafe { self.backend.allocate(layout::plain::<B>(layout)) };
        if block.is_null() {
            return take_back(layout.size());
        }
        block
    }

    /// Allocates in any regime, spending from the tank.
    #[inline(always)]
    unsafe fn alloc_recorded(&self, layout: Layout, zeroed: bool) -> *mut u8 {
        let local = local();
        if local.spend(layout.size()).is_err() {
            // SAFETY: the caller's layout.
            return unsafe { self.alloc_slow(layout, zeroed) };
        }
        // SAFETY: the caller's layout.
        let placed = unsafe { self.place(layout, local.tag(), zeroed) };
        if placed.block.is_null() {
            return refused();
        }
        // SAFETY: the tank was not empty, so there is a shard; owners are offsets.
        unsafe { local.own_shard().cell_at(placed.owner) }.book_alloc(layout.size() as u64);
        placed.block
    }

    /// Allocates once a meter ran out: gives the thread a shard if it has none
    /// yet, and looks at the peaks after the block is booked.
    #[cold]
    #[inline(never)]
    unsafe fn alloc_slow(&self, layout: Layout, zeroed: bool) -> *mut u8 {
        install::note::<B>();
        let local = local();
        let looks = !local.spend_observed(layout.size());
        if looks {
            local.register();
            if local.observer().refuses() {
                return injected();
            }
        }
        // SAFETY: the caller's layout.
        let placed = unsafe { self.place(layout, local.tag(), zeroed) };
        if placed.block.is_null() {
            return refused();
        }
        book_alloc(local, placed.owner, layout.size());
        if looks {
            local.look();
        }
        placed.block
    }

    /// Gets a block from the backend and records its owner.
    #[inline(always)]
    pub(super) unsafe fn place(&self, layout: Layout, owner: u32, zeroed: bool) -> Placed {
        let get = |layout| {
            // SAFETY: the size is not 0 (caller).
            unsafe {
                if zeroed {
                    self.backend.allocate_zeroed(layout)
                } else {
                    self.backend.allocate(layout)
                }
            }
        };
        match Regime::of(layout) {
            Regime::Tiny => {
                let block = get(TINY);
                if !block.is_null() {
                    // SAFETY: allocated with TINY.
                    unsafe { layout::tiny_owner(block).write(id(owner)) };
                }
                Placed { block, owner }
            }
            Regime::Header if owner != 0 => {
                let base = get(layout::with_header(layout));
                if base.is_null() {
                    return Placed { block: base, owner };
                }
                let header = layout::header(owner, layout.size());
                // SAFETY: allocated with room for the header.
                Placed { block: unsafe { layout::write_header(base, header) }, owner }
            }
            Regime::Word if owner != 0 => {
                let block = get(TAGGED_WORD);
                if block.is_null() || tag_map::put(block, Granule::of(layout.size()), id(owner)) {
                    return Placed { block, owner };
                }
                // Nobody's, so it must be as an untagged one.
                // SAFETY: the backend's, with this layout.
                unsafe { self.backend.free(block, TAGGED_WORD) };
                let block = get(layout::plain::<B>(layout));
                if !block.is_null() {
                    FAULTS.blocks_without_owner.raise();
                }
                Placed { block, owner: 0 }
            }
            Regime::Word | Regime::Header => {
                Placed { block: get(layout::plain::<B>(layout)), owner }
            }
            Regime::Map => {
                let block = get(layout::plain::<B>(layout));
                Placed { block, owner: record_in_map(block, layout.size(), owner) }
            }
        }
    }
}
