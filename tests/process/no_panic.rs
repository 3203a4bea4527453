//! Hazard 6: there is no way from an allocator call to a panic.
//!
//! A panic in `GlobalAlloc` is undefined behaviour. A release build of a program is
//! disassembled, and from the four functions of the allocator, from what runs at a
//! thread's end and after a fork, and from the interning of a name, every call and
//! jump is followed: none leads to `panic_*`, `unwrap_failed`, a bounds check, an
//! allocation error, or a landing pad. (`out_of_memory.rs` refuses every request.)
//! Calls by pointer cannot be followed; those on the way are counted and shown.
//!
//! Seen to fail: a function with a bounds check, two calls deep, is planted in the
//! program and must be found, with the way to it.

#![cfg(target_arch = "x86_64")]

mod support;

use support::machine_code::Program;
use support::{build, say};

/// What runs when something went wrong in Rust, by parts of symbols.
const PANICS: [&str; 8] = [
    "panic",
    "unwrap_failed",
    "expect_failed",
    "slice_index",
    "_fail",
    "handle_alloc_error",
    "_Unwind_Resume",
    "rust_begin_unwind",
];

/// What catches an unwinding callee at the end of an `extern "C"` function. It is
/// reached by unwinding only, and nothing that is reached begins to unwind.
const GUARD: &str = "panic_cannot_unwind";

/// How many functions are reached, and the shortest part of each way to a panic.
fn ways_to_a_panic(program: &Program, roots: &[&str]) -> (usize, Vec<String>) {
    // jemalloc's own functions are C: they cannot panic, whatever their names.
    let is_rust = |symbol: &str| ["_R", "_ZN", "_Unwind"].iter().any(|it| symbol.starts_with(it));
    let is_panic = |symbol: &str| {
        is_rust(symbol)
            && PANICS.iter().any(|part| symbol.contains(part))
            && !symbol.contains(GUARD)
    };
    let reached = program.reached_from(roots, |symbol| is_panic(symbol) || symbol.contains(GUARD));
    let ways = reached.iter().filter(|(symbol, _)| is_panic(symbol));
    (reached.len(), ways.map(|(_, way)| way.join("\n  -> ")).collect())
}

#[test]
fn no_way_leads_from_the_hook_to_a_panic() {
    let program = build::release("heapledger-process-probe", &[]).join("heapledger-process-probe");
    let program = Program::read(&program);

    let (_, planted) = ways_to_a_panic(&program, &program.named("heapledger_planted_panic"));
    assert!(!planted.is_empty(), "the planted panic was not found");

    let roots: Vec<_> = [
        "___rust_alloc",
        "___rust_dealloc",
        "___rust_realloc",
        "___rust_alloc_zeroed",
        "thread_ends",
        "forked",
        "resolve",
        "intern",
    ]
    .iter()
    .flat_map(|name| program.named(name))
    .collect();
    let (functions, ways) = ways_to_a_panic(&program, &roots);
    assert!(ways.is_empty(), "ways to a panic:\n{}", ways.join("\n\n"));
    assert!(functions >= 50, "only {functions} functions were reached: the reading is wrong");

    let by_pointer: usize = program
        .reached_from(&roots, |_| false)
        .keys()
        .filter(|symbol| symbol.contains("heapledger"))
        .filter_map(|symbol| program.0.get(*symbol))
        .map(|function| function.unknown)
        .sum();
    say(format_args!(
        "no_panic: {functions} functions reached from {} of the hook, 0 ways to a panic, \
         {by_pointer} calls by pointer in ours",
        roots.len()
    ));
}
