//! Makes the C names of the allocator mean jemalloc, so that Rust's `System` is it.
//!
//! For peers that can wrap `System` only. One jump more than bare jemalloc, and
//! `free` where `sdallocx` would know the size: so they are measured against
//! `bare_system`, which is `System` over the same names.

use std::ffi::{c_int, c_void};

use tikv_jemalloc_sys as jemalloc;

/// # Safety
///
/// As in C.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn malloc(size: usize) -> *mut c_void {
    // SAFETY: the caller's promises, passed on.
    unsafe { jemalloc::malloc(size) }
}

/// # Safety
///
/// As in C.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn calloc(count: usize, size: usize) -> *mut c_void {
    // SAFETY: the caller's promises, passed on.
    unsafe { jemalloc::calloc(count, size) }
}

/// # Safety
///
/// As in C.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realloc(block: *mut c_void, size: usize) -> *mut c_void {
    // SAFETY: the caller's promises, passed on.
    unsafe { jemalloc::realloc(block, size) }
}

/// # Safety
///
/// As in C.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn free(block: *mut c_void) {
    // SAFETY: the caller's promises, passed on.
    unsafe { jemalloc::free(block) }
}

/// # Safety
///
/// As in C.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn posix_memalign(
    block: *mut *mut c_void,
    align: usize,
    size: usize,
) -> c_int {
    // SAFETY: the caller's promises, passed on.
    unsafe { jemalloc::posix_memalign(block, align, size) }
}

/// # Safety
///
/// As in C.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aligned_alloc(align: usize, size: usize) -> *mut c_void {
    // SAFETY: the caller's promises, passed on.
    unsafe { jemalloc::aligned_alloc(align, size) }
}

/// # Safety
///
/// As in C.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn malloc_usable_size(block: *const c_void) -> usize {
    // SAFETY: the caller's promises, passed on.
    unsafe { jemalloc::malloc_usable_size(block) }
}
