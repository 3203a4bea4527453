//! The claims about real programs: wall time and peak memory.

use heapledger_bench::Workload;
use heapledger_programs::Program;

use crate::child::{Contenders, Failure};
use crate::paired::{Candidate, EMPTY, IN_SCOPES, NO_SCOPE, Paired, geometric_mean, measure};
use crate::table::{Table, against, nanoseconds};

const CANDIDATES: [Candidate; 3] = [EMPTY, NO_SCOPE, IN_SCOPES];

/// A figure of all programs: a table, a row for each program and one for the mean.
struct Figure {
    title: &'static str,
    bare: fn(&Paired) -> String,
    ratio: fn(&Paired) -> f64,
    /// What each program may not exceed, for each candidate.
    each: [Option<f64>; 3],
    /// What the geometric mean may not exceed.
    mean: [Option<f64>; 3],
}

const FIGURES: [Figure; 3] = [
    Figure {
        title: "Wall time of real programs, as a ratio to bare jemalloc (median of pairs)",
        bare: |it| nanoseconds(it.baseline_ns()),
        ratio: Paired::wall_ratio,
        each: [None, Some(1.15), Some(1.15)],
        mean: [None, Some(1.05), Some(1.10)],
    },
    Figure {
        title: "Their processor time, all threads together",
        bare: |it| nanoseconds(it.baseline_cpu_ns()),
        ratio: Paired::cpu_ratio,
        each: [None; 3],
        mean: [None; 3],
    },
    Figure {
        title: "Their peak resident memory",
        bare: |it| format!("{:.0} MiB", it.baseline_rss_kib() / 1024.0),
        ratio: Paired::rss_ratio,
        each: [None, Some(1.01), Some(1.06)],
        mean: [None, Some(1.01), Some(1.06)],
    },
];

pub fn compare(contenders: &Contenders, rounds: usize) -> Result<(), Failure> {
    CANDIDATES.into_iter().try_for_each(|candidate| contenders.prove(candidate))?;
    let measured = Program::ALL
        .map(|program| measure(contenders, &CANDIDATES, &Workload::Program(program), 1, rounds));
    let measured = measured.into_iter().collect::<Result<Vec<_>, _>>()?;
    FIGURES.iter().for_each(|figure| print(figure, &measured));
    print_shares(&measured);
    Ok(())
}

fn print(figure: &Figure, measured: &[Vec<Paired>]) {
    let columns = ["program", "bare", "empty wrapper", "no scope", "everything in scopes"];
    let mut table = Table::new(figure.title, columns);
    for (program, candidates) in Program::ALL.iter().zip(measured) {
        let ratios = candidates.iter().map(figure.ratio);
        let cells = ratios.zip(figure.each).map(|(ratio, reach)| against(ratio, reach));
        table.row([program.to_string(), (figure.bare)(&candidates[0])].into_iter().chain(cells));
    }
    let means = (0..CANDIDATES.len()).map(|candidate| {
        let ratios: Vec<f64> = measured.iter().map(|it| (figure.ratio)(&it[candidate])).collect();
        against(geometric_mean(&ratios), figure.mean[candidate])
    });
    table.row(["geometric mean".to_owned(), String::new()].into_iter().chain(means));
    for (name, reach) in [("reach, mean", figure.mean), ("reach, each", figure.each)] {
        if reach.iter().any(Option::is_some) {
            let reach = reach.map(|it| it.map_or("–".to_owned(), |it| format!("{it:.2}")));
            table.row([name.to_owned(), String::new()].into_iter().chain(reach));
        }
    }
    table.print();
}

/// How much of what "everything in scopes" allocated was in a scope.
fn print_shares(measured: &[Vec<Paired>]) {
    println!();
    for (program, candidates) in Program::ALL.iter().zip(measured) {
        if let Some(share) = candidates[2].fact("scoped_share") {
            println!("- {program}: {:.2} % of the allocated bytes were in scopes", share * 100.0);
        }
    }
}
