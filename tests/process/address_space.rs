//! Hazard 14: `ulimit -v`, from 60 MB up, and not a page left for the tables.
//!
//! This program runs itself again under each limit. There it works in scopes on
//! several threads; then it takes all of the address space that is left, so that
//! neither the backend nor the ledger can map another page, and goes on allocating
//! in every regime until the backend has nothing left either, on a thread that has
//! counters and on threads that find none. Shown: no child crashes or aborts;
//! `faults()` counts exactly the blocks whose owner could not be recorded, and all
//! bytes are accounted (I8: the ledger equals the witness); once there is memory
//! again, everything works as before.
//!
//! What is not ours: jemalloc crashes by itself where a thread's very first call
//! finds no memory for an arena, so threads meet it before memory ends.
//!
//! Seen to fail: with `record_slow` in `alloc/allocating.rs` not raising its fault.
//!
//! Longer: `HEAPLEDGER_LIMITS_STEP_MB=1` takes every limit up to 1 GB.

#![cfg(target_os = "linux")]

mod support;

use std::ffi::c_void;
use std::hint::black_box;
use std::os::unix::process::CommandExt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};

use heapledger::backend::{Backend, DefaultBackend};
use heapledger::{Faults, Tag, faults, scope};
use support::witness::Witness;
use support::{env_number, ledger_total, role, say, this_program, watchdog};

#[global_allocator]
static GLOBAL: Witness = Witness::new();

static TAG: Tag = Tag::new("under a limit");
static ON_THREADS: Tag = Tag::new("under a limit/threads");
const SIZES: [usize; 7] = [3, 8, 100, 400, 700, 5000, 70_000];

/// Maps everything that is left, without memory behind it.
struct Filler(Vec<(*mut c_void, usize)>);

impl Filler {
    fn take_all(room: Vec<(*mut c_void, usize)>) -> Self {
        let mut filler = Self(room);
        let mut bytes = 1 << 30;
        while bytes >= 4096 && filler.0.len() < filler.0.capacity() {
            // SAFETY: a fresh mapping that nobody touches.
            let pages = unsafe {
                let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
                libc::mmap(std::ptr::null_mut(), bytes, libc::PROT_NONE, flags, -1, 0)
            };
            if pages == libc::MAP_FAILED {
                bytes /= 2;
            } else {
                filler.0.push((pages, bytes));
            }
        }
        filler
    }

    fn give_back(self) {
        for (pages, bytes) in self.0 {
            // SAFETY: mapped by `take_all`, used by nobody.
            unsafe { libc::munmap(pages, bytes) };
        }
    }
}

/// A block, or `None` if there is no memory.
fn try_block(size: usize) -> Option<Vec<u8>> {
    let mut block = Vec::new();
    block.try_reserve_exact(size).ok()?;
    Some(block)
}

/// Threads that are there, and have not allocated when memory ends: more than ever
/// allocated at one time before. (Few, as jemalloc wants some 4 MB for each.)
const WAITING: usize = 3;
static GO: AtomicUsize = AtomicUsize::new(0);
static THREADS_BYTES: AtomicU64 = AtomicU64::new(0);
static THREADS_BLOCKS: AtomicU64 = AtomicU64::new(0);
static READY: AtomicUsize = AtomicUsize::new(0);
static DONE: AtomicUsize = AtomicUsize::new(0);

extern "C" fn waiting_thread(_: *mut c_void) -> *mut c_void {
    // The backend, not the ledger, sees this thread now: where jemalloc has no
    // memory for a thread it meets for the first time, it crashes by itself.
    let backend = DefaultBackend::default();
    let layout = std::alloc::Layout::new::<u64>();
    // SAFETY: the size is not 0; freed with its own layout.
    unsafe {
        let block = backend.allocate(layout);
        assert!(!block.is_null());
        backend.free(block, layout);
    }
    READY.fetch_add(1, SeqCst);
    while GO.load(SeqCst) == 0 {
        std::thread::yield_now();
    }
    let mut kept = [const { None }; SIZES.len()];
    for (place, size) in kept.iter_mut().zip(SIZES) {
        *place = ON_THREADS.run(|| try_block(size));
        if place.is_some() {
            THREADS_BLOCKS.fetch_add(1, SeqCst);
            THREADS_BYTES.fetch_add(size as u64, SeqCst);
        }
    }
    DONE.fetch_add(1, SeqCst);
    while GO.load(SeqCst) == 1 {
        std::thread::yield_now();
    }
    drop(kept);
    std::ptr::null_mut()
}

/// Not `std`'s threads: those allocate as they begin.
fn start_waiting() -> [libc::pthread_t; WAITING] {
    [(); WAITING].map(|()| {
        // A number or a pointer, as the system likes.
        let mut thread = std::mem::MaybeUninit::<libc::pthread_t>::zeroed();
        // SAFETY: plain attributes with a small stack; the body takes anything.
        unsafe {
            let mut attributes = std::mem::zeroed();
            libc::pthread_attr_init(&raw mut attributes);
            libc::pthread_attr_setstacksize(&raw mut attributes, 128 << 10);
            let error = libc::pthread_create(
                thread.as_mut_ptr(),
                &raw const attributes,
                waiting_thread,
                std::ptr::null_mut(),
            );
            assert_eq!(error, 0, "a thread before memory ends");
            thread.assume_init()
        }
    })
}

fn work_as_usual() {
    for _ in 0..50 {
        let kept = scope!("as usual", SIZES.map(|size| black_box(vec![1_u8; size])));
        drop(black_box(kept));
    }
}

/// On one thread after the other.
fn work_on_threads() {
    for _ in 0..4 {
        let worker = std::thread::Builder::new().stack_size(256 << 10).spawn(work_as_usual);
        worker.expect("a thread").join().expect("no panic");
    }
}

fn live_blocks(tag: &Tag) -> u64 {
    tag.read().expect("installed").own.live_blocks()
}

/// As `assert_eq`, where there is no memory to panic with.
fn require_eq<T: PartialEq + std::fmt::Debug>(found: T, expected: T, what: &str) {
    if found != expected {
        say(format_args!("{what}: {found:?}, expected {expected:?}"));
        // SAFETY: ends the process at once.
        unsafe { libc::_exit(70) };
    }
}

/// Enough to take some 900 MB.
const MANY: usize = 80_000;

/// Allocates under the tag until nothing is left of any size; every fault is one
/// block less under the tag.
fn allocate_to_the_end(kept: &mut Vec<Vec<u8>>) -> Faults {
    let before = faults();
    let mut is_left = [true; SIZES.len()];
    while is_left.contains(&true) && kept.len() < MANY {
        for (is_left, size) in is_left.iter_mut().zip(SIZES).filter(|(is_left, _)| **is_left) {
            match TAG.run(|| try_block(size)) {
                Some(block) => kept.push(block),
                None => *is_left = false,
            }
        }
    }
    let after = faults();
    let ownerless = after.blocks_without_owner - before.blocks_without_owner;
    require_eq(live_blocks(&TAG), kept.len() as u64 - ownerless, "a fault for each, and no more");
    after
}

/// With `fill`, all address space is taken first; else the blocks take it.
fn child(fill: bool) {
    watchdog(120);
    let room_for_blocks: Vec<Vec<u8>> = Vec::with_capacity(MANY + SIZES.len());
    let room_for_pages = Vec::with_capacity(1 << 12);
    work_on_threads();
    let threads = start_waiting();
    while READY.load(SeqCst) < WAITING {
        std::thread::yield_now();
    }
    // The backend keeps this address space, and has something to give later.
    drop(black_box(vec![0_u8; 2 << 20]));
    let quiet = faults();
    require_eq(quiet.blocks_without_owner + quiet.no_memory_for_tables, 0, "faults before the end");

    let filler = if fill { Filler::take_all(room_for_pages) } else { Filler(Vec::new()) };
    let mut kept = room_for_blocks;
    let full = allocate_to_the_end(&mut kept);
    require_eq(full.failed_requests > quiet.failed_requests || kept.len() >= MANY, true, "refused");
    // Now there is something again, for the threads.
    kept.truncate(kept.len() / 2);
    GO.store(1, SeqCst);
    while DONE.load(SeqCst) < WAITING {
        std::thread::yield_now();
    }
    let after = faults();
    let found_none = after.no_memory_for_tables > quiet.no_memory_for_tables;
    require_eq(found_none || !fill, true, "threads find no counters");
    let ownerless = after.blocks_without_owner - full.blocks_without_owner;
    let blocks_on_threads = THREADS_BLOCKS.load(SeqCst) - ownerless;
    require_eq(live_blocks(&ON_THREADS), blocks_on_threads, "blocks of the threads");
    require_eq(ledger_total(), GLOBAL.counts(), "I8: the ledger against the witness");

    let blocks = kept.len();
    filler.give_back();
    GO.store(2, SeqCst);
    for thread in threads {
        // SAFETY: started above, joined once.
        unsafe { libc::pthread_join(thread, std::ptr::null_mut()) };
    }
    drop(kept);
    assert_eq!((live_blocks(&TAG), live_blocks(&ON_THREADS)), (0, 0), "I1");
    work_as_usual();
    // Where blocks took the address space, the backend keeps it: for stacks and
    // tables there is no more than before.
    if fill {
        work_on_threads();
        let recovered = faults();
        assert_eq!(recovered.blocks_without_owner, after.blocks_without_owner);
        assert_eq!(recovered.failed_requests, after.failed_requests);
    }
    assert_eq!(ledger_total(), GLOBAL.counts());
    assert_eq!(heapledger::self_check(), Ok(()));
    say(format_args!(
        "{blocks} blocks, without owner {}, refused {}, tables {}, slots {}",
        after.blocks_without_owner,
        after.failed_requests,
        after.no_memory_for_tables,
        after.threads_without_slot
    ));
}

#[test]
fn a_small_address_space() {
    if let Some(role) = role() {
        return child(role == "filled");
    }
    watchdog(900);
    let step = env_number("HEAPLEDGER_LIMITS_STEP_MB", 0);
    let limits: Vec<u64> = match step {
        0 => vec![60, 62, 64, 66, 68, 70, 75, 80, 90, 100, 128, 200, 300, 500, 1000],
        step => (60..=1024).step_by(step as usize).collect(),
    };
    let mut without_owner = 0;
    for limit in &limits {
        for role in ["filled", "as it comes"] {
            let said = run_under(limit * 1_000_000, role);
            without_owner += u64::from(!said.contains("without owner 0,"));
        }
    }
    assert!(without_owner > 0, "no limit hurt: the test does not reach what it is about");
    say(format_args!(
        "address_space: {} limits twice, 0 crashes, {without_owner} with blocks without owner",
        limits.len()
    ));
}

/// Runs this program again under a limit; returns what it said.
fn run_under(bytes: u64, role: &str) -> String {
    let mut command = this_program("a_small_address_space", role);
    // glibc's own malloc reserves 64 MB for a thread that calls it (`std` does).
    command.env("MALLOC_ARENA_MAX", "1");
    // SAFETY: between fork and exec only `setrlimit` is called.
    unsafe {
        command.pre_exec(move || {
            let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
            match libc::setrlimit(libc::RLIMIT_AS, &raw const limit) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            }
        });
    }
    let output = command.output().expect("this program runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{bytes} bytes, {role}: {}\n{said}", output.status);
    said
}
