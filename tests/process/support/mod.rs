//! What the scenarios share. Every scenario is a program of its own and uses a
//! part of this.

#![allow(dead_code)]

pub mod build;
pub mod machine_code;
pub mod witness;

use std::io::Write;
use std::process::Command;

use heapledger::{Counts, TAGS_MAX, TagReading, snapshot_tags};

/// The number in an environment variable, or `otherwise`: how long runs are asked
/// for. A value that is no number is an error, not silence.
pub fn env_number(name: &str, otherwise: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => match text.replace('_', "").parse() {
            Ok(number) => number,
            Err(_) => panic!("{name}={text} is not a number"),
        },
        Err(_) => otherwise,
    }
}

/// Ends the process if it still runs then: a hang is a failure that shows.
pub fn watchdog(seconds: u32) {
    // SAFETY: no handler is set, so the signal's default ends the process.
    unsafe { libc::alarm(seconds) };
}

/// Shows what was measured, also when the test passes: the test harness captures
/// `println!`, not this.
pub fn say(line: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

const ROLE: &str = "HEAPLEDGER_SCENARIO_ROLE";

/// This program once more, to play `role`: only the test named `test` runs there.
pub fn this_program(test: &str, role: &str) -> Command {
    let program = std::env::current_exe().expect("the system knows this program");
    let mut command = Command::new(program);
    command.args([test, "--exact", "--nocapture", "--test-threads=1"]).env(ROLE, role);
    command
}

/// The role this process was started for; `None` in the first one.
pub fn role() -> Option<String> {
    std::env::var(ROLE).ok()
}

/// The sum of all tags by the ledger, in one reading without an allocation.
pub fn ledger_total() -> Counts {
    // On the heap from before, because a test's thread has a small stack.
    static BUFFER: std::sync::Mutex<[TagReading; TAGS_MAX]> =
        std::sync::Mutex::new([TagReading::EMPTY; TAGS_MAX]);
    let mut buffer = BUFFER.lock().expect("no reader panics");
    let readings = snapshot_tags(&mut *buffer).expect("the allocator is installed");
    readings.iter().fold(Counts::default(), |sum, tag| sum.plus(&tag.own))
}

/// Physical memory of this process.
pub fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").expect("a Linux");
    let pages: u64 = text.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("a number");
    pages * 4096
}
