//! Hazard 4: `fork` while other threads allocate, name tags, begin and end.
//!
//! The main thread forks by the hundred. Each child allocates in its own tag,
//! names new ones, starts as many threads as the parent has, reads, and exits.
//! Shown: no child hangs (a watchdog in each) or crashes; the child's own tag is
//! exact to the byte; it sees one thread alive, by its true number; the slots of
//! the threads that are gone are free again.
//!
//! Seen to fail: without `registry::keep_only` in `alloc/exit.rs` (a child then
//! sees the parent's threads alive).
//!
//! Longer: `HEAPLEDGER_FORKS=100_000`.

mod support;

use std::ffi::c_void;
use std::hint::black_box;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use heapledger::{Tag, scope};
use support::{env_number, resident_bytes, say, watchdog};

#[global_allocator]
static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();

const THREADS: usize = 8;
static STOP: AtomicBool = AtomicBool::new(false);

/// Allocates in every regime and names tags until told to stop; now and then
/// through a thread that begins and ends.
fn storm(worker: usize) {
    let mut turn = 0_usize;
    while !STOP.load(SeqCst) {
        let tag = Tag::register(&format!("storm {worker}/{}", turn % 300)).expect("there is room");
        let kept = tag.run(|| [1, 7, 40, 500, 600, 70_000].map(|size| black_box(vec![1_u8; size])));
        drop(black_box(vec![0_u64; 100]));
        if turn.is_multiple_of(64) {
            std::thread::spawn(move || drop(kept)).join().expect("no panic");
        }
        turn += 1;
    }
}

/// As many threads at one time as there ever are: from here on every slot in use
/// has its counters, and none is made while the process forks.
fn meet_every_slot() {
    let together = Barrier::new(2 * THREADS);
    std::thread::scope(|scope| {
        for _ in 0..2 * THREADS {
            scope.spawn(|| {
                drop(black_box(Box::new(1)));
                together.wait();
            });
        }
    });
}

/// Threads of a child that live at one time. Not `std`'s: starting one of those
/// takes a lock that a thread of the parent may have held at the fork.
struct Together<'a> {
    own: &'a Tag,
    at: Barrier,
}

impl Together<'_> {
    fn start(&self) -> libc::pthread_t {
        extern "C" fn body(together: *mut c_void) -> *mut c_void {
            // SAFETY: `start` passed it, and whoever started this joins.
            let together = unsafe { &*together.cast::<Together<'_>>() };
            let block = together.own.run(|| black_box(vec![1_u8; 1000]));
            together.at.wait();
            together.at.wait();
            drop(block);
            std::ptr::null_mut()
        }
        // A number or a pointer, as the system likes.
        let mut thread = std::mem::MaybeUninit::<libc::pthread_t>::zeroed();
        let this = std::ptr::from_ref(self).cast_mut().cast::<c_void>();
        // SAFETY: `self` outlives the thread, which the caller joins.
        let error =
            unsafe { libc::pthread_create(thread.as_mut_ptr(), std::ptr::null(), body, this) };
        if error != 0 {
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(18) };
        }
        // SAFETY: set, as there was no error.
        unsafe { thread.assume_init() }
    }
}

/// What a child does; returns its exit code.
fn child(number: u64) -> i32 {
    watchdog(20);
    // SAFETY: gettid takes nothing and cannot fail.
    let os_id = unsafe { libc::gettid() } as u64;
    let Ok(threads) = heapledger::threads() else { return 10 };
    if threads.alive.len() != 1 || threads.alive[0].os_id != os_id {
        return 11;
    }
    let Ok(own) = Tag::register("child/own") else { return 12 };
    let live = || own.read().map_or(u64::MAX, |reading| reading.own.live_bytes());
    let kept = own.run(|| [3, 8, 100, 512, 9000].map(|size| black_box(vec![1_u8; size])));
    if live() != 3 + 8 + 100 + 512 + 9000 {
        return 13;
    }
    scope!("a scope first entered in a child", drop(black_box(Box::new(number))));
    if Tag::register(&format!("child/{}", number % 50)).is_err() {
        return 14;
    }
    // As many threads as the parent had, at one time: they find the slots of those
    // that are gone.
    let slots = heapledger::self_overhead().threads.max(1 + THREADS as u64);
    let together = Together { own: &own, at: Barrier::new(THREADS + 1) };
    let threads = [(); THREADS].map(|()| together.start());
    together.at.wait();
    let seen = (heapledger::threads().map_or(0, |threads| threads.alive.len()), live());
    together.at.wait();
    for thread in threads {
        // SAFETY: started above, joined once.
        unsafe { libc::pthread_join(thread, std::ptr::null_mut()) };
    }
    if seen != (1 + THREADS, 9623 + 1000 * THREADS as u64) {
        return 15;
    }
    if heapledger::self_overhead().threads > slots {
        return 16;
    }
    drop(kept);
    if live() != 0 || heapledger::snapshot().is_err() {
        return 17;
    }
    0
}

#[test]
fn a_forked_child_counts_on() {
    let forks = env_number("HEAPLEDGER_FORKS", 300);
    watchdog(600.max(forks as u32 / 10));
    meet_every_slot();
    let workers: Vec<_> = (0..THREADS).map(|n| std::thread::spawn(move || storm(n))).collect();
    let mut resident_early = 0;
    for number in 0..forks {
        // SAFETY: the child only does what this test is about, and ends by `_exit`.
        match unsafe { libc::fork() } {
            -1 => panic!("fork: {}", std::io::Error::last_os_error()),
            0 => {
                let code = child(number);
                // SAFETY: ends the child at once, without the parent's handlers.
                unsafe { libc::_exit(code) }
            }
            child => {
                let mut status = 0;
                // SAFETY: waits for the child just made.
                let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
                assert_eq!(waited, child);
                assert!(
                    libc::WIFEXITED(status),
                    "fork {number}: the child ended by signal {} ({} is a hang)",
                    libc::WTERMSIG(status),
                    libc::SIGALRM
                );
                assert_eq!(libc::WEXITSTATUS(status), 0, "fork {number}: see `child`");
            }
        }
        if number == forks / 10 {
            resident_early = resident_bytes();
        }
    }
    STOP.store(true, SeqCst);
    for worker in workers {
        worker.join().expect("no panic");
    }
    assert_eq!(heapledger::self_check(), Ok(()), "the parent");
    say(format_args!(
        "fork: {forks} forks with {THREADS} threads allocating, 0 hangs, every child exact, \
         RSS of the parent {:+} KiB after the first tenth",
        (resident_bytes() as i64 - resident_early as i64) / 1024
    ));
}
