//! Contenders as child processes: built, proved, run.

use std::fmt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use heapledger_bench::{Job, PROOF_BYTES, Report, Workload};
use heapledger_programs::text::FOLDER_VARIABLE;

use crate::paired::Candidate;

/// Why there is no table.
#[derive(Debug)]
pub struct Failure(pub String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The contenders' binaries, beside this one.
pub struct Contenders {
    folder: PathBuf,
    text: Option<PathBuf>,
}

impl Contenders {
    /// Builds the binaries with the cargo that runs this, or takes those that are
    /// there if none does.
    pub fn build(text: Option<PathBuf>) -> Result<Self, Failure> {
        if cfg!(debug_assertions) {
            return Err(Failure("only --release builds are worth comparing".to_owned()));
        }
        let own = std::env::current_exe().map_err(|error| Failure(error.to_string()))?;
        let folder = own.parent().map(PathBuf::from).unwrap_or_default();
        if let Some(cargo) = std::env::var_os("CARGO") {
            let mut build = Command::new(cargo);
            build.args(["build", "--release", "--quiet", "--bins", "--manifest-path"]);
            build.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
            build.arg("--target-dir").arg(folder.parent().unwrap_or(&folder));
            if !build.status().is_ok_and(|status| status.success()) {
                return Err(Failure("the contenders do not build".to_owned()));
            }
        }
        Ok(Self { folder, text })
    }

    /// Lets a contender do a job.
    pub fn run(&self, candidate: Candidate, job: &Job) -> Result<Report, Failure> {
        let contender = candidate.contender;
        let failure = |what: &dyn fmt::Display| {
            Failure(format!("{contender} {}: {what}", job.arguments().join(" ")))
        };
        let mut command = Command::new(self.folder.join(contender));
        command.args(job.arguments()).stderr(Stdio::inherit());
        // Whatever configures jemalloc from outside would not be in the table.
        command.env_remove("_RJEM_MALLOC_CONF").env_remove("MALLOC_CONF");
        if let Some(folder) = &self.text {
            command.env(FOLDER_VARIABLE, folder);
        }
        let output = command.output().map_err(|error| failure(&error))?;
        if !output.status.success() {
            return Err(failure(&output.status));
        }
        let printed = String::from_utf8_lossy(&output.stdout);
        let line = printed.lines().rfind(|line| line.starts_with('{'));
        serde_json::from_str(line.unwrap_or_default()).map_err(|error| failure(&error))
    }

    /// Makes sure that the candidate's allocator serves, over jemalloc, and counts.
    pub fn prove(&self, candidate: Candidate) -> Result<(), Failure> {
        let job = Job { workload: Workload::Proof, scoped: candidate.scoped, threads: 1 };
        let report = self.run(candidate, &job)?;
        if report.jemalloc_bytes < PROOF_BYTES {
            return Err(Failure(format!("{candidate}: jemalloc did not serve it")));
        }
        match report.own_bytes {
            None if candidate.counts() => Err(Failure(format!("{candidate}: has no counter"))),
            Some(bytes) if bytes != PROOF_BYTES => Err(Failure(format!(
                "{candidate}: counted {bytes} bytes where {PROOF_BYTES} were allocated"
            ))),
            _ => Ok(()),
        }
    }
}
