//! Prints one table: what a hit and a mixed operation cost in each cache, at one
//! and four threads, and how often each cache hits.
//!
//! All contenders run in one process under one allocator, in turn, round after
//! round, with the same keys, weights and hash function; ratios are of the minima
//! and of the medians of the rounds. `cargo run --release -p heapledger-caches`
//! (an argument sets the number of rounds).

mod concurrent;
mod contender;
mod locked;
mod sharded;
mod workload;

use contender::CONTENDERS;
use workload::{Workload, hit_ratio, time};

#[global_allocator]
static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();

fn main() {
    let rounds = match std::env::args().nth(1).map(|text| text.parse::<usize>()) {
        None => 7,
        Some(Ok(rounds)) if rounds > 0 => rounds,
        Some(_) => {
            eprintln!("usage: heapledger-caches [rounds]");
            std::process::exit(2);
        }
    };
    println!("hits: all keys there, uniform; zipf: 0.9 over 500,000 keys, capacity 10 %");
    println!(
        "ns an operation, minimum (median) of {rounds} interleaved rounds; ratio to quick_cache\n"
    );
    let workloads = [
        ("hits, 50,000 entries, 1 thread", Workload::hits(50_000, 1)),
        ("hits, 500,000 entries, 1 thread", Workload::hits(500_000, 1)),
        ("hits, 500,000 entries, 4 threads", Workload::hits(500_000, 4)),
        ("zipf, 1 thread", Workload::zipf(1)),
        ("zipf, 4 threads", Workload::zipf(4)),
    ];
    for (name, workload) in &workloads {
        let mut times = vec![Vec::with_capacity(rounds); CONTENDERS.len()];
        for _ in 0..rounds {
            for (contender, times) in CONTENDERS.iter().zip(&mut times) {
                times.push(time(contender, workload));
            }
        }
        println!("{name}");
        let reference = summary(&mut times[0]);
        for (contender, times) in CONTENDERS.iter().zip(&mut times) {
            let (min, median) = summary(times);
            println!(
                "  {:<38}{min:>9.1} ({median:>8.1})   {:>6.2} ({:>6.2})",
                contender.name,
                min / reference.0,
                median / reference.1
            );
        }
    }
    println!("\nhit ratio, zipf 0.9 over 500,000 keys, one thread: capacity 2 % / 10 %");
    for contender in CONTENDERS.iter().filter(|it| it.policy) {
        let [small, large] = [2, 10].map(|percent| 100.0 * hit_ratio(contender, percent));
        println!("  {:<38}{small:>7.2} / {large:>5.2}", contender.name);
    }
}

fn summary(times: &mut [f64]) -> (f64, f64) {
    times.sort_unstable_by(f64::total_cmp);
    (times[0], times[times.len() / 2])
}
