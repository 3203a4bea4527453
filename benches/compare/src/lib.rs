//! What every contender runs: the workloads, the proof and the protocol.
//!
//! A contender is a binary with its own `#[global_allocator]` over the same
//! jemalloc. Its `main` calls [`run`], which reads a [`Job`] from the command
//! line, does it, and prints one line of JSON, a [`Report`]. The binary `compare`
//! starts contenders as child processes and makes tables of what they print.
//!
//! This library is compiled once for all of them: the machine code of a workload
//! is the same in every contender, up to the allocator it calls.

mod contender;
mod job;
pub mod memory;
pub mod micro;
mod proof;
mod report;

pub use contender::{Contender, Counted, NOT_A_COUNTER, OwnWorkload, run};
pub use job::{Job, JobError, Workload};
pub use proof::PROOF_BYTES;
pub use report::Report;
