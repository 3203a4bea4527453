//! Hazard 30: allocating, reading and checking at the very end of a process.
//!
//! A child process (this program once more) keeps blocks in statics and in
//! thread-locals, leaves threads running, and returns from `main`. Then an
//! `atexit` function, a function in `.fini_array` and the main thread's own late
//! destructors allocate, free what was kept, and read. The last one runs
//! `self_check()` and compares the kept tag with what it must be; if anything is
//! wrong it ends the process with a code of its own. Shown: a hundred exits, by
//! `return`, by `process::exit`, with and without threads still allocating, all
//! with code 0 and no signal.
//!
//! Seen to fail: with a wrong expectation in `the_last_function` (code 71), and
//! with `book_free` in `ledger/cell.rs` booking no bytes (code 72).
//!
//! Longer: `HEAPLEDGER_EXITS=1000`.

mod support;

use std::cell::RefCell;
use std::hint::black_box;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use heapledger::{Tag, scope};
use support::{env_number, role, say, this_program, watchdog};

#[global_allocator]
static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();

static KEPT: Tag = Tag::new("kept to the end");
static KEPT_BLOCKS: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());
static IS_CHILD: AtomicBool = AtomicBool::new(false);
static OTHERS_RUN: AtomicBool = AtomicBool::new(false);
static LATE_CALLS: AtomicU64 = AtomicU64::new(0);

fn end_with(code: i32) -> ! {
    // SAFETY: ends the process at once.
    unsafe { libc::_exit(code) }
}

fn late_work() {
    for size in [1, 8, 100, 600, 70_000] {
        let mut block = scope!("late", black_box(vec![1_u8; size]));
        block.reserve_exact(size);
        drop(black_box(block));
        drop(black_box(vec![1_u8; size]));
    }
    LATE_CALLS.fetch_add(1, SeqCst);
}

extern "C" fn at_exit() {
    late_work();
}

/// The last of the program's own code that runs.
extern "C" fn the_last_function() {
    if !IS_CHILD.load(SeqCst) {
        return;
    }
    late_work();
    let live = || KEPT.read().map_or(u64::MAX, |reading| reading.own.live_bytes());
    if live() != 3 * 4000 {
        end_with(71);
    }
    match KEPT_BLOCKS.lock() {
        Ok(mut kept) => drop(std::mem::take(&mut *kept)),
        Err(_) => end_with(74),
    }
    if live() != 0 {
        end_with(72);
    }
    match heapledger::self_check() {
        Ok(()) => {}
        // Where threads still allocate there is no moment of rest to check.
        Err(_) if OTHERS_RUN.load(SeqCst) => {}
        Err(_) => end_with(73),
    }
    // The thread-local's destructor (musl calls none at `exit`), `atexit`, and this.
    let expected = if cfg!(target_env = "musl") { 2 } else { 3 };
    if LATE_CALLS.load(SeqCst) < expected {
        end_with(75);
    }
}

#[used]
#[unsafe(link_section = ".fini_array")]
static LAST: extern "C" fn() = the_last_function;

/// A thread-local of a thread that may still live when the process ends.
struct Late;

impl Drop for Late {
    fn drop(&mut self) {
        late_work();
    }
}

thread_local! {
    static LATE: RefCell<Option<Late>> = const { RefCell::new(None) };
}

fn child(role: &str) {
    IS_CHILD.store(true, SeqCst);
    watchdog(20);
    // SAFETY: the function may run at any time.
    unsafe { libc::atexit(at_exit) };
    let mut kept = KEPT_BLOCKS.lock().expect("nobody panics");
    kept.reserve_exact(3);
    for _ in 0..3 {
        kept.push(KEPT.run(|| vec![1_u8; 4000]));
    }
    drop(kept);
    LATE.set(Some(Late));
    if role.contains("threads") {
        OTHERS_RUN.store(true, SeqCst);
        for _ in 0..3 {
            std::thread::spawn(|| {
                LATE.set(Some(Late));
                loop {
                    drop(scope!("still running", black_box(vec![1_u8; 300])));
                }
            });
        }
    }
    if role.contains("exit") {
        std::process::exit(0);
    }
}

#[test]
fn the_end_of_a_process() {
    if let Some(role) = role() {
        return child(&role);
    }
    watchdog(300);
    let exits = env_number("HEAPLEDGER_EXITS", 100);
    for number in 0..exits {
        let role =
            ["return", "exit", "return with threads", "exit with threads"][(number % 4) as usize];
        let output =
            this_program("the_end_of_a_process", role).output().expect("this program runs");
        assert!(
            output.status.success(),
            "exit {number} ({role}): {}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    say(format_args!("at_exit: {exits} exits, each checked in .fini_array, all with code 0"));
}
