//! What the operating system says about this process.
//!
//! Ordinary world, but free of allocation: files of `/proc` are read in pieces
//! into buffers on the stack, so that a reading does not change what it reads.
//! What a system does not tell is `None`, never 0.

#[cfg(target_os = "linux")]
mod file;
#[cfg(target_os = "linux")]
#[path = "linux.rs"]
mod platform;
#[cfg(not(target_os = "linux"))]
#[path = "other.rs"]
mod platform;
#[cfg(target_os = "linux")]
pub(crate) mod smaps;

#[cfg(feature = "cache")]
pub(crate) use platform::monotonic_coarse_ns;
pub(crate) use platform::{
    available_bytes, monotonic_ns, process, resident_in, rss_bytes, uptime_ms,
};

/// The kernel's numbers of this process.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Process {
    pub(crate) rss_bytes: Option<u64>,
    pub(crate) vms_bytes: Option<u64>,
    pub(crate) threads: Option<u64>,
    pub(crate) fds: Option<u64>,
}
