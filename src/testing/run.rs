//! What the macros expand to.

use core::future::{Future, poll_fn};
use core::pin::pin;
use std::process::ExitCode;

use super::budget::{Budget, Words};
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

/// An `async` test under way. In three calls, and not in one future: the panics of
/// the first and the last are where the test is.
pub struct AsyncTest(Observation);

impl AsyncTest {
    #[track_caller]
    pub fn begin() -> Self {
        Self(open("#[heapledger::test]"))
    }

    /// Runs the body. Its own memory goes with its last poll: an async block drops
    /// what it holds before it is ready.
    pub async fn run<R: TestOutcome>(self, body: impl Future<Output = R>) -> Finished<R> {
        let mut body = pin!(body);
        let outcome = poll_fn(|context| self.0.run(|| body.as_mut().poll(context))).await;
        Finished { seen: self.0.close(), outcome }
    }
}

/// An `async` test whose body has run.
pub struct Finished<R> {
    seen: Observed,
    outcome: R,
}

impl<R: TestOutcome> Finished<R> {
    #[track_caller]
    pub fn end(self, budget: &Budget) -> R {
        judge(budget, self.seen, self.outcome)
    }
}

#[track_caller]
fn judge<R: TestOutcome>(budget: &Budget, seen: Observed, outcome: R) -> R {
    if !outcome.is_failure() {
        fail("the test is over its budget", budget.check(&seen));
    }
    outcome
}

/// Runs an expression.
#[track_caller]
pub fn check<R>(budget: &Budget, what: &str, body: impl FnOnce() -> R) -> R {
    let observation = open(what);
    let value = observation.run(body);
    fail(what, budget.check_in_words(&observation.close(), &Words::MACROS));
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
    let budget = Budget::new().no_leaks();
    fail(what, budget.check_in_words(&observation.close(), &Words::MACROS));
}

#[track_caller]
fn fail(what: &str, checked: Result<(), String>) {
    if let Err(message) = checked {
        panic!("{what}\n{message}");
    }
}

#[track_caller]
fn open(what: &str) -> Observation {
    let cannot = |error: Error| panic!("{what} cannot count: {error}");
    Observation::open(Plan::None).unwrap_or_else(cannot)
}
