//! A contender: an allocator, and what the common runner has to know of it.

use std::process::ExitCode;

use heapledger_programs::ThreadStart;

use crate::memory::{jemalloc_thread_allocated_bytes, peak_rss_kib, reset_peak_rss};
use crate::micro::hand_over::Block;
use crate::{Job, Report, Workload, micro, proof};

/// Runs work that allocates and frees nothing, and tells how many bytes the
/// allocator's own counter says were allocated meanwhile.
pub type Counted = fn(&mut dyn FnMut()) -> u64;

/// A workload that the other contenders do not have, by name.
pub type OwnWorkload = (&'static str, fn(&Job) -> Report);

/// What the runner has to know of an allocator.
#[derive(Clone, Copy)]
pub struct Contender {
    /// The name in tables; also the name of the binary.
    pub name: &'static str,
    /// Brings the allocator into the state in which it counts.
    pub start: fn(),
    /// Enters a scope for the rest of the calling thread's life, if it has scopes.
    pub enter_thread: ThreadStart,
    /// Its counter; none for an allocator that does not count.
    pub counted: Option<Counted>,
    /// What only this one can run.
    pub own_workloads: &'static [OwnWorkload],
    /// Figures to add to every report.
    pub facts: fn(&mut Report),
}

/// An allocator that does not count: nothing to start, to enter or to read.
pub const NOT_A_COUNTER: Contender = Contender {
    name: "",
    start: || {},
    enter_thread: || {},
    counted: None,
    own_workloads: &[],
    facts: |_| {},
};

/// The whole `main` of a contender.
pub fn run(contender: &Contender) -> ExitCode {
    let job = match Job::parse(std::env::args().skip(1)) {
        Ok(job) => job,
        Err(error) => {
            eprintln!("{}: {error}", contender.name);
            return ExitCode::from(2);
        }
    };
    (contender.start)();
    if job.scoped {
        (contender.enter_thread)();
    }
    let before = jemalloc_thread_allocated_bytes();
    let Some(mut report) = work(contender, &job) else {
        eprintln!("{}: has no workload `{}`", contender.name, job.workload);
        return ExitCode::from(2);
    };
    report.contender = contender.name.to_owned();
    report.peak_rss_kib = peak_rss_kib();
    if report.jemalloc_bytes == 0 {
        report.jemalloc_bytes = jemalloc_thread_allocated_bytes() - before;
    }
    (contender.facts)(&mut report);
    match serde_json::to_string(&report) {
        Ok(line) => println!("{line}"),
        Err(error) => {
            eprintln!("{}: {error}", contender.name);
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn work(contender: &Contender, job: &Job) -> Option<Report> {
    let enter = if job.scoped { contender.enter_thread } else { || {} };
    Some(match &job.workload {
        Workload::Proof => {
            let proof = proof::prove(contender);
            Report {
                own_bytes: proof.own_bytes,
                jemalloc_bytes: proof.jemalloc_bytes,
                ..Report::default()
            }
        }
        Workload::Pair(size) => micro::pair::run(*size, job.threads, enter),
        Workload::Mixed => micro::mixed::run(job.threads, enter),
        Workload::HandOver => micro::hand_over::run(job.threads, enter, Block::read_and_free),
        Workload::HandOverUnread => micro::hand_over::run(job.threads, enter, Block::free),
        Workload::Footprint => micro::footprint::run(job.threads, enter),
        Workload::Program(program) => {
            let outcome = program.run(enter, reset_peak_rss);
            Report {
                wall_ns: outcome.wall_ns as f64,
                cpu_ns: outcome.cpu_ns as f64,
                checksum: outcome.checksum,
                ..Report::default()
            }
        }
        Workload::Own(name) => {
            let (_, own) = contender.own_workloads.iter().find(|(own, _)| own == name)?;
            own(job)
        }
    })
}
