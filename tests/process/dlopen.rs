//! Hazard 24: a shared library with the ledger, loaded at run time.
//!
//! A library that a host loads gets only what is left of the host's static
//! thread-local memory, and jemalloc's own needs more: without the feature `cdylib`
//! the loader refuses it. With the feature a fresh host (this program once more,
//! which has no ledger of its own) starts threads, loads the library, works in it
//! from threads older and younger than the library, has it start threads of its
//! own, closes it while those threads still live, and ends; ten times. Shown: every
//! load succeeds, the library's ledger is exact, nothing crashes at the threads'
//! ends. Closing must not unmap the library (threads call it once more as they
//! end): it is linked with `-z nodelete`.
//!
//! Seen to fail: the load without the feature, which is part of the test; without
//! `build.rs` of the plugin, where the host dies of a signal at a thread's end.
//!
//! Longer: `HEAPLEDGER_LOADS=1000`. `ctypes.CDLL` in Python does as the host does.

#![cfg(target_os = "linux")]

mod support;

use std::ffi::{CStr, CString, c_void};
use std::path::{Path, PathBuf};
use std::sync::Barrier;

use support::{build, env_number, role, say, this_program, watchdog};

const PLUGIN: &str = "heapledger-process-plugin";
const THREADS: usize = 4;

/// Builds the library and puts it where the next build does not replace it.
fn plugin(name: &str, arguments: &[&str]) -> PathBuf {
    let built = build::release(PLUGIN, arguments).join("libheapledger_process_plugin.so");
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::copy(built, &kept).expect("the library is there");
    kept
}

/// A loaded library; it stays loaded.
#[derive(Clone, Copy)]
struct Plugin {
    handle: *mut c_void,
    work: extern "C" fn(usize) -> u64,
    block: extern "C" fn(usize, u8) -> *mut u8,
    free: unsafe extern "C" fn(*mut u8, usize),
    live_bytes: extern "C" fn() -> i64,
    self_check: extern "C" fn() -> i32,
}

// SAFETY: the functions may be called from any thread.
unsafe impl Send for Plugin {}
// SAFETY: as above.
unsafe impl Sync for Plugin {}

fn load(path: &str) -> Result<Plugin, String> {
    let path = CString::new(path).expect("a path");
    // SAFETY: the library's initialisers are Rust's own; the symbols have the types
    // that the plugin gives them; `dlerror` returns a C string after a failure.
    unsafe {
        let handle = libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL);
        if handle.is_null() {
            return Err(CStr::from_ptr(libc::dlerror()).to_string_lossy().into_owned());
        }
        let symbol = |name: &CStr| {
            let symbol = libc::dlsym(handle, name.as_ptr());
            assert!(!symbol.is_null(), "{name:?}");
            symbol
        };
        Ok(Plugin {
            handle,
            work: std::mem::transmute::<*mut c_void, extern "C" fn(usize) -> u64>(symbol(
                c"plugin_work",
            )),
            block: std::mem::transmute::<*mut c_void, extern "C" fn(usize, u8) -> *mut u8>(symbol(
                c"plugin_block",
            )),
            free: std::mem::transmute::<*mut c_void, unsafe extern "C" fn(*mut u8, usize)>(symbol(
                c"plugin_free",
            )),
            live_bytes: std::mem::transmute::<*mut c_void, extern "C" fn() -> i64>(symbol(
                c"plugin_live_bytes",
            )),
            self_check: std::mem::transmute::<*mut c_void, extern "C" fn() -> i32>(symbol(
                c"plugin_self_check",
            )),
        })
    }
}

/// One thread of the host: takes blocks from the library, and gives most back.
/// Returns what it left there.
fn use_plugin(plugin: Plugin, number: usize) -> i64 {
    let mut left = 0;
    for turn in 0..500 {
        let bytes = 1 + (turn * 37 + number) % 3000;
        let block = (plugin.block)(bytes, turn as u8);
        // SAFETY: the library gave a block of this many bytes.
        unsafe {
            assert_eq!((block.read(), block.add(bytes - 1).read()), (turn as u8, turn as u8));
            if turn == number {
                left += bytes as i64;
            } else {
                (plugin.free)(block, bytes);
            }
        }
    }
    left
}

/// A fresh host.
fn host(path: &str) {
    watchdog(60);
    let loaded = Barrier::new(THREADS + 1);
    let closed = Barrier::new(THREADS + 1);
    let slot = std::sync::OnceLock::<Plugin>::new();
    std::thread::scope(|scope| {
        let older: Vec<_> = (0..THREADS)
            .map(|number| {
                let (loaded, closed, slot) = (&loaded, &closed, &slot);
                scope.spawn(move || {
                    loaded.wait();
                    let left = use_plugin(*slot.get().expect("loaded"), number);
                    // Two more: before and after the library was closed.
                    closed.wait();
                    closed.wait();
                    left
                })
            })
            .collect();
        let plugin = load(path).unwrap_or_else(|error| panic!("{error}"));
        slot.set(plugin).unwrap_or_else(|_| panic!("set once"));
        loaded.wait();
        // (What `std` keeps for a thread that starts others would hold the library
        // as well, as long as that thread lives: this one ends.)
        let younger = scope.spawn(move || {
            assert_eq!((plugin.work)(6), 6 * 10_709, "the library's own threads");
            use_plugin(plugin, 17)
        });
        let younger = younger.join().expect("no panic");
        closed.wait();
        // SAFETY: closed once; the library stays mapped.
        assert_eq!(unsafe { libc::dlclose(plugin.handle) }, 0);
        closed.wait();
        let left: i64 = older.into_iter().map(|thread| thread.join().expect("no panic")).sum();
        let again = load(path).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((again.live_bytes)(), left + younger, "the library's ledger");
        assert_eq!((again.self_check)(), 0);
    });
}

#[test]
fn a_library_loaded_at_run_time() {
    if let Some(path) = role() {
        return host(&path);
    }
    watchdog(900);
    let without = plugin("plugin_without_the_feature.so", &[]);
    let refused = load(&without.to_string_lossy()).err().expect(
        "loaded without the feature `cdylib`: then the feature is not needed on this system",
    );
    assert!(refused.contains("static TLS"), "{refused}");

    let with = plugin("plugin.so", &["--features", "cdylib"]);
    let loads = env_number("HEAPLEDGER_LOADS", 10);
    for number in 0..loads {
        let host = this_program("a_library_loaded_at_run_time", &with.to_string_lossy())
            .output()
            .expect("this program runs");
        let said = String::from_utf8_lossy(&host.stderr);
        assert!(host.status.success(), "host {number}: {}\n{said}", host.status);
    }
    say(format_args!(
        "dlopen: without the feature: {refused}; with it: {loads} fresh hosts, exact"
    ));
}
