//! What the macros expand to.

use core::future::{Future, poll_fn};
use core::pin::pin;
use std::process::ExitCode;

use super::budget::Budget;
use super::observation::{Observation, Observed};
use crate::error::Error;
use crate::ledger::injection::Plan;

/// What a test may return.
#[diagnostic::on_unimplemented(
    message = "a test with a budget returns `()`, a `Result` or an `ExitCode`, not `{Self}`"
)]
pub trait TestOutcome {
    /// Whether the test has failed already, and says so itself.
    fn is_failure(&self) -> bool;
}

impl TestOutcome for () {
    fn is_failure(&self) -> bool {
        false
    }
}

impl<T, E> TestOutcome for Result<T, E> {
    fn is_failure(&self) -> bool {
        self.is_err()
    }
}

impl TestOutcome for ExitCode {
    fn is_failure(&self) -> bool {
        *self != Self::SUCCESS
    }
}

/// Runs the body of a test.
#[track_caller]
pub fn test<R: TestOutcome>(budget: &Budget, body: impl FnOnce() -> R) -> R {
    let observation = open("#[heapledger::test]");
    let outcome = observation.run(body);
    judge(budget, observation.close(), outcome)
}

/// Runs the body of an `async` test.
pub async fn test_async<R: TestOutcome>(budget: &Budget, body: impl Future<Output = R>) -> R {
    let observation = open("#[heapledger::test]");
    let mut body = pin!(body);
    let outcome = poll_fn(|context| observation.run(|| body.as_mut().poll(context))).await;
    // The body's own memory goes with its last poll: an async block drops what it
    // holds before it is ready.
    judge(budget, observation.close(), outcome)
}

#[track_caller]
fn judge<R: TestOutcome>(budget: &Budget, seen: Observed, outcome: R) -> R {
    if !outcome.is_failure() {
        fail(budget, &seen, "the test is over its budget");
    }
    outcome
}

/// Runs an expression.
#[track_caller]
pub fn check<R>(budget: &Budget, what: &str, body: impl FnOnce() -> R) -> R {
    let observation = open(what);
    let value = observation.run(body);
    fail(budget, &observation.close(), what);
    value
}

/// Runs an expression many times, first so that whatever grows once has grown.
#[track_caller]
pub fn check_no_growth<R>(what: &str, iterations: u64, mut body: impl FnMut() -> R) {
    for _ in 0..(iterations / 10).max(1) {
        drop(body());
    }
    let observation = open(what);
    observation.run(|| (0..iterations).for_each(|_| drop(body())));
    fail(&Budget::new().no_leaks(), &observation.close(), what);
}

#[track_caller]
fn fail(budget: &Budget, seen: &Observed, what: &str) {
    if let Err(message) = budget.check(seen) {
        panic!("{what}\n{message}");
    }
}

#[track_caller]
fn open(what: &str) -> Observation {
    let cannot = |error: Error| panic!("{what} cannot count: {error}");
    Observation::open(Plan::None).unwrap_or_else(cannot)
}
