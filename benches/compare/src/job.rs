//! A job: which workload a contender runs, and how. As text, a command line.

use std::fmt;
use std::str::FromStr;

use heapledger_programs::Program;

/// What to run, in one child process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// What is run.
    pub workload: Workload,
    /// Everything in scopes, on every thread.
    pub scoped: bool,
    /// Threads of a micro workload; the programs choose their own.
    pub threads: usize,
}

/// A workload, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Workload {
    /// `proof`: is this allocator installed, and does it count?
    Proof,
    /// `pair-<size>`: a block allocated and freed at once.
    Pair(usize),
    /// `mixed`: 10,000 blocks of mixed sizes, freed in random order.
    Mixed,
    /// `hand-over`: blocks written by one thread, read and freed by another.
    HandOver,
    /// `hand-over-unread`: the same, freed without a look.
    HandOverUnread,
    /// `footprint`: resident memory with idle threads.
    Footprint,
    /// One of the five programs.
    Program(Program),
    /// A workload that only some contenders have.
    Own(String),
}

impl Job {
    /// The job's command line.
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments = vec![self.workload.to_string(), self.threads.to_string()];
        arguments.extend(self.scoped.then(|| "scoped".to_owned()));
        arguments
    }

    /// The job of a command line: `<workload> [threads] [scoped]`.
    ///
    /// # Errors
    ///
    /// If an argument is missing or means nothing.
    pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, JobError> {
        let mut arguments = arguments.into_iter();
        let workload = arguments.next().ok_or(JobError::NoWorkload)?.parse()?;
        let mut job = Self { workload, scoped: false, threads: 1 };
        for argument in arguments {
            match argument.parse() {
                Ok(threads) if threads > 0 => job.threads = threads,
                _ if argument == "scoped" => job.scoped = true,
                _ => return Err(JobError::Argument(argument)),
            }
        }
        Ok(job)
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Proof => f.write_str("proof"),
            Self::Pair(size) => write!(f, "pair-{size}"),
            Self::Mixed => f.write_str("mixed"),
            Self::HandOver => f.write_str("hand-over"),
            Self::HandOverUnread => f.write_str("hand-over-unread"),
            Self::Footprint => f.write_str("footprint"),
            Self::Program(program) => program.fmt(f),
            Self::Own(name) => f.write_str(name),
        }
    }
}

impl FromStr for Workload {
    type Err = JobError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Ok(match name {
            "proof" => Self::Proof,
            "mixed" => Self::Mixed,
            "hand-over" => Self::HandOver,
            "hand-over-unread" => Self::HandOverUnread,
            "footprint" => Self::Footprint,
            _ => match (name.strip_prefix("pair-"), name.parse()) {
                (Some(size), _) => match size.parse() {
                    Ok(size) if size > 0 => Self::Pair(size),
                    _ => return Err(JobError::Argument(name.to_owned())),
                },
                (None, Ok(program)) => Self::Program(program),
                (None, Err(_)) => Self::Own(name.to_owned()),
            },
        })
    }
}

/// Why a command line is no job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobError {
    /// The command line is empty.
    NoWorkload,
    /// This argument means nothing.
    Argument(String),
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoWorkload => f.write_str("usage: <contender> <workload> [threads] [scoped]"),
            Self::Argument(argument) => write!(f, "what is `{argument}`?"),
        }
    }
}

impl std::error::Error for JobError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_survives_its_command_line() {
        let names = ["proof", "pair-24", "mixed", "hand-over", "hand-over-unread", "json", "own"];
        for name in names {
            for (scoped, threads) in [(false, 1), (true, 4)] {
                let job = Job { workload: name.parse().unwrap(), scoped, threads };
                assert_eq!(Job::parse(job.arguments()), Ok(job));
            }
        }
    }

    #[test]
    fn nonsense_is_refused() {
        assert_eq!(Job::parse([]), Err(JobError::NoWorkload));
        for nonsense in [["pair-0", "1"], ["pair-x", "1"], ["mixed", "0"], ["mixed", "fast"]] {
            assert!(Job::parse(nonsense.map(str::to_owned)).is_err());
        }
    }
}
