//! Any other allocator, behind the [`Backend`] trait.

use core::alloc::{GlobalAlloc, Layout};

use crate::{Backend, Capabilities, PurgeError, Statistics};

/// A backend made from any [`GlobalAlloc`], about which nothing more is known.
///
/// Memory is served; statistics, size classes and purging are not, because
/// `GlobalAlloc` does not offer them.
///
/// The wrapped allocator must not call the registered global allocator: below
/// heapledger that call would come back to it without end.
///
/// # Examples
///
/// ```
/// use heapledger_alloc_sys::{Backend, Wrapped};
/// use std::alloc::System;
///
/// static BACKEND: Wrapped<System> = Wrapped::new(System);
///
/// # fn name_of<B: Backend>(_: &B) -> &'static str { B::NAME }
/// assert_eq!(name_of(&BACKEND), "wrapped");
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Wrapped<A> {
    inner: A,
}

impl<A: GlobalAlloc> Wrapped<A> {
    /// Wraps an allocator.
    pub const fn new(inner: A) -> Self {
        Self { inner }
    }

    /// The wrapped allocator.
    pub const fn inner(&self) -> &A {
        &self.inner
    }
}

// SAFETY: `GlobalAlloc` promises its implementor's callers what the trait asks:
// a block that fits the layout or null, a null that changes nothing, no unwinding.
// `ALIGNS_TO_16` is not promised.
unsafe impl<A: GlobalAlloc + Send + Sync + 'static> Backend for Wrapped<A> {
    const ALIGNS_TO_16: bool = false;
    const NAME: &'static str = "wrapped";

    #[inline(always)]
    unsafe fn allocate(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the size is not 0 (caller).
        unsafe { self.inner.alloc(layout) }
    }

    #[inline(always)]
    unsafe fn allocate_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the size is not 0 (caller).
        unsafe { self.inner.alloc_zeroed(layout) }
    }

    #[inline(always)]
    unsafe fn reallocate(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: a live block of this allocator and layout, a valid size (caller).
        unsafe { self.inner.realloc(block, layout, new_size) }
    }

    #[inline(always)]
    unsafe fn free(&self, block: *mut u8, layout: Layout) {
        // SAFETY: a live block of this allocator and layout (caller).
        unsafe { self.inner.dealloc(block, layout) }
    }

    unsafe fn usable_size(&self, _block: *const u8, _layout: Layout) -> Option<usize> {
        None
    }

    fn size_class(_layout: Layout) -> Option<usize> {
        None
    }

    fn version() -> Option<&'static str> {
        None
    }

    fn statistics() -> Statistics {
        Statistics::default()
    }

    fn thread_allocated_bytes() -> Option<u64> {
        None
    }

    fn purge() -> Result<(), PurgeError> {
        Err(PurgeError::Unsupported)
    }

    fn capabilities() -> Capabilities {
        Capabilities::default()
    }
}
