//! The pools beside their peers, on the same workloads, in one run: every job of every
//! contender in turn, many rounds, so that what else the machine does hits all alike.
//! Prints two tables: times, and what the pools are meant to reach.
//!
//! `cargo run --release -p heapledger-bench-pools [rounds]`

mod buffers;
mod contenders;
mod jobs;
mod memory;
mod rows;

use buffers::Buffers;
use rows::{Kind, Row};

// Bare jemalloc under all of them: what `Box` costs without a ledger.
#[global_allocator]
static GLOBAL: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const JOBS: [&str; 6] = ["1T", "4T", "1T, 64 held", "4T, 64 held", "1 to 1", "2 to 2"];

/// A ratio for one pool, of medians or of minima.
type Ratio<'a> = dyn Fn(&Row, fn(&Row, usize) -> f64) -> f64 + 'a;

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
    let mut rows = rows::all();
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
            if row.times[job].is_empty() {
                print!(" – |");
            } else {
                print!(" {:.1} ({:.1}) |", row.median(job), row.min(job));
            }
        }
        println!();
    }
    targets(&rows, rounds, &memory);
}

/// What the pools are meant to reach.
fn targets(rows: &[Row], rounds: usize, memory: &memory::Memory) {
    let [boxes, pool, fixed, ..] = rows else { return };
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
    // Where each thread has objects of its own there is no pool for all of them to meet at.
    let shared: &[Kind] = &[Kind::Shared];
    for (which, kinds, reach) in [
        ("best shared peer", shared, "≥ 15"),
        ("best peer of any kind but Box", &[Kind::Shared, Kind::PerThread], ""),
    ] {
        let peers = || rows.iter().filter(|row| kinds.contains(&row.kind));
        let best =
            |of: fn(&Row, usize) -> f64| min(&peers().map(|row| of(row, 1)).collect::<Vec<_>>());
        let first = peers().min_by(|a, b| a.median(1).total_cmp(&b.median(1))).expect("peers");
        let figure = format!("{which} ({}) / this, 4 threads", first.name);
        ratio(&figure, reach, &|row, of| best(of) / of(row, 1));
    }
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
