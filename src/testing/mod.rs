//! Truth in tests: what a piece of work did to memory, whatever else runs.
//!
//! Counters of a process mix the tests that run in parallel, and counters of a
//! thread lose what the work hands to others. What is here counts *the work*: all
//! that its thread does between its beginning and its end, under whatever tags,
//! and what it hands over by way of a [`Scope`](crate::Scope), as heapledger's
//! wrappers for threads, futures and pools do.
//!
//! - `#[heapledger::test]`: a budget for a whole test.
//! - [`assert_allocs!`](crate::assert_allocs), [`assert_peak!`](crate::assert_peak),
//!   [`assert_no_growth!`](crate::assert_no_growth): budgets for an expression.
//! - [`observe`]: the numbers themselves.
//! - [`inject`]: allocations that fail on purpose.
//!
//! # What is counted
//!
//! An *allocation* is a request for memory that succeeded; a `realloc` is one. What
//! is *live* is allocated minus freed, both by the work: a block from before that
//! the work frees counts below zero, and a block that it gives away stays live
//! until somebody frees it inside the work. The *peak* is the largest live seen:
//! exact while one thread works. With several, it can be off by what they allocate
//! and free during one look (a few microseconds), and below the truth by 16 KiB for
//! each further thread.
//!
//! All of the work counts, also what is easily forgotten: `println!` under the
//! test harness grows a buffer, the first use of a lazy static stays live, so does
//! the pool of a plain `rayon` call that is the first, and tokio's `yield_now` fills a
//! buffer of the runtime.
//!
//! What carries the work is not part of it. What `std`, crossbeam and rayon allocate
//! for a thread or a job is not counted where they are called through heapledger
//! ([`thread`](mod@crate::thread), `heapledger::crossbeam`, `heapledger::rayon`): they free
//! it when nobody may be inside of the work any more. Plain `std::thread::spawn` and
//! `tokio::spawn` lose the work (it runs, and is not counted), and `std`'s part is
//! counted where it is allocated: about 150 bytes a thread, a leak to `no_leaks`. So
//! are the block that tokio allocates for a task and the threads that it starts, also
//! through heapledger: a runtime with several threads frees them where it likes. Give a
//! test that spawns tasks there a `max_live`, not `no_leaks`.
//!
//! # Cost
//!
//! None where nothing is observed. Around the work a tenth of a microsecond; in it
//! 5 ns an allocation, and 20 to 100 ns for one that makes a new peak, the more the
//! more threads there are.

mod baseline;
mod budget;
pub mod inject;
mod macros;
mod observation;
#[doc(hidden)]
pub mod run;
mod table;

pub use budget::Budget;
pub use observation::{Observed, TagGrowth, observe};

/// 1,024 bytes, for [`assert_peak!`](crate::assert_peak).
pub const KIB: u64 = 1 << 10;
/// 1,048,576 bytes, for [`assert_peak!`](crate::assert_peak).
pub const MIB: u64 = 1 << 20;
