//! The platform's own malloc, through [`std::alloc::System`].

use core::alloc::{GlobalAlloc, Layout};
use std::alloc::System;

use crate::{Backend, Capabilities, PurgeError, Statistics};

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[path = "system/glibc.rs"]
mod platform;
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
#[path = "system/other.rs"]
mod platform;

/// The platform's own malloc, whatever it is.
///
/// What it tells depends on the platform. glibc tells `allocated_bytes` and
/// `mapped_bytes`, purges by `malloc_trim`, knows the size of a block, and has a
/// version. Other platforms serve memory and, most of them, know the size of a
/// block; everything else is `None`. Nowhere are size classes known ahead.
///
/// glibc's `allocated_bytes` counts whole chunks: their headers of 8 bytes, and
/// the blocks that threads keep cached, included.
///
/// If another allocator takes the place of glibc's (`LD_PRELOAD`, a sanitizer),
/// memory comes from it, and glibc's statistics, version and purge say `None` or
/// [`PurgeError::Unsupported`], for they would speak of an allocator not in use.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemMalloc;

// SAFETY: `System` is a `GlobalAlloc`, which promises a fitting block or null, a
// null that changes nothing, no unwinding, and that it stands below the
// registered allocator. The alignment promise is argued at the constant.
unsafe impl Backend for SystemMalloc {
    /// `System` forwards a request to malloc, calloc and realloc if its alignment
    /// is at most 16 and at most its size, and to `posix_memalign` otherwise. So a
    /// block of 9 bytes or more either has the alignment of malloc's blocks, or at
    /// least the one it asked for, which is then 16 or more.
    ///
    /// malloc's own blocks are aligned to 16, whatever their size, with
    /// - glibc: `MALLOC_ALIGNMENT` is `2 * SIZE_SZ`, which is 16, or more;
    /// - musl: `UNIT` of mallocng and the chunks of its predecessor are 16 or more;
    /// - macOS: 16 is malloc's documented alignment.
    ///
    /// C itself promises 16 to requests of 16 bytes or more only. An allocator
    /// that replaces malloc must keep the rule from 9 bytes on: those with size
    /// classes do, for they serve 9 to 15 bytes from the class of 16.
    const ALIGNS_TO_16: bool = cfg!(all(
        target_pointer_width = "64",
        any(
            all(target_os = "linux", any(target_env = "gnu", target_env = "musl")),
            target_os = "macos"
        )
    ));
    const NAME: &'static str = "system";

    #[inline(always)]
    unsafe fn allocate(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the size is not 0 (caller).
        unsafe { System.alloc(layout) }
    }

    #[inline(always)]
    unsafe fn allocate_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the size is not 0 (caller).
        unsafe { System.alloc_zeroed(layout) }
    }

    #[inline(always)]
    unsafe fn reallocate(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: a live block of this layout, a valid size (caller).
        unsafe { System.realloc(block, layout, new_size) }
    }

    #[inline(always)]
    unsafe fn free(&self, block: *mut u8, layout: Layout) {
        // SAFETY: a live block of this layout (caller).
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn usable_size(&self, block: *const u8, _layout: Layout) -> Option<usize> {
        // SAFETY: a live block of malloc (caller).
        unsafe { platform::usable_size(block) }
    }

    /// None: how much malloc gives depends on what happens to be free.
    fn size_class(_layout: Layout) -> Option<usize> {
        None
    }

    fn version() -> Option<&'static str> {
        platform::version()
    }

    fn statistics() -> Statistics {
        platform::statistics()
    }

    fn thread_allocated_bytes() -> Option<u64> {
        None
    }

    fn purge() -> Result<(), PurgeError> {
        platform::purge()
    }

    fn capabilities() -> Capabilities {
        platform::capabilities()
    }
}
