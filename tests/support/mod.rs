//! What the tests of the whole allocator share: a reference ledger, blocks that
//! know their contents, layouts from every regime, backends that are hostile
//! within the law, and the workload of the property test.
//!
//! The allocator under test is called directly as a `GlobalAlloc`, beside the
//! program's own: then everything that it counts, untagged blocks included, is
//! the test's, and must equal the model to the byte.

#![allow(dead_code, reason = "every test program uses a part of it")]

pub mod backends;
pub mod block;
pub mod checked;
pub mod layouts;
pub mod ledger;
pub mod model;
pub mod random;
pub mod workload;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Untagged counts are the process's: tests that compare them take turns.
pub fn one_at_a_time() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}
