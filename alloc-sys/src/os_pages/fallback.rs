//! Pages by the system allocator, where there is no `mmap`.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr;
use std::alloc::System;

/// What the pages are aligned to.
const PAGE_BYTES: usize = 4096;

fn layout(bytes: usize) -> Option<Layout> {
    if bytes == 0 { None } else { Layout::from_size_align(bytes, PAGE_BYTES).ok() }
}

pub(super) fn map_zeroed(bytes: usize) -> *mut u8 {
    match layout(bytes) {
        // SAFETY: the size is not 0.
        Some(layout) => unsafe { System.alloc_zeroed(layout) },
        None => ptr::null_mut(),
    }
}

pub(super) unsafe fn unmap(pages: *mut u8, bytes: usize) {
    if let Some(layout) = layout(bytes) {
        // SAFETY: `map_zeroed` allocated it with this layout (caller).
        unsafe { System.dealloc(pages, layout) }
    }
}

pub(super) unsafe fn discard(_start: *mut u8, _bytes: usize) {}

pub(super) fn page_size() -> usize {
    PAGE_BYTES
}
