//! Truth in tests: what is counted is the work, whatever else the process does.
//!
//! The tests run beside each other on purpose, under tags that they share.

mod attribute;
mod baseline;
mod counting;
mod handed_over;
mod inject;
mod limits;
mod messages;
mod peaks;
mod threads;

#[path = "../support/random.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod random;

use std::panic::{AssertUnwindSafe, catch_unwind};

use heapledger::testing::{Observed, observe};

#[global_allocator]
static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();

/// What the work did; its value is dropped inside.
fn seen<R>(work: impl FnOnce() -> R) -> Observed {
    observe(|| drop(std::hint::black_box(work()))).expect("an installed allocator").1
}

/// Runs one test of this program in a process of its own, with a variable set that
/// tells it so.
fn child(test: &str, variable: &str) -> std::process::Output {
    std::process::Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", test, "--nocapture"])
        .env(variable, "1")
        .env("RUST_BACKTRACE", "0")
        .output()
        .expect("a process")
}

/// The message of a panic that has to come.
fn panic_of<R>(work: impl FnOnce() -> R) -> String {
    let Err(panic) = catch_unwind(AssertUnwindSafe(work)) else { panic!("it did not panic") };
    *panic.downcast::<String>().expect("a formatted message")
}
