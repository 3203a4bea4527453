//! What the kernel and jemalloc say about this process's memory.

use tikv_jemalloc_ctl::thread::allocatedp;

/// Makes the kernel forget the peak, so that [`peak_rss_kib`] starts again.
///
/// Where the kernel refuses, the peak is that of the whole process.
pub fn reset_peak_rss() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// The largest resident size, in KiB; 0 where there is no `/proc`.
pub fn peak_rss_kib() -> u64 {
    status_kib("VmHWM:")
}

/// The resident size now, in KiB; 0 where there is no `/proc`.
pub fn rss_kib() -> u64 {
    status_kib("VmRSS:")
}

fn status_kib(key: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or_default()
}

/// Bytes that the calling thread ever asked jemalloc for, in size classes.
///
/// # Panics
///
/// If jemalloc was built without statistics.
pub fn jemalloc_thread_allocated_bytes() -> u64 {
    allocatedp::read().unwrap_or_else(|error| panic!("jemalloc has no statistics: {error}")).get()
}
