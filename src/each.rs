//! Code that is not ours, once for each of many.

use std::any::Any;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Hands each item to `body`, even if it panics; then panics as it did first.
///
/// A panic half-way would drop the rest untold, and abort if one of them panics, too.
pub(crate) fn each<I>(items: impl IntoIterator<Item = I>, mut body: impl FnMut(I)) {
    let mut panic = None;
    for item in items {
        match catch_unwind(AssertUnwindSafe(|| body(item))) {
            Err(payload) if panic.is_none() => panic = Some(payload),
            outcome => drop_payload(outcome.err()),
        }
    }
    if let Some(panic) = panic {
        resume_unwind(panic);
    }
}

/// Drops what somebody panicked with, and what that panics with in turn. What does not
/// come to an end is forgotten.
pub(crate) fn drop_payload(payload: Option<Box<dyn Any + Send>>) {
    const ATTEMPTS: usize = 16;
    let mut rest = payload;
    for _ in 0..ATTEMPTS {
        match catch_unwind(AssertUnwindSafe(|| drop(rest))) {
            Ok(()) => return,
            Err(next) => rest = Some(next),
        }
    }
    mem::forget(rest);
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Panics when it is dropped, with another one.
    struct Bomb(u32);

    impl Drop for Bomb {
        fn drop(&mut self) {
            if self.0 > 0 {
                std::panic::panic_any(Bomb(self.0 - 1));
            }
        }
    }

    #[test]
    fn all_come_whatever_they_panic_with_and_the_first_goes_on() {
        let mut came = 0;
        let body = |item: u32| {
            came += 1;
            std::panic::panic_any(Bomb(item));
        };
        let outcome = catch_unwind(AssertUnwindSafe(|| each([0, 3, 1], body)));
        let first = outcome.unwrap_err().downcast::<Bomb>().map(|it| it.0);
        assert_eq!((first.ok(), came), (Some(0), 3));
    }
}
