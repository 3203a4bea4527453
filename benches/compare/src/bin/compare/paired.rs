//! Candidates run between two runs of their baseline, and the ratios of the two.

use std::fmt;

use heapledger_bench::{Job, Report, Workload};

use crate::child::{Contenders, Failure};

/// A contender in one of its two states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub contender: &'static str,
    pub scoped: bool,
}

pub const BARE: Candidate = Candidate { contender: "bare", scoped: false };
const BARE_SYSTEM: Candidate = Candidate { contender: "bare_system", scoped: false };
pub const EMPTY: Candidate = Candidate { contender: "empty", scoped: false };
pub const NO_SCOPE: Candidate = Candidate { contender: "heapledger", scoped: false };
pub const IN_SCOPES: Candidate = Candidate { contender: "heapledger", scoped: true };

impl Candidate {
    /// A peer, in whatever it has for a scope.
    pub const fn peer(contender: &'static str) -> Self {
        Self { contender, scoped: true }
    }

    /// The same jemalloc, reached the same way, without the candidate.
    fn baseline(self) -> Self {
        if self.contender == "peak_alloc" { BARE_SYSTEM } else { BARE }
    }

    /// It has a counter of its own.
    pub fn counts(self) -> bool {
        ![BARE, BARE_SYSTEM, EMPTY].contains(&self)
    }
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            NO_SCOPE => f.write_str("heapledger, no scope"),
            IN_SCOPES => f.write_str("heapledger, in scopes"),
            other => f.write_str(other.contender),
        }
    }
}

/// All runs of a candidate on one workload, each with the mean of the two runs of
/// the baseline around it.
#[derive(Clone, Debug, Default)]
pub struct Paired {
    runs: Vec<(Report, Report)>,
}

/// Runs all candidates, `rounds` times, one after the other.
pub fn measure(
    contenders: &Contenders,
    candidates: &[Candidate],
    workload: &Workload,
    threads: usize,
    rounds: usize,
) -> Result<Vec<Paired>, Failure> {
    let job = |candidate: Candidate| Job {
        workload: workload.clone(),
        scoped: candidate.scoped,
        threads,
    };
    let run = |candidate: Candidate| contenders.run(candidate, &job(candidate));
    let mut all = vec![Paired::default(); candidates.len()];
    let mut last: Option<(Candidate, Report)> = None;
    for round in 1..=rounds {
        for (candidate, paired) in candidates.iter().zip(&mut all) {
            eprint!("\r{workload}, {threads} threads, round {round}/{rounds}: {candidate:<32}");
            let baseline = candidate.baseline();
            let before = match last.take() {
                Some((same, report)) if same == baseline => report,
                _ => run(baseline)?,
            };
            let report = run(*candidate)?;
            let after = run(baseline)?;
            if report.checksum != before.checksum {
                return Err(Failure(format!("{workload}: {candidate} did different work")));
            }
            paired.runs.push((report, mean(&before, &after)));
            last = Some((baseline, after));
        }
    }
    eprint!("\r{:78}\r", "");
    Ok(all)
}

fn mean(before: &Report, after: &Report) -> Report {
    let mean = |a: f64, b: f64| f64::midpoint(a, b);
    Report {
        wall_ns: mean(before.wall_ns, after.wall_ns),
        cpu_ns: mean(before.cpu_ns, after.cpu_ns),
        peak_rss_kib: u64::midpoint(before.peak_rss_kib, after.peak_rss_kib),
        ..before.clone()
    }
}

impl Paired {
    /// The median of the wall-time ratios.
    pub fn wall_ratio(&self) -> f64 {
        self.median(|run, base| run.wall_ns / base.wall_ns)
    }

    /// The least time of the candidate by the least of the baseline: what a
    /// neighbour on the machine adds is in neither.
    pub fn least_ratio(&self) -> f64 {
        self.least(|run, _| run.wall_ns) / self.least(|_, base| base.wall_ns)
    }

    /// The median of the processor-time ratios.
    pub fn cpu_ratio(&self) -> f64 {
        self.median(|run, base| run.cpu_ns / base.cpu_ns)
    }

    /// The median of the ratios of the largest resident sizes.
    pub fn rss_ratio(&self) -> f64 {
        self.median(|run, base| run.peak_rss_kib as f64 / base.peak_rss_kib as f64)
    }

    /// What the candidate adds to an operation.
    ///
    /// On one thread by the least times. With several, waiting for each other is
    /// part of the work, and the least time is that of a moment when one of them
    /// was not running: there it is the median of the pairs.
    pub fn added_ns(&self, threads: usize) -> f64 {
        if threads == 1 {
            self.least(|run, _| run.wall_ns) - self.least(|_, base| base.wall_ns)
        } else {
            self.median(|run, base| run.wall_ns - base.wall_ns)
        }
    }

    /// The median time of the baseline.
    pub fn baseline_ns(&self) -> f64 {
        self.median(|_, base| base.wall_ns)
    }

    /// The median processor time of the baseline.
    pub fn baseline_cpu_ns(&self) -> f64 {
        self.median(|_, base| base.cpu_ns)
    }

    /// The median of the largest resident sizes of the baseline.
    pub fn baseline_rss_kib(&self) -> f64 {
        self.median(|_, base| base.peak_rss_kib as f64)
    }

    /// The median of a fact that the candidate reports.
    pub fn fact(&self, name: &str) -> Option<f64> {
        let known = self.runs.iter().all(|(run, _)| run.facts.contains_key(name));
        known.then(|| self.median(|run, _| run.facts[name]))
    }

    fn median(&self, figure: impl Fn(&Report, &Report) -> f64) -> f64 {
        let mut figures: Vec<f64> = self.runs.iter().map(|(run, base)| figure(run, base)).collect();
        median(&mut figures)
    }

    fn least(&self, figure: impl Fn(&Report, &Report) -> f64) -> f64 {
        self.runs.iter().map(|(run, base)| figure(run, base)).fold(f64::INFINITY, f64::min)
    }
}

/// The middle one, or the mean of the two in the middle.
pub fn median(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    match figures.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => figures[odd / 2],
        even => f64::midpoint(figures[even / 2 - 1], figures[even / 2]),
    }
}

/// The geometric mean.
pub fn geometric_mean(ratios: &[f64]) -> f64 {
    (ratios.iter().map(|ratio| ratio.ln()).sum::<f64>() / ratios.len() as f64).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_means() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut [4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&mut []).is_nan());
        assert!((geometric_mean(&[1.0, 4.0]) - 2.0).abs() < 1e-12);
    }
}
