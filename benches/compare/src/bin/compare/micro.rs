//! The claims about the allocator alone: pairs, mixed sizes, hand-over, scaling,
//! scopes, snapshots, and what heapledger itself needs.

use heapledger_bench::Workload;

use crate::child::{Contenders, Failure};
use crate::paired::{Candidate, EMPTY, IN_SCOPES, NO_SCOPE, Paired, measure};
use crate::table::{Table, against, nanoseconds, ratios};

/// Sizes that grow into the next class behind an 8-byte record, then sizes that
/// do not.
const PAIR_SIZES: [usize; 7] = [16, 64, 256, 24, 40, 120, 248];
const CANDIDATES: [Candidate; 3] = [EMPTY, NO_SCOPE, IN_SCOPES];

/// What no scope and in a scope have to reach.
const REACH: [f64; 2] = [1.25, 1.45];
const HAND_OVER_REACH: f64 = 1.2;
const SCALING_REACH: f64 = 1.05;
const SCOPES: [(&str, &str, f64); 6] = [
    ("scope", "scope enter + leave", 2.0),
    ("poll", "poll of a future with `in_scope`, added", 3.0),
    ("poll-ephemeral", "the same with the handle of a short-lived tag", 3.0),
    ("hand-over-scope", "current scope taken, entered and left", f64::INFINITY),
    ("ephemeral", "short-lived tag made, entered, left and dropped", f64::INFINITY),
    ("ephemeral-guard", "short-lived tag entered and left by a guard", f64::INFINITY),
];

const SNAPSHOTS: [(&str, &str, f64); 3] = [
    ("snapshot", "snapshot of the process", 20_000.0),
    ("snapshot-tags", "snapshot of every tag", 20_000.0),
    ("snapshot-backend", "snapshot with jemalloc's statistics", f64::INFINITY),
];
const FOOTPRINT_THREADS: usize = 64;

pub fn compare(contenders: &Contenders, rounds: usize) -> Result<(), Failure> {
    CANDIDATES.into_iter().try_for_each(|candidate| contenders.prove(candidate))?;
    ratios_to_bare(contenders, rounds)?;
    alone(contenders, rounds)?;
    footprint(contenders, rounds)
}

fn ratios_to_bare(contenders: &Contenders, rounds: usize) -> Result<(), Failure> {
    let mut table = Table::new(
        "Time of an operation, as a ratio to bare jemalloc: least times (median of pairs)",
        ["workload", "threads", "bare", "empty wrapper", "no scope", "in a scope", "reach"],
    );
    let mut scaling = Vec::new();
    let pairs = PAIR_SIZES.map(|size| (Workload::Pair(size), [1, 4].as_slice()));
    let others = [
        (Workload::Mixed, [1, 4].as_slice()),
        (Workload::HandOver, &[2, 4]),
        (Workload::HandOverUnread, &[2, 4]),
    ];
    for (workload, thread_counts) in pairs.into_iter().chain(others) {
        let (is_scaled, reach) = match workload {
            Workload::HandOver => (false, [None, Some(HAND_OVER_REACH)]),
            Workload::HandOverUnread => (false, [None, None]),
            _ => (true, REACH.map(Some)),
        };
        let mut by_threads = Vec::new();
        for threads in thread_counts {
            let measured = measure(contenders, &CANDIDATES, &workload, *threads, rounds)?;
            table.row([
                workload.to_string(),
                threads.to_string(),
                nanoseconds(measured[0].baseline_ns()),
                ratios(&measured[0], None),
                ratios(&measured[1], reach[0]),
                ratios(&measured[2], reach[1]),
                reach.map(|it| it.map_or("–".to_owned(), |it| format!("{it:.2}"))).join(" / "),
            ]);
            by_threads.push(measured);
        }
        if is_scaled {
            scaling.push((workload, by_threads));
        }
    }
    table.print();

    let mut table = Table::new(
        "4 threads by 1 thread, as a ratio to the same of bare jemalloc (reach 1.05)",
        ["workload", "empty wrapper", "no scope", "in a scope"],
    );
    for (workload, by_threads) in scaling {
        let growth = |candidate: usize, reach: Option<f64>| {
            let ratio = |measured: &Vec<Paired>| measured[candidate].least_ratio();
            against(ratio(&by_threads[1]) / ratio(&by_threads[0]), reach)
        };
        let reach = Some(SCALING_REACH);
        table.row([workload.to_string(), growth(0, None), growth(1, reach), growth(2, reach)]);
    }
    table.print();
    Ok(())
}

/// What bare jemalloc has no counterpart of.
fn alone(contenders: &Contenders, rounds: usize) -> Result<(), Failure> {
    let run = |name: &str| {
        let workload = Workload::Own(name.to_owned());
        let job = heapledger_bench::Job { workload, scoped: false, threads: 1 };
        let mut reports: Vec<_> =
            (0..rounds).map(|_| contenders.run(NO_SCOPE, &job)).collect::<Result<_, _>>()?;
        reports.sort_by(|a, b| a.wall_ns.total_cmp(&b.wall_ns));
        Ok::<_, Failure>(reports.swap_remove(reports.len() / 2))
    };
    let mut table = Table::new("heapledger's own operations", ["operation", "time", "reach"]);
    let marked =
        |ns: f64, reach: f64| format!("{}{}", nanoseconds(ns), if ns <= reach { "" } else { " ✗" });
    let reached = |reach: f64, and: &str| match reach.is_finite() {
        true => format!("{}{and}", nanoseconds(reach)),
        false => "–".to_owned(),
    };
    for (name, operation, reach) in SCOPES {
        let ns = run(name)?.wall_ns;
        table.row([operation.to_owned(), marked(ns, reach), reached(reach, "")]);
    }
    for (name, operation, reach) in SNAPSHOTS {
        let snapshot = run(name)?;
        let bytes = snapshot.facts.get("allocated_bytes").copied().unwrap_or(f64::NAN);
        table.row([
            format!("{operation}, 64 threads × 100 tags: {bytes} bytes allocated"),
            marked(snapshot.wall_ns, reach),
            reached(reach, ", 0 bytes"),
        ]);
    }
    table.print();
    Ok(())
}

fn footprint(contenders: &Contenders, rounds: usize) -> Result<(), Failure> {
    let mut table = Table::new(
        "Resident memory of heapledger itself (reach: 1 MiB + 16 KiB a thread)",
        ["threads", "bare", "no scope adds", "in scopes adds", "self_overhead() says", "reach"],
    );
    for threads in [1, FOOTPRINT_THREADS] {
        let workload = Workload::Footprint;
        let [bare, no_scope, in_scopes] =
            [crate::paired::BARE, NO_SCOPE, IN_SCOPES].map(|candidate| {
                measure(contenders, &[candidate], &workload, threads, rounds)
                    .map(|mut measured| measured.swap_remove(0))
            });
        let kib = |paired: &Paired, fact| paired.fact(fact).unwrap_or(f64::NAN);
        let (bare, no_scope, in_scopes) = (bare?, no_scope?, in_scopes?);
        let reach = (1024 + 16 * threads) as f64;
        let added = |paired: &Paired| {
            let added = kib(paired, "rss_kib") - kib(&bare, "rss_kib");
            format!("{added:.0} KiB{}", if added <= reach { "" } else { " ✗" })
        };
        table.row([
            threads.to_string(),
            format!("{:.0} KiB", kib(&bare, "rss_kib")),
            added(&no_scope),
            added(&in_scopes),
            format!("{:.0} KiB", kib(&in_scopes, "self_overhead_bytes") / 1024.0),
            format!("{reach:.0} KiB"),
        ]);
    }
    table.print();
    Ok(())
}
