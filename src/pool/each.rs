//! Code that is not ours, once for each of many.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Hands each item to `body`, even if it panics; then panics as it did first.
pub(crate) fn each<I>(items: impl IntoIterator<Item = I>, mut body: impl FnMut(I)) {
    let mut panic = None;
    for item in items {
        let outcome = catch_unwind(AssertUnwindSafe(|| body(item)));
        panic = panic.or(outcome.err());
    }
    if let Some(panic) = panic {
        resume_unwind(panic);
    }
}
