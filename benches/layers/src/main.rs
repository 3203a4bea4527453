//! What heapledger's `tracing` and `tower` layers cost.
//!
//! Each line is the same work with one layer more or another one in its place. The
//! candidates take turns in every round, and the least time of each counts: the
//! machine's noise only adds.
//!
//! `heapledger-bench-layers [ROUNDS]`

#![forbid(unsafe_code)]

mod requests;
mod spans;

use std::process::ExitCode;
use std::time::Instant;

#[global_allocator]
static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();

/// Iterations in one timing: about a millisecond.
const ITERATIONS: u32 = 20_000;

/// One candidate: a name, and a run of so many iterations.
type Candidate<'a> = (&'a str, Box<dyn FnMut(u32) + 'a>);

fn main() -> ExitCode {
    let rounds = match std::env::args().nth(1).as_deref().unwrap_or("300").parse() {
        Ok(rounds) if (1..=100_000).contains(&rounds) => rounds,
        _ => {
            eprintln!("give the number of rounds, 1 to 100000, or nothing");
            return ExitCode::from(2);
        }
    };
    println!("least of {rounds} rounds of {ITERATIONS} iterations\n");
    print("a span entered and exited", &spans::run(rounds));
    print("a request: call, one poll, drop of the future", &requests::run(rounds));
    ExitCode::SUCCESS
}

/// Nanoseconds an iteration, the least of all rounds, for each candidate.
fn measure(rounds: u32, mut candidates: Vec<Candidate>) -> Vec<(String, f64)> {
    let mut least = vec![f64::INFINITY; candidates.len()];
    for _ in 0..rounds {
        for ((_, run), least) in candidates.iter_mut().zip(&mut least) {
            let started = Instant::now();
            run(ITERATIONS);
            let nanoseconds = started.elapsed().as_secs_f64() * 1e9 / f64::from(ITERATIONS);
            *least = least.min(nanoseconds);
        }
    }
    let names = candidates.iter().map(|(name, _)| (*name).to_owned());
    names.zip(least).collect()
}

/// The second line is what the others are compared with.
fn print(what: &str, times: &[(String, f64)]) {
    println!("| {what} | ns | more than bare |\n|---|---|---|");
    let bare = times[1].1;
    for (name, nanoseconds) in times {
        println!("| {name} | {nanoseconds:.1} | {:+.1} |", nanoseconds - bare);
    }
    println!();
}
