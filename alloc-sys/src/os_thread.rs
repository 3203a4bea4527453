//! The kernel's number for the calling thread.

/// The calling thread's id as the operating system's tools show it; 0 where
/// there is no such number. One system call, no allocation.
pub fn id() -> u64 {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: gettid takes nothing and cannot fail.
        unsafe { libc::syscall(libc::SYS_gettid) as u64 }
    }
    #[cfg(not(target_os = "linux"))]
    {
        0
    }
}
