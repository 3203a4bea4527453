//! What a contender prints when its job is done: one line of JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The outcome of a job.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// Who ran it.
    pub contender: String,
    /// Wall time of one operation: the median over the batches of a micro
    /// workload, the one run of a program.
    pub wall_ns: f64,
    /// Processor time of a program, all threads together.
    pub cpu_ns: f64,
    /// The same for all contenders that did the same work.
    pub checksum: u64,
    /// Largest resident size since the work began.
    pub peak_rss_kib: u64,
    /// What jemalloc says that the first thread allocated while this ran.
    pub jemalloc_bytes: u64,
    /// Bytes that the allocator's own counter moved by in the proof.
    pub own_bytes: Option<u64>,
    /// Figures that only some workloads or contenders have.
    pub facts: BTreeMap<String, f64>,
}
