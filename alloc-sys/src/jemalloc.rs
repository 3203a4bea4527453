//! jemalloc, through its `malloc`-like entry points.

use core::alloc::Layout;
use core::ffi::{CStr, c_char, c_int, c_void};

use tikv_jemalloc_sys as je;

use crate::{Backend, Capabilities, PurgeError, SizeClass, Statistics};

#[path = "jemalloc_size_classes.rs"]
mod size_classes;

/// jemalloc, as `tikv-jemalloc-sys` builds it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Jemalloc;

/// jemalloc's quantum: size classes above 8 bytes are multiples of it, and their
/// blocks are aligned to it. `LG_QUANTUM` is 4 on every 64-bit target; on some
/// 32-bit ones it is 3.
const QUANTUM: usize = if cfg!(target_pointer_width = "64") { 16 } else { 8 };

/// The flags that a request needs; most need none.
#[inline(always)]
fn flags(layout: Layout) -> c_int {
    // A request of 8 or less is served from the class of 8 (or a larger one),
    // which is aligned to 8.
    if layout.align() <= 8 || (layout.align() <= QUANTUM && layout.align() <= layout.size()) {
        0
    } else {
        je::MALLOCX_ALIGN(layout.align())
    }
}

/// Runs a control that takes no value and returns none; 0, or an error number.
fn run(control: &CStr) -> c_int {
    use core::ptr::null_mut;
    // SAFETY: the name is a C string; no value is passed in or out.
    unsafe { je::mallctl(control.as_ptr(), null_mut(), null_mut(), null_mut(), 0) }
}

// SAFETY: jemalloc gives what the trait asks; the alignment promise is the size
// classes', see `flags`. Its C code neither unwinds nor calls Rust.
unsafe impl Backend for Jemalloc {
    const ALIGNS_TO_16: bool = QUANTUM == 16;
    const NAME: &'static str = "jemalloc";

    #[inline(always)]
    unsafe fn allocate(&self, layout: Layout) -> *mut u8 {
        let flags = flags(layout);
        if flags == 0 {
            // SAFETY: any size may be asked of malloc.
            unsafe { je::malloc(layout.size()).cast() }
        } else {
            // SAFETY: the size is not 0 (caller), the flags hold an alignment.
            unsafe { je::mallocx(layout.size(), flags).cast() }
        }
    }

    #[inline(always)]
    unsafe fn allocate_zeroed(&self, layout: Layout) -> *mut u8 {
        let flags = flags(layout);
        if flags == 0 {
            // SAFETY: any size may be asked of calloc.
            unsafe { je::calloc(1, layout.size()).cast() }
        } else {
            // SAFETY: the size is not 0 (caller), the flags are valid.
            unsafe { je::mallocx(layout.size(), flags | je::MALLOCX_ZERO).cast() }
        }
    }

    #[inline(always)]
    unsafe fn reallocate(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: align is a power of two, new_size is in range (caller).
        let flags = flags(unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) });
        if flags == 0 {
            // SAFETY: block is a live jemalloc block (caller).
            unsafe { je::realloc(block.cast::<c_void>(), new_size).cast() }
        } else {
            // SAFETY: as above; new_size is not 0 (caller).
            unsafe { je::rallocx(block.cast::<c_void>(), new_size, flags).cast() }
        }
    }

    #[inline(always)]
    unsafe fn free(&self, block: *mut u8, layout: Layout) {
        let flags = flags(layout);
        // SAFETY: block is a live jemalloc block of this size and alignment (caller).
        unsafe { je::sdallocx(block.cast::<c_void>(), layout.size(), flags) }
    }

    unsafe fn usable_size(&self, block: *const u8, _layout: Layout) -> Option<usize> {
        // SAFETY: block is a live jemalloc block (caller).
        Some(unsafe { je::malloc_usable_size(block.cast::<c_void>()) })
    }

    fn size_class(layout: Layout) -> Option<usize> {
        if layout.size() == 0 {
            return Some(0);
        }
        // SAFETY: the size is not 0.
        match unsafe { je::nallocx(layout.size(), flags(layout)) } {
            0 => None,
            class => Some(class),
        }
    }

    fn version() -> Option<&'static str> {
        let mut version: *const c_char = core::ptr::null();
        let mut len = size_of::<*const c_char>();
        // SAFETY: "version" is read-only and writes one pointer into `version`.
        let error = unsafe {
            je::mallctl(
                c"version".as_ptr(),
                (&raw mut version).cast::<c_void>(),
                &raw mut len,
                core::ptr::null_mut(),
                0,
            )
        };
        if error != 0 || version.is_null() {
            return None;
        }
        // SAFETY: jemalloc's version is a static C string.
        unsafe { CStr::from_ptr(version) }.to_str().ok()
    }

    fn statistics() -> Statistics {
        use tikv_jemalloc_ctl::{epoch, stats};
        // Without an advanced epoch the numbers are those of an earlier read.
        if epoch::advance().is_err() {
            return Statistics::default();
        }
        let known = |read: tikv_jemalloc_ctl::Result<usize>| read.ok().map(|bytes| bytes as u64);
        Statistics {
            allocated_bytes: known(stats::allocated::read()),
            active_bytes: known(stats::active::read()),
            metadata_bytes: known(stats::metadata::read()),
            // 4096 is MALLCTL_ARENAS_ALL. SAFETY: the control tells a `size_t`.
            internal_bytes: known(unsafe {
                tikv_jemalloc_ctl::raw::read(b"stats.arenas.4096.internal\0")
            }),
            resident_bytes: known(stats::resident::read()),
            mapped_bytes: known(stats::mapped::read()),
            retained_bytes: known(stats::retained::read()),
        }
    }

    fn thread_allocated_bytes() -> Option<u64> {
        tikv_jemalloc_ctl::thread::allocatedp::read().ok().map(|counter| counter.get())
    }

    fn page_bytes() -> Option<usize> {
        // SAFETY: the control tells a `size_t`.
        unsafe { tikv_jemalloc_ctl::raw::read(b"arenas.page\0") }.ok()
    }

    fn size_classes(tell: &mut dyn FnMut(SizeClass)) -> Option<()> {
        tikv_jemalloc_ctl::epoch::advance().ok()?;
        size_classes::SMALL.tell(tell)?;
        size_classes::LARGE.tell(tell)
    }

    /// Empties the calling thread's cache, whose blocks hold pages back, and purges
    /// every arena. The caches of other threads stay.
    fn purge() -> Result<(), PurgeError> {
        // It fails if the thread has no cache: nothing to empty then.
        let _ = run(c"thread.tcache.flush");
        // 4096 is MALLCTL_ARENAS_ALL: every arena there is.
        match run(c"arena.4096.purge") {
            0 => Ok(()),
            error => Err(PurgeError::Failed(error)),
        }
    }

    fn capabilities() -> Capabilities {
        Capabilities { statistics: true, purge: true, thread_allocated: true, usable_size: true }
    }
}
