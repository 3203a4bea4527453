//! Zeroed pages straight from the operating system, for the ledger's tables.
//!
//! The tables cannot come from an allocator: the ledger grows them while an
//! allocation is being served. Nothing here calls the global allocator, and no
//! page is touched before its first use.

#[cfg(unix)]
#[path = "os_pages/unix.rs"]
mod platform;
#[cfg(not(unix))]
#[path = "os_pages/fallback.rs"]
mod platform;

/// Maps at least `bytes` zeroed bytes, aligned to a page; null if it cannot.
///
/// The pages take physical memory one by one, as they are touched: a sparse
/// table costs the pages it uses.
///
/// # Cost
///
/// One to three system calls.
pub fn map_zeroed(bytes: usize) -> *mut u8 {
    platform::map_zeroed(bytes)
}

/// Returns pages to the operating system.
///
/// # Safety
///
/// - `pages` is the address that [`map_zeroed`] returned for this `bytes`.
/// - Nothing refers to the pages any more.
pub unsafe fn unmap(pages: *mut u8, bytes: usize) {
    // SAFETY: the caller's promise is the callee's.
    unsafe { platform::unmap(pages, bytes) }
}

/// Gives the physical memory of whole pages back; they stay mapped and usable, and
/// hold nothing of what was in them.
///
/// For memory of any allocator, before it is freed: what is freed may stay resident
/// for a while, what was given back does not. Parts of pages at both ends stay.
///
/// # Safety
///
/// - Nothing in `start..start + bytes` is needed any more, and nobody else uses it.
pub unsafe fn discard(start: *mut u8, bytes: usize) {
    // SAFETY: the caller's promise is the callee's.
    unsafe { platform::discard(start, bytes) }
}

/// Bytes in a page of the operating system.
pub fn page_size() -> usize {
    platform::page_size()
}
