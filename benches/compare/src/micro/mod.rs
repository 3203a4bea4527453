//! Micro workloads: nothing but the allocator, in batches, on 1 or more threads.
//!
//! The thread count changes nothing in the code: each thread does the same work
//! for itself, in memory of its own. No thread measures before all run, and none
//! stops before all have measured: what is measured on 4 threads is measured
//! beside 3 others.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use heapledger_programs::ThreadStart;

use crate::Report;

pub mod footprint;
pub mod hand_over;
pub mod mixed;
pub mod pair;
mod placement;

/// How often a batch is repeated.
#[derive(Clone, Copy, Debug)]
pub struct Batches {
    /// Batches that are not measured, at least.
    pub warm_up: usize,
    /// Batches that are.
    pub measured: usize,
    /// Operations in one batch.
    pub operations: usize,
}

/// Runs batches on each of `threads` threads; the times are those of all of them.
///
/// `make` is called on each thread, after `enter`, for what a batch needs; `batch`
/// returns a checksum.
pub fn on_threads<State>(
    threads: usize,
    enter: ThreadStart,
    batches: Batches,
    make: impl Fn(u64) -> State + Sync,
    batch: impl Fn(&mut State) -> u64 + Sync,
) -> Report {
    let warm = AtomicUsize::new(0);
    let done = AtomicUsize::new(0);
    // Runs on until all threads have come as far. Relaxed: nothing else is told.
    let until_all = |count: &AtomicUsize, state: &mut State| {
        count.fetch_add(1, Ordering::Relaxed);
        while count.load(Ordering::Relaxed) < threads {
            batch(state);
        }
    };
    let run = |thread: usize| {
        if threads > 1 {
            placement::pin(thread);
        }
        enter();
        let mut state = make(thread as u64);
        let mut checksum = 0_u64;
        let mut times = Vec::with_capacity(batches.measured);
        (0..batches.warm_up).for_each(|_| _ = batch(&mut state));
        until_all(&warm, &mut state);
        for _ in 0..batches.measured {
            let start = Instant::now();
            checksum = checksum.wrapping_add(batch(&mut state));
            times.push(start.elapsed().as_nanos() as f64 / batches.operations as f64);
        }
        until_all(&done, &mut state);
        (times, checksum)
    };
    let run = &run;
    let results: Vec<(Vec<f64>, u64)> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|thread| scope.spawn(move || run(thread))).collect();
        handles
            .into_iter()
            .map(|handle| handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    let mut times: Vec<f64> = results.iter().flat_map(|(times, _)| times).copied().collect();
    let checksum = results.iter().fold(0_u64, |sum, (_, it)| sum.wrapping_add(*it));
    Report { checksum, ..timed(&mut times) }
}

/// Runs batches on the calling thread; nanoseconds per operation, least first.
pub fn time(batches: Batches, mut batch: impl FnMut()) -> Vec<f64> {
    (0..batches.warm_up).for_each(|_| batch());
    let mut times: Vec<f64> = (0..batches.measured)
        .map(|_| {
            let start = Instant::now();
            batch();
            start.elapsed().as_nanos() as f64 / batches.operations as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times
}

/// The report of these times: their median.
pub fn timed(times: &mut [f64]) -> Report {
    times.sort_by(f64::total_cmp);
    Report { wall_ns: times.get(times.len() / 2).copied().unwrap_or_default(), ..Report::default() }
}
