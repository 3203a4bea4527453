//! Pages by `mmap`.

use core::ffi::c_void;
use core::ptr;

/// Linux: do not count the whole mapping against the commit limit; a table is
/// sparse, and what it needs is what it touches.
#[cfg(any(target_os = "linux", target_os = "android"))]
const FLAGS: libc::c_int = libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_NORESERVE;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const FLAGS: libc::c_int = libc::MAP_PRIVATE | libc::MAP_ANON;

pub(super) fn map_zeroed(bytes: usize) -> *mut u8 {
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a fresh anonymous mapping where the kernel likes; it overlaps nothing.
    let pages = unsafe { libc::mmap(ptr::null_mut(), bytes, access, FLAGS, -1, 0) };
    if pages == libc::MAP_FAILED {
        return ptr::null_mut();
    }
    #[cfg(target_os = "linux")]
    refine(pages, bytes);
    pages.cast()
}

/// Asks for small pages, so that one touched entry costs 4 KiB and not 2 MiB
/// where huge pages are on for everything; and names the mapping
/// `[anon:heapledger]`, so that the tables can be told apart in `smaps`.
///
/// A kernel without one or the other refuses, and the mapping serves as well. A
/// refusal must not show in errno, which the program may be about to read.
#[cfg(target_os = "linux")]
fn refine(pages: *mut c_void, bytes: usize) {
    // SAFETY: errno has an address on every thread.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: the address is valid, and this thread's alone.
    let saved = unsafe { *errno };
    // SAFETY: the range is the mapping just made; the advice changes no content.
    unsafe { libc::madvise(pages, bytes, libc::MADV_NOHUGEPAGE) };
    // SAFETY: the range is the mapping just made; the kernel copies the name.
    unsafe {
        libc::prctl(
            libc::PR_SET_VMA,
            libc::PR_SET_VMA_ANON_NAME as libc::c_ulong,
            pages,
            bytes,
            c"heapledger".as_ptr(),
        )
    };
    // SAFETY: the address is valid, and this thread's alone.
    unsafe { *errno = saved };
}

pub(super) unsafe fn unmap(pages: *mut u8, bytes: usize) {
    // SAFETY: exactly a mapping of `map_zeroed` that nothing uses (caller).
    unsafe { libc::munmap(pages.cast::<c_void>(), bytes) };
}

pub(super) unsafe fn discard(start: *mut u8, bytes: usize) {
    let page = page_size();
    let skipped = start.align_offset(page);
    let whole = bytes.saturating_sub(skipped) & !page.wrapping_sub(1);
    if whole > 0 {
        // SAFETY: whole pages inside the range, which nobody needs (caller). Where
        // the advice is not taken, nothing changes.
        unsafe {
            libc::madvise(start.wrapping_add(skipped).cast::<c_void>(), whole, libc::MADV_DONTNEED)
        };
    }
}

pub(super) fn page_size() -> usize {
    // SAFETY: the function has no precondition.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    // It cannot fail for this name; 4096 is the smallest page there is.
    usize::try_from(bytes).unwrap_or(4096)
}
