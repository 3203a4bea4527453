//! The notification comes once, at the end of the thread, after Rust's
//! thread-locals are gone (hazard 1).

#![cfg(unix)]

use core::ffi::c_void;
use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use heapledger_alloc_sys::thread_exit::ExitKey;

/// What happened at the end of a thread, in order.
type Log = Mutex<Vec<&'static str>>;

/// Writes a line when it is dropped.
struct Line(Arc<Log>, &'static str);

impl Drop for Line {
    fn drop(&mut self) {
        self.0.lock().unwrap().push(self.1);
    }
}

thread_local! {
    static LINE: RefCell<Option<Line>> = const { RefCell::new(None) };
}

/// Takes the log that `arm` was given.
unsafe extern "C" fn notified(log: *mut c_void) {
    // SAFETY: `Arc::into_raw` made it for exactly this call.
    let log = unsafe { Arc::from_raw(log.cast::<Log>().cast_const()) };
    log.lock().unwrap().push("notified");
}

fn arm(key: &ExitKey, log: &Arc<Log>) -> bool {
    let value = Arc::into_raw(Arc::clone(log)).cast_mut().cast();
    // SAFETY: each key of these tests has one destructor, which takes such a value.
    unsafe { key.arm(notified, value) }
}

#[test]
fn after_the_thread_locals_in_either_order() {
    static KEY: ExitKey = ExitKey::new();
    for local_first in [true, false] {
        let log = Arc::new(Log::default());
        let inner = Arc::clone(&log);
        let set_local = |log: &Arc<Log>| {
            LINE.set(Some(Line(Arc::clone(log), "thread-local dropped")));
        };
        let ended = thread::spawn(move || {
            if local_first {
                set_local(&inner);
            }
            assert!(arm(&KEY, &inner));
            if !local_first {
                set_local(&inner);
            }
        });
        ended.join().unwrap();
        assert_eq!(*log.lock().unwrap(), ["thread-local dropped", "notified"]);
    }
}

#[test]
fn null_disarms_and_the_last_value_counts() {
    static KEY: ExitKey = ExitKey::new();
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    unsafe extern "C" fn count(value: *mut c_void) {
        CALLS.fetch_add(value.addr(), Ordering::Relaxed);
    }
    let arm = |value: usize| {
        // SAFETY: `count` takes any value.
        assert!(unsafe { KEY.arm(count, core::ptr::without_provenance_mut(value)) });
    };
    thread::spawn(move || {
        arm(5);
        arm(0);
    })
    .join()
    .unwrap();
    assert_eq!(CALLS.load(Ordering::Relaxed), 0);
    thread::spawn(move || {
        arm(5);
        arm(7);
    })
    .join()
    .unwrap();
    assert_eq!(CALLS.load(Ordering::Relaxed), 7);
}

/// The destructor may arm again: what allocates late can be counted late.
#[test]
fn armed_again_by_the_destructor() {
    static KEY: ExitKey = ExitKey::new();
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    unsafe extern "C" fn again(value: *mut c_void) {
        CALLS.fetch_add(1, Ordering::Relaxed);
        if value.addr() > 1 {
            // SAFETY: `again` takes any value.
            unsafe { KEY.arm(again, core::ptr::without_provenance_mut(value.addr() - 1)) };
        }
    }
    thread::spawn(|| {
        // SAFETY: `again` takes any value.
        assert!(unsafe { KEY.arm(again, core::ptr::without_provenance_mut(3)) });
    })
    .join()
    .unwrap();
    assert_eq!(CALLS.load(Ordering::Relaxed), 3);
}

/// The number of the next key that the process would create: the lowest free one.
fn next_key() -> usize {
    let mut key: libc::pthread_key_t = 0;
    // SAFETY: `key` is valid for a write.
    assert_eq!(unsafe { libc::pthread_key_create(&raw mut key, None) }, 0);
    // SAFETY: created above and used by nobody.
    assert_eq!(unsafe { libc::pthread_key_delete(key) }, 0);
    key as usize
}

/// Threads that create the key at the same moment agree on one, and the losers
/// delete theirs: a process has 1,024 keys.
#[test]
fn a_race_for_the_key_leaves_one() {
    const ROUNDS: usize = 256;
    const THREADS: usize = 4;
    // What the other tests of this program may create meanwhile.
    const OTHER_KEYS: usize = 8;
    static KEYS: [ExitKey; ROUNDS] = [const { ExitKey::new() }; ROUNDS];
    let first = next_key();
    for key in &KEYS {
        let log = Arc::new(Log::default());
        let waiting = Arc::new(AtomicUsize::new(THREADS));
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                let (log, waiting) = (Arc::clone(&log), Arc::clone(&waiting));
                thread::spawn(move || {
                    // Spinning: a barrier would wake one thread after another.
                    waiting.fetch_sub(1, Ordering::Relaxed);
                    while waiting.load(Ordering::Relaxed) != 0 {
                        core::hint::spin_loop();
                    }
                    assert!(arm(key, &log), "no key left");
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(log.lock().unwrap().len(), THREADS);
    }
    let used = next_key() - first;
    assert!(used <= ROUNDS + OTHER_KEYS, "{used} keys for {ROUNDS}");
}
