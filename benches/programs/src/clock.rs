//! The two clocks: wall time, and processor time of the whole process.

use std::time::Instant;

use crate::Outcome;

/// Runs `work` between two readings of both clocks.
pub fn timed(work: impl FnOnce() -> u64) -> Outcome {
    let cpu_before = process_cpu_ns();
    let start = Instant::now();
    let checksum = work();
    let wall_ns = start.elapsed().as_nanos() as u64;
    Outcome { checksum, wall_ns, cpu_ns: process_cpu_ns().saturating_sub(cpu_before) }
}

/// Processor time that all threads of this process have used, in nanoseconds.
pub fn process_cpu_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the result, and the clock always exists.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
