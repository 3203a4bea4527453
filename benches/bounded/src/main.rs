//! Time of a lease: acquire, write one word, give back.
//!
//!     cargo run --release -p heapledger-bench-bounded [rounds]
//!
//! One run, the contenders in turn, in each round in another order. A figure is the
//! time of a lease as one thread sees it: the median of all rounds, the least in
//! brackets. Every contender counts its leases in its objects, and the sum is
//! checked. One jemalloc serves all of them, without heapledger's ledger.

mod contenders;

use std::sync::Barrier;
use std::time::Instant;

use contenders::{Contender, all};

#[global_allocator]
static GLOBAL: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Who may hold how much: with objects for all nobody waits.
const SETTINGS: [Setting; 4] = [
    Setting { threads: 1, max_live: 16, leases: 200_000 },
    Setting { threads: 2, max_live: 16, leases: 100_000 },
    Setting { threads: 4, max_live: 16, leases: 50_000 },
    Setting { threads: 4, max_live: 2, leases: 2_000 },
];

#[derive(Clone, Copy)]
struct Setting {
    threads: usize,
    max_live: usize,
    leases: u64,
}

fn main() {
    let rounds = match std::env::args().nth(1).map(|it| it.parse::<usize>()) {
        None => 15,
        Some(Ok(rounds)) if rounds > 0 => rounds,
        Some(_) => {
            eprintln!("usage: heapledger-bench-bounded [rounds], a number above 0");
            std::process::exit(2);
        }
    };
    let names: Vec<_> = all(1).iter().map(|it| it.name()).collect();
    let mut times = vec![[const { Vec::new() }; SETTINGS.len()]; names.len()];
    for round in 0..rounds {
        for (at, setting) in SETTINGS.iter().enumerate() {
            let contenders = all(setting.max_live);
            for turn in 0..contenders.len() {
                let who = (turn + round) % contenders.len();
                times[who][at].push(measure(&*contenders[who], *setting));
            }
        }
    }
    print(&names, &mut times);
}

/// Nanoseconds of a lease, as one thread sees it.
fn measure(contender: &dyn Contender, setting: Setting) -> f64 {
    let Setting { threads, leases, .. } = setting;
    let before = contender.leases_seen();
    let barrier = Barrier::new(threads);
    let (start, end) = std::thread::scope(|scope| {
        let run = || {
            contender.lease(100);
            barrier.wait();
            let start = Instant::now();
            contender.lease(leases);
            (start, Instant::now())
        };
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        let times = running.into_iter().map(|it| it.join().expect("a contender without errors"));
        times.reduce(|(start, end), it| (start.min(it.0), end.max(it.1))).expect("a thread")
    });
    let seen = contender.leases_seen() - before;
    assert_eq!(seen, threads as u64 * (leases + 100), "{} lost leases", contender.name());
    (end - start).as_nanos() as f64 / leases as f64
}

fn print(names: &[&str], times: &mut [[Vec<f64>; SETTINGS.len()]]) {
    let median_and_least = |times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        (times[times.len() / 2], times[0])
    };
    let figures: Vec<Vec<_>> =
        times.iter_mut().map(|row| row.iter_mut().map(median_and_least).collect()).collect();
    print!("| ns per lease, median (least) |");
    for Setting { threads, max_live, .. } in SETTINGS {
        print!(" {threads} thr., {max_live} objects | ours is |");
    }
    println!("\n|---|{}", "---|---|".repeat(SETTINGS.len()));
    for (name, row) in names.iter().zip(&figures) {
        print!("| {name} |");
        for ((median, least), ours) in row.iter().zip(&figures[0]) {
            print!(" {median:.0} ({least:.0}) | {:.2} ({:.2}) |", ours.0 / median, ours.1 / least);
        }
        println!();
    }
}
