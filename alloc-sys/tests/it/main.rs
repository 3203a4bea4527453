//! What every backend must do, asked of each backend that this build has.
//!
//! The global allocator of this program is the system's: what a backend serves or
//! counts here, a test has asked for.

mod alignment;
mod child;
mod contents;
mod huge;
mod pages;
mod telling;
mod thread_end;

#[path = "../support/mod.rs"]
mod support;

use support::{Block, for_each_backend};
