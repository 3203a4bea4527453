//! Resident memory of a process with many threads that have allocated.
//!
//! What the allocator itself needs is the difference to bare jemalloc.

use std::sync::Barrier;

use heapledger_programs::ThreadStart;

use crate::{Report, memory};

const BLOCKS: usize = 64;

/// Lets `threads` threads allocate and free a little, then reads the resident
/// size while all of them are still alive.
pub fn run(threads: usize, enter: ThreadStart) -> Report {
    resident_with(threads, || {
        enter();
        let blocks: Vec<Vec<u8>> = (1..=BLOCKS).map(|it| vec![1; it * 16]).collect();
        drop(std::hint::black_box(blocks));
    })
}

/// The resident size while `threads` threads wait that have done `work`, in the
/// fact `rss_kib`.
pub fn resident_with(threads: usize, work: impl Fn() + Sync) -> Report {
    let worked = Barrier::new(threads + 1);
    let may_end = Barrier::new(threads + 1);
    let rss_kib = std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                work();
                worked.wait();
                may_end.wait();
            });
        }
        worked.wait();
        let rss_kib = memory::rss_kib();
        may_end.wait();
        rss_kib
    });
    let mut report = Report::default();
    report.facts.insert("rss_kib".to_owned(), rss_kib as f64);
    report
}
