//! Allocations that fail on purpose, to test code that handles it.
//!
//! The work runs as it is, and the allocator refuses a request that would have
//! been served: `try_reserve` gets its error, `alloc` its null. A refused request
//! changes nothing. Counted are the requests of the work, wherever a
//! [`Scope`](crate::Scope) carries it; other threads of the process notice nothing.
//!
//! Code that does not handle it (`vec![0; n]`, `Box::new`, `println!`) ends the
//! process through [`handle_alloc_error`](std::alloc::handle_alloc_error): keep it
//! outside, or in a part that runs without injection. A `realloc` that shrinks is
//! not refused.
//!
//! # Cost
//!
//! None while nothing is injected: not one instruction on the allocation path.
//!
//! # Examples
//!
//! ```
//! # #[global_allocator]
//! # static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
//! use heapledger::inject;
//! use std::collections::TryReserveError;
//!
//! fn build() -> Result<(Vec<u8>, Vec<u64>), TryReserveError> {
//!     let (mut bytes, mut words) = (Vec::new(), Vec::new());
//!     bytes.try_reserve(100)?;
//!     words.try_reserve(100)?;
//!     Ok((bytes, words))
//! }
//!
//! // Each allocation fails once, until a run has none left to fail.
//! for n in 0.. {
//!     let run = inject::fail_nth(n, build).unwrap();
//!     assert_eq!(run.value.is_err(), run.fired());
//!     if !run.fired() {
//!         assert_eq!(n, 2, "both were failed");
//!         break;
//!     }
//!     assert_eq!(run.observed.counts.live_bytes(), 0, "no leak");
//! }
//! ```

use super::observation::{Observation, Observed};
use crate::error::Error;
use crate::ledger::injection::{CERTAIN, Plan};

/// What came of a run with failures.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[must_use = "a run says whether a failure was injected: without that, nothing was tested"]
pub struct Injected<R> {
    /// What the work returned.
    pub value: R,
    /// Requests for memory that the work made, the failed ones included.
    pub requests: u64,
    /// How many of them were made to fail.
    pub failures: u64,
    /// What the work did to memory, with what `value` holds.
    pub observed: Observed,
}

impl<R> Injected<R> {
    /// Whether at least one request was made to fail.
    #[must_use]
    pub const fn fired(&self) -> bool {
        self.failures > 0
    }
}

/// Runs work with its `n`th request for memory made to fail; the first is 0.
///
/// # Errors
///
/// The work is not run, for the reasons of [`observe`](super::observe()).
///
/// # Panics
///
/// If the work does. Work that does not handle the failure ends the process.
///
/// # Examples
///
/// See [the module](self).
pub fn fail_nth<R>(n: u64, work: impl FnOnce() -> R) -> Result<Injected<R>, Error> {
    run(Plan::Nth(n), work)
}

/// Runs work with each of its requests for memory made to fail by chance.
///
/// `probability` is from 0 to 1; anything else is taken for the nearer of the two.
/// The same seed fails the same requests, if one thread makes them.
///
/// # Errors
///
/// The work is not run, for the reasons of [`observe`](super::observe()).
///
/// # Panics
///
/// If the work does. Work that does not handle a failure ends the process.
///
/// # Examples
///
/// ```
/// # #[global_allocator]
/// # static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
/// let run = heapledger::inject::fail_random(7, 0.5, || {
///     (0..1000).filter(|_| Vec::<u8>::new().try_reserve(10).is_err()).count()
/// })
/// .unwrap();
/// assert_eq!((run.requests, run.failures), (1000, run.value as u64));
/// assert!(run.value > 400 && run.value < 600);
/// ```
pub fn fail_random<R>(
    seed: u64,
    probability: f64,
    work: impl FnOnce() -> R,
) -> Result<Injected<R>, Error> {
    // Saturates; no number is 0.
    let probability = (probability * CERTAIN as f64) as u64;
    run(Plan::Random { seed, probability }, work)
}

fn run<R>(plan: Plan, work: impl FnOnce() -> R) -> Result<Injected<R>, Error> {
    let observation = Observation::open(plan)?;
    let value = observation.run(work);
    let (requests, failures) = observation.injected();
    Ok(Injected { value, requests, failures, observed: observation.close() })
}
