//! Hazard 25: two copies of the crate in one process.
//!
//! This program has a ledger, and loads a shared library that has one of its own,
//! with a jemalloc of its own. They exchange blocks through C functions: who
//! allocated a block frees it, the other reads it and copies it. Shown: after a
//! hundred thousand exchanges on four threads each ledger holds exactly its own
//! blocks, during and after (I1), and neither counts the other's.
//!
//! Seen to fail: with the program freeing a block of the library itself (its own
//! jemalloc does not know the block, and crashes).
//!
//! Longer: `HEAPLEDGER_EXCHANGES=1_000_000`.

#![cfg(target_os = "linux")]

mod support;

use std::ffi::CString;
use std::path::Path;

use heapledger::{Tag, scope};
use support::{build, env_number, say, watchdog};

#[global_allocator]
static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();

static OWN: Tag = Tag::new("plugin/host");

#[derive(Clone, Copy)]
struct Plugin {
    block: extern "C" fn(usize, u8) -> *mut u8,
    free: unsafe extern "C" fn(*mut u8, usize),
    sum: unsafe extern "C" fn(*const u8, usize) -> u64,
    live_bytes: extern "C" fn() -> i64,
    self_check: extern "C" fn() -> i32,
}

fn load() -> Plugin {
    let built = build::release("heapledger-process-plugin", &["--features", "cdylib"])
        .join("libheapledger_process_plugin.so");
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("plugin_beside_a_ledger.so");
    std::fs::copy(built, &kept).expect("the library is there");
    let path = CString::new(kept.to_str().expect("a path")).expect("a path");
    // SAFETY: the library's initialisers are Rust's own; the symbols have the types
    // that the plugin gives them.
    unsafe {
        let handle = libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL);
        assert!(!handle.is_null(), "{:?}", std::ffi::CStr::from_ptr(libc::dlerror()));
        macro_rules! symbol {
            ($name:literal, $type:ty) => {{
                let symbol = libc::dlsym(handle, $name.as_ptr());
                assert!(!symbol.is_null(), "{:?}", $name);
                std::mem::transmute::<*mut std::ffi::c_void, $type>(symbol)
            }};
        }
        Plugin {
            block: symbol!(c"plugin_block", extern "C" fn(usize, u8) -> *mut u8),
            free: symbol!(c"plugin_free", unsafe extern "C" fn(*mut u8, usize)),
            sum: symbol!(c"plugin_sum", unsafe extern "C" fn(*const u8, usize) -> u64),
            live_bytes: symbol!(c"plugin_live_bytes", extern "C" fn() -> i64),
            self_check: symbol!(c"plugin_self_check", extern "C" fn() -> i32),
        }
    }
}

/// Returns what is left alive, in the library and here.
fn exchange(plugin: Plugin, number: u64, exchanges: u64) -> (i64, Vec<Vec<u8>>) {
    let mut left_there = 0;
    let mut left_here = Vec::new();
    for turn in 0..exchanges {
        let bytes = 1 + ((turn * 31 + number * 7) % 2500) as usize;
        let theirs = (plugin.block)(bytes, turn as u8);
        // SAFETY: the library gave a block of this many bytes.
        let copy = OWN.run(|| unsafe { std::slice::from_raw_parts(theirs, bytes) }.to_vec());
        assert!(copy.iter().all(|byte| *byte == turn as u8));
        // SAFETY: the copy is valid for reading.
        let sum = unsafe { (plugin.sum)(copy.as_ptr(), bytes) };
        assert_eq!(sum, bytes as u64 * (turn % 256));
        if turn % 1000 == 999 {
            left_there += bytes as i64;
            left_here.push(copy);
        } else {
            // SAFETY: the library's own block, freed once.
            unsafe { (plugin.free)(theirs, bytes) };
        }
    }
    (left_there, left_here)
}

#[test]
fn two_ledgers_in_one_process() {
    watchdog(900);
    let plugin = load();
    // The library's ledger begins with the library's first allocation.
    let first = (plugin.block)(1, 0);
    // SAFETY: the library's own block, freed once.
    unsafe { (plugin.free)(first, 1) };
    assert_eq!((plugin.live_bytes)(), 0);
    let exchanges = env_number("HEAPLEDGER_EXCHANGES", 100_000) / 4;
    let mut left_there = 0;
    let mut left_here = scope!("list", Vec::new());
    std::thread::scope(|scope| {
        let workers: Vec<_> =
            (0..4).map(|n| scope.spawn(move || exchange(plugin, n, exchanges))).collect();
        for worker in workers {
            let (there, here) = worker.join().expect("no panic");
            left_there += there;
            left_here.extend(here);
        }
    });
    // The same name in both: the library's ledger has a tag "plugin" with blocks
    // below it, and so has this one.
    let own = || OWN.read().expect("installed").own;
    let expected: usize = left_here.iter().map(Vec::len).sum();
    assert_eq!(own().live_bytes(), expected as u64, "this ledger");
    assert_eq!((plugin.live_bytes)(), left_there, "the library's ledger");
    assert_eq!(left_there, expected as i64);
    assert_eq!(own().allocated_blocks, 4 * exchanges);
    drop(left_here);
    assert_eq!((own().live_bytes(), own().live_blocks()), (0, 0), "I1");
    assert_eq!((plugin.live_bytes)(), left_there, "the library's is not touched");
    assert_eq!((plugin.self_check)(), 0);
    assert_eq!(heapledger::self_check(), Ok(()));
    say(format_args!("two_ledgers: {} exchanges on 4 threads, each ledger exact", 4 * exchanges));
}
