//! What glibc tells about its malloc.

use core::ffi::{CStr, c_int, c_void};
use core::mem::{MaybeUninit, transmute};
use core::ptr;

use crate::{Capabilities, PurgeError, Statistics};

/// `mallinfo2`, which exists since glibc 2.33. The older `mallinfo` counts in
/// 32 bits: past 2 GiB what it tells is not true.
type Mallinfo2 = unsafe extern "C" fn() -> libc::mallinfo2;

/// The function of this name that the process calls; null if there is none.
fn resolved(name: &CStr) -> *mut c_void {
    // SAFETY: the name is a C string.
    unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) }
}

/// The load address of the object that holds a function; null if unknown.
fn object_of(function: *const c_void) -> *const c_void {
    let mut info = MaybeUninit::<libc::Dl_info>::uninit();
    // SAFETY: any address may be asked for; `info` is valid for a write.
    if function.is_null() || unsafe { libc::dladdr(function, info.as_mut_ptr()) } == 0 {
        return ptr::null();
    }
    // SAFETY: dladdr has returned success, and so has filled it.
    unsafe { info.assume_init() }.dli_fbase
}

/// True if nothing stands in for glibc's malloc: the malloc that the process
/// calls lies in the same object as a function that only glibc has.
fn malloc_is_glibc() -> bool {
    let malloc = object_of(resolved(c"malloc"));
    !malloc.is_null() && malloc == object_of(resolved(c"gnu_get_libc_version"))
}

fn mallinfo2() -> Option<Mallinfo2> {
    let function = resolved(c"mallinfo2");
    if function.is_null() || !malloc_is_glibc() {
        return None;
    }
    // SAFETY: glibc's function of this name has this type.
    Some(unsafe { transmute::<*mut c_void, Mallinfo2>(function) })
}

pub(super) unsafe fn usable_size(block: *const u8) -> Option<usize> {
    // SAFETY: a live block of malloc (caller).
    Some(unsafe { libc::malloc_usable_size(block.cast_mut().cast()) })
}

pub(super) fn version() -> Option<&'static str> {
    if !malloc_is_glibc() {
        return None;
    }
    // SAFETY: the function has no precondition and returns a static C string.
    unsafe { CStr::from_ptr(libc::gnu_get_libc_version()) }.to_str().ok()
}

/// Takes the lock of every arena in turn and walks its free chunks.
pub(super) fn statistics() -> Statistics {
    let Some(mallinfo2) = mallinfo2() else {
        return Statistics::default();
    };
    // SAFETY: the function has no precondition.
    let info = unsafe { mallinfo2() };
    // `arena` is what the arenas have got from the system and `uordblks` the part
    // of it in chunks handed out; chunks with a mapping of their own (`hblkhd`)
    // are in neither.
    let bytes = |in_arenas: usize| in_arenas.checked_add(info.hblkhd).map(|sum| sum as u64);
    Statistics {
        allocated_bytes: bytes(info.uordblks),
        mapped_bytes: bytes(info.arena),
        ..Statistics::default()
    }
}

pub(super) fn purge() -> Result<(), PurgeError> {
    if !malloc_is_glibc() {
        return Err(PurgeError::Unsupported);
    }
    // It returns whether there was something to give back: both are success.
    // SAFETY: the function has no precondition.
    let _: c_int = unsafe { libc::malloc_trim(0) };
    Ok(())
}

pub(super) fn capabilities() -> Capabilities {
    Capabilities {
        statistics: mallinfo2().is_some(),
        purge: malloc_is_glibc(),
        thread_allocated: false,
        usable_size: true,
    }
}
