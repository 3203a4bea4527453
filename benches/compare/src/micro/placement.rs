//! Threads on cores of their own.
//!
//! A scheduler may leave threads that have just started on one core, for longer
//! than a batch takes. Then "4 threads" are 1, contention cannot be seen, and
//! whoever shares counters between threads looks good.

/// Keeps the calling thread, one of several, on the core that is its own.
///
/// Where there are fewer cores than threads some share one; where the system
/// cannot do this, or refuses, nothing is changed.
#[cfg(target_os = "linux")]
pub fn pin(thread: usize) {
    // SAFETY: a `cpu_set_t` is an array of integers, of which zeroes are valid.
    let (mut allowed, mut own): (libc::cpu_set_t, libc::cpu_set_t) =
        unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
    let bytes = size_of::<libc::cpu_set_t>();
    // SAFETY: the set is valid for so many bytes; 0 is the calling thread.
    if unsafe { libc::sched_getaffinity(0, bytes, &mut allowed) } != 0 {
        return;
    }
    // SAFETY: every index is below the size of the set.
    let is_allowed = |core: &usize| unsafe { libc::CPU_ISSET(*core, &allowed) };
    let cores: Vec<usize> = (0..libc::CPU_SETSIZE as usize).filter(is_allowed).collect();
    let Some(core) = cores.get(thread % cores.len().max(1)) else { return };
    // SAFETY: the index came from a set of this size; the set is valid.
    unsafe {
        libc::CPU_SET(*core, &mut own);
        libc::sched_setaffinity(0, bytes, &own);
    }
}

/// Elsewhere the system decides.
#[cfg(not(target_os = "linux"))]
pub fn pin(_thread: usize) {}
