//! Hazard 43: no locked instruction between an allocation and the backend, nor where an
//! object goes out of a pool and comes back.
//!
//! A `lock` prefix costs more than all of the bookkeeping, and a shared cache line
//! ten times more on four threads. The functions on every path that a thread with
//! counters of its own takes are read from a release build: none has a locked
//! instruction (or `xchg` with memory, which is locked without saying so). What it
//! costs in instructions is gated by `ci/instructions.sh`.
//!
//! Seen to fail: a function with a `fetch_add` is planted in the program and must
//! be found.

#![cfg(target_arch = "x86_64")]

mod support;

use support::machine_code::Program;
use support::{build, say};

/// Every function that serves a thread which has its shard, by whatever layout, and the
/// fast paths of pools, which know no other.
const FAST: [&str; 23] = [
    "___rust_alloc",
    "___rust_dealloc",
    "___rust_realloc",
    "___rust_alloc_zeroed",
    "alloc_tiny",
    "alloc_scoped",
    "alloc_scoped_odd",
    "alloc_scoped_small",
    "alloc_untagged",
    "record_small",
    "record_large",
    "alloc_aligned",
    "alloc_aligned_scoped",
    "alloc_zeroed",
    "dealloc_odd",
    "dealloc_small",
    "dealloc_word",
    "dealloc_aligned",
    "realloc",
    "regrow_tiny",
    // An object out of a pool and back, and what a `Pool` calls for the way back.
    "heapledger_pool_pair",
    "heapledger_static_pool_pair",
    "check_in",
];

fn locked<'a>(program: &'a Program, symbol: &str) -> Vec<&'a str> {
    let is_locked =
        |line: &&str| line.starts_with("lock") || (line.starts_with("xchg") && line.contains('('));
    program.0[symbol].instructions.iter().map(String::as_str).filter(is_locked).collect()
}

#[test]
fn the_fast_paths_have_no_locked_instruction() {
    let program = build::release("heapledger-process-probe", &[]).join("heapledger-process-probe");
    let program = Program::read(&program);

    for planted in program.named("heapledger_planted_lock") {
        assert_eq!(locked(&program, planted).len(), 1, "the planted lock was not found");
    }

    let mut instructions = 0;
    let mut functions = 0;
    for name in FAST {
        for symbol in program.named(name) {
            let found = locked(&program, symbol);
            assert!(found.is_empty(), "{symbol} has {found:?}");
            functions += 1;
            instructions += program.0[symbol].instructions.len();
        }
    }
    assert!(instructions >= 200, "only {instructions} instructions: the reading is wrong");
    say(format_args!("no_lock: {instructions} instructions in {functions} functions, 0 locked"));
}
