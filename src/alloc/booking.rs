//! What a call comes to in the ledger: booked, recorded in the map, refused.

use core::alloc::Layout;

use heapledger_alloc_sys::Backend;

use crate::ledger::cell::CELL_BYTES;
use crate::ledger::fault::FAULTS;
use crate::ledger::registry::SHARED;
use crate::ledger::tag_map::{self, Granule};

use super::layout::{self, TAGGED_WORD};
use super::local::{Local, local};

/// The offset of a tag's cell, from its id.
#[inline(always)]
pub(super) fn offset(id: u16) -> u32 {
    u32::from(id).wrapping_mul(CELL_BYTES)
}

/// The id of a tag, from the offset of its cell.
#[inline(always)]
pub(super) fn id(offset: u32) -> u16 {
    (offset / CELL_BYTES) as u16
}

#[inline(always)]
pub(super) fn layout(size: usize, align: usize) -> Layout {
    // SAFETY: both came out of a `Layout`.
    unsafe { Layout::from_size_align_unchecked(size, align) }
}

/// The backend had no memory: nothing was booked, the caller gets its null.
#[cold]
#[inline(never)]
pub(super) fn refused() -> *mut u8 {
    FAULTS.failed_requests.raise();
    core::ptr::null_mut()
}

/// A test has this request fail: nothing was booked, the caller gets its null.
#[cold]
#[inline(never)]
pub(super) fn injected() -> *mut u8 {
    FAULTS.injected_failures.raise();
    core::ptr::null_mut()
}

/// The backend had no memory for a block that was booked before, under the
/// current tag.
#[cold]
#[inline(never)]
pub(super) fn take_back(size: usize) -> *mut u8 {
    let local = local();
    if let Some(shard) = local.shard() {
        // SAFETY: tags are offsets.
        unsafe { shard.cell_at(local.tag()) }.take_back_alloc(size as u64);
    }
    refused()
}

/// Records an owner in the map; returns the owner to book to, which is nobody if
/// the map could not take it.
#[inline(always)]
pub(super) fn record_in_map(block: *mut u8, size: usize, owner: u32) -> u32 {
    if owner == 0 || block.is_null() || tag_map::put(block, Granule::of(size), id(owner)) {
        return owner;
    }
    FAULTS.blocks_without_owner.raise();
    0
}

/// Takes an owner out of the map.
#[inline(always)]
pub(super) fn take_from_map(block: *mut u8, size: usize) -> u32 {
    offset(tag_map::take(block, Granule::of(size)))
}

/// The layout a word came from the backend with.
#[inline(always)]
pub(super) fn word<B: Backend>(outer: Layout, owner: u32) -> Layout {
    if owner == 0 { layout::plain::<B>(outer) } else { TAGGED_WORD }
}

/// Books a block, in the thread's shard or in the shared one.
#[inline(always)]
pub(super) fn book_alloc(local: &Local, owner: u32, bytes: usize) {
    match local.shard() {
        // SAFETY: owners are offsets.
        Some(shard) => unsafe { shard.cell_at(owner) }.book_alloc(bytes as u64),
        None => book_alloc_unregistered(local, owner, bytes),
    }
}

/// Books a freed block, in the thread's shard or in the shared one.
#[inline(always)]
pub(super) fn book_free(local: &Local, owner: u32, bytes: usize) {
    match local.shard() {
        // SAFETY: owners are offsets.
        Some(shard) => unsafe { shard.cell_at(owner) }.book_free(bytes as u64),
        None => book_free_unregistered(local, owner, bytes),
    }
}

#[cold]
#[inline(never)]
fn book_alloc_unregistered(local: &Local, owner: u32, bytes: usize) {
    match local.register() {
        // SAFETY: owners are offsets.
        Some(shard) => unsafe { shard.cell_at(owner) }.book_alloc(bytes as u64),
        // SAFETY: as above.
        None => unsafe { SHARED.cell_at(owner) }.book_alloc_shared(bytes as u64),
    }
}

#[cold]
#[inline(never)]
fn book_free_unregistered(local: &Local, owner: u32, bytes: usize) {
    match local.register() {
        // SAFETY: owners are offsets.
        Some(shard) => unsafe { shard.cell_at(owner) }.book_free(bytes as u64),
        // SAFETY: as above.
        None => unsafe { SHARED.cell_at(owner) }.book_free_shared(bytes as u64),
    }
}
