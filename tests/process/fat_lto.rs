//! Hazard 28: the allocator under fat link-time optimisation.
//!
//! Inlined across crates, the address of a thread-local may be kept over calls
//! during which the code moves to another thread. The ledger takes it anew at every
//! call and never holds it over one. Shown: the quick workload of
//! `crates/probe` (four threads, every regime, blocks handed over, 800,000 turns)
//! agrees to the byte in a release build with `lto = "fat"` and one code unit. (The
//! backend is the system's: C is not touched by this optimisation, and jemalloc
//! would be compiled once more for the other profile. `HEAPLEDGER_LTO_JEMALLOC=1`
//! does that.)
//! Code that moves to another thread *inside* an allocator call (stackful
//! coroutines) is not supported, here as anywhere.
//!
//! Seen to fail: with `book_free` left out of `dealloc_odd` in `alloc/freeing.rs`.

mod support;

use std::process::Command;

use support::{build, env_number, say, watchdog};

#[test]
fn the_workload_agrees_with_fat_lto() {
    watchdog(900);
    let backend = if env_number("HEAPLEDGER_LTO_JEMALLOC", 0) == 1 { "jemalloc" } else { "system" };
    let features = ["--no-default-features", "--features", backend];
    let fat =
        ["--config", "profile.release.lto=\"fat\"", "--config", "profile.release.codegen-units=1"];
    let build = |settings: &[&str]| {
        let program = build::release("heapledger-process-probe", &[&features, settings].concat());
        program.join("heapledger-process-probe")
    };
    let plain = std::fs::read(build(&[])).expect("just built");
    let program = build(&fat);
    assert_ne!(std::fs::read(&program).expect("just built"), plain, "built with the same settings");

    let output = Command::new(&program).output().expect("the program runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}: {said}", output.status);
    say(format_args!("fat_lto: {backend}, {}", said.trim_end()));
}
