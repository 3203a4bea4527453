//! What a malloc other than glibc's tells: the size of a block, at most.

use crate::{Capabilities, PurgeError, Statistics};

#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
pub(super) unsafe fn usable_size(block: *const u8) -> Option<usize> {
    // SAFETY: a live block of malloc (caller).
    Some(unsafe { libc::malloc_usable_size(block.cast_mut().cast()) })
}

#[cfg(target_vendor = "apple")]
pub(super) unsafe fn usable_size(block: *const u8) -> Option<usize> {
    // SAFETY: a live block of malloc (caller).
    Some(unsafe { libc::malloc_size(block.cast()) })
}

#[cfg(not(any(
    target_os = "linux",
    target_os = "android",
    target_os = "freebsd",
    target_vendor = "apple"
)))]
pub(super) unsafe fn usable_size(_block: *const u8) -> Option<usize> {
    None
}

pub(super) fn version() -> Option<&'static str> {
    None
}

pub(super) fn statistics() -> Statistics {
    Statistics::default()
}

pub(super) fn purge() -> Result<(), PurgeError> {
    Err(PurgeError::Unsupported)
}

pub(super) fn capabilities() -> Capabilities {
    Capabilities {
        usable_size: cfg!(any(
            target_os = "linux",
            target_os = "android",
            target_os = "freebsd",
            target_vendor = "apple"
        )),
        ..Capabilities::default()
    }
}
