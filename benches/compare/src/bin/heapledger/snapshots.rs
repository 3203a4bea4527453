//! What a reading costs, with 64 threads alive and 100 tags in use on each.

use std::hint::black_box;
use std::sync::Barrier;

use heapledger::{Tag, TagReading};
use heapledger_bench::memory::jemalloc_thread_allocated_bytes;
use heapledger_bench::micro::{Batches, time, timed};
use heapledger_bench::{Job, Report};

const THREADS: usize = 64;
const TAGS: usize = 100;
const BATCHES: Batches = Batches { warm_up: 20, measured: 201, operations: 1 };

/// The process's numbers.
pub fn of_the_process(_: &Job) -> Report {
    with_threads_and_tags(|| {
        black_box(heapledger::snapshot()).unwrap_or_else(|error| panic!("{error}"));
    })
}

/// The process's numbers and the backend's statistics.
pub fn with_backend(_: &Job) -> Report {
    with_threads_and_tags(|| {
        black_box(heapledger::snapshot_with_backend()).unwrap_or_else(|error| panic!("{error}"));
    })
}

/// Every tag's numbers, into a buffer.
pub fn of_all_tags(_: &Job) -> Report {
    let mut buffer = [TagReading::EMPTY; TAGS + 8];
    with_threads_and_tags(|| {
        black_box(heapledger::snapshot_tags(&mut buffer)).unwrap_or_else(|error| panic!("{error}"));
    })
}

fn with_threads_and_tags(mut reading: impl FnMut()) -> Report {
    let tags: Vec<Tag> = (0..TAGS).map(|tag| tag_of(&format!("component-{tag}"))).collect();
    let ready = Barrier::new(THREADS + 1);
    let may_end = Barrier::new(THREADS + 1);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let kept: Vec<Box<u64>> = tags.iter().map(|tag| tag.run(|| Box::new(1))).collect();
                ready.wait();
                may_end.wait();
                drop(kept);
            });
        }
        ready.wait();
        // Asked of jemalloc, as the ledger would not know of blocks of its own.
        let before = jemalloc_thread_allocated_bytes();
        reading();
        let allocated = jemalloc_thread_allocated_bytes() - before;
        let mut report = timed(&mut time(BATCHES, &mut reading));
        report.facts.insert("allocated_bytes".to_owned(), allocated as f64);
        may_end.wait();
        report
    })
}

fn tag_of(name: &str) -> Tag {
    Tag::register(name).unwrap_or_else(|error| panic!("{name}: {error}"))
}
