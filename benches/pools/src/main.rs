//! The pools beside their peers, on the same workloads, in one run: every job of every
//! contender in turn, many rounds, so that what else the machine does hits all alike.
//! Prints two tables: times, and what the pools are meant to reach.
//!
//! `cargo run --release -p heapledger-bench-pools [rounds]`

mod buffers;
mod contenders;
mod jobs;
mod memory;

use std::sync::Mutex;

use buffers::Buffers;
use contenders::*;
use crossbeam_queue::ArrayQueue;

// Bare jemalloc under all of them: what `Box` costs without a ledger.
#[global_allocator]
static GLOBAL: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// On one thread.
const OPERATIONS: usize = 200_000;
/// On several: so many that they run beside each other, not one after the other.
const SHARED_OPERATIONS: usize = 1_000_000;
const HANDED_OVER: usize = 200_000;

const JOBS: [&str; 6] = ["1T", "4T", "1T, 64 held", "4T, 64 held", "1 to 1", "2 to 2"];

type Job = Box<dyn Fn() -> f64>;
/// A ratio for one pool, of medians or of minima.
type Ratio<'a> = dyn Fn(&Row, fn(&Row, usize) -> f64) -> f64 + 'a;

struct Row {
    name: &'static str,
    jobs: Vec<Job>,
    times: Vec<Vec<f64>>,
}

impl Row {
    fn new<C: Contender + 'static>() -> Self {
        let pool: &'static C = Box::leak(Box::new(C::new()));
        let mut jobs: Vec<Job> = vec![
            Box::new(move || jobs::one(pool, 1, OPERATIONS)),
            Box::new(move || jobs::one(pool, 4, SHARED_OPERATIONS)),
            Box::new(move || jobs::held(pool, 1, OPERATIONS)),
            Box::new(move || jobs::held(pool, 4, SHARED_OPERATIONS)),
        ];
        if C::IS_SEND {
            jobs.push(Box::new(move || jobs::hand_over(pool, 1, HANDED_OVER)));
            jobs.push(Box::new(move || jobs::hand_over(pool, 2, HANDED_OVER)));
        }
        let times = vec![Vec::new(); jobs.len()];
        Self { name: C::NAME, jobs, times }
    }

    fn run(&mut self, job: usize) {
        if let Some(run) = self.jobs.get(job) {
            self.times[job].push(run());
        }
    }

    fn min(&self, job: usize) -> f64 {
        self.times.get(job).map_or(f64::NAN, |times| min(times))
    }

    fn median(&self, job: usize) -> f64 {
        self.times.get(job).map_or(f64::NAN, |times| median(times))
    }
}

fn min(times: &[f64]) -> f64 {
    times.iter().copied().fold(f64::NAN, f64::min)
}

fn median(times: &[f64]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

fn main() {
    let rounds: usize = std::env::args().nth(1).map_or(21, |it| it.parse().expect("a number"));
    // First: later the process's memory is no longer its own.
    let memory = memory::measure();
    let mut rows = [
        Row::new::<Boxes>(),
        Row::new::<Dynamic>(),
        Row::new::<Static>(),
        Row::new::<Handle<true>>(),
        Row::new::<Handle<false>>(),
        Row::new::<ShardedSlab>(),
        Row::new::<Regex>(),
        Row::new::<Lockfree>(),
        Row::new::<Opool>(),
        Row::new::<ObjectPool>(),
        Row::new::<Poolshark>(),
        Row::new::<Hand<ArrayQueue<Box<Object>>>>(),
        Row::new::<Hand<Mutex<Vec<Box<Object>>>>>(),
    ];
    for _ in 0..rounds {
        for job in 0..JOBS.len() {
            rows.iter_mut().for_each(|row| row.run(job));
        }
    }
    print!("Nanoseconds per acquisition and release, median (minimum):\n\n| contender |");
    JOBS.iter().for_each(|job| print!(" {job} |"));
    println!("\n|---|{}", "---|".repeat(JOBS.len()));
    for row in &rows {
        print!("| {} |", row.name);
        for job in 0..JOBS.len() {
            print!(" {:.1} ({:.1}) |", row.median(job), row.min(job));
        }
        println!();
    }
    targets(&rows, rounds, &memory);
}

/// What the pools are meant to reach.
fn targets(rows: &[Row], rounds: usize, memory: &memory::Memory) {
    let [boxes, pool, fixed, _handle, _shared_handle, peers @ ..] = rows else { return };
    let best =
        |of: fn(&Row, usize) -> f64| peers.iter().map(|row| of(row, 1)).fold(f64::NAN, f64::min);
    println!("\n| figure | reach | Pool | pool! |\n|---|---|---|---|");
    let ratio = |figure: &str, reach: &str, of: &Ratio<'_>| {
        print!("| {figure} | {reach} |");
        for row in [pool, fixed] {
            print!(" {:.2} ({:.2}) |", of(row, Row::median), of(row, Row::min));
        }
        println!();
    };
    ratio("1 thread / Box", "≤ 0.65, static ≤ 0.35", &|row, of| of(row, 0) / of(boxes, 0));
    ratio("4 threads / 1 thread", "≤ 1.15", &|row, of| of(row, 1) / of(row, 0));
    ratio("best shared peer / this, 4 threads", "≥ 15", &|row, of| best(of) / of(row, 1));
    ratio("4 threads, 64 held / Box", "≤ 0.75", &|row, of| of(row, 3) / of(boxes, 3));
    ratio("1 producer, 1 consumer / Box", "≤ 0.6", &|row, of| of(row, 4) / of(boxes, 4));
    ratio("2 producers, 2 consumers / Box", "≤ 0.6", &|row, of| of(row, 5) / of(boxes, 5));
    let Buffers { fresh, pool, fixed, kept } = buffers::measure(rounds);
    let slower = |than: &[f64]| {
        let [by_median, by_min] = [median(&fresh) / median(than), min(&fresh) / min(than)];
        format!("{by_median:.0} ({by_min:.0}): {:.1} ({:.1}) ns", median(than), min(than))
    };
    println!(
        "| fresh 64 KiB buffer, {:.0} ({:.0}) ns, 256 B touched / this | ≥ 50 | {} | {} |",
        median(&fresh),
        min(&fresh),
        slower(&pool),
        slower(&fixed)
    );
    println!("| fresh / one that the caller keeps | | {} | |", slower(&kept));
    println!("| bytes per live object beyond 64 | ≤ 1.5 | {:.2} | |", memory.live_bytes - 64.0);
    println!(
        "| bytes per retained object beyond 64 | ≤ 12 | {:.2} | |",
        memory.retained_bytes - 64.0
    );
    println!(
        "| returned by shrink(0), seen in RSS | ≥ 95 % | {:.1} % | |",
        memory.returned_percent
    );
    println!("| made by 1,000 threads in turn, 32 each | 32 | {} | |", memory::churn());
    println!("\nMedian (minimum) of {rounds} rounds; memory and objects are counted once.");
}
