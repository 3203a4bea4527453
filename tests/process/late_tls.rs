//! Hazard 1: allocating and freeing in the destructors of thread-locals, and after
//! them.
//!
//! Threads by the hundred end with two thread-locals whose destructors allocate,
//! grow, free and hand blocks over, made in both orders, and with three POSIX keys
//! that come back for as many rounds as the system goes: one key older than the
//! ledger's own (made before the first allocation), so its destructor runs before
//! the thread's counters are given back, and two younger ones, whose destructors
//! run after. Shown: what a witness around the allocator counted is, to the byte,
//! what the ledger says (I1), in total and for the two tags used.
//!
//! Seen to fail: with `retire` in `alloc/local.rs` leaving the shard in place (the
//! next holder of the slot and the late calls then write the same cells); with
//! `book_free_unregistered` in `alloc/booking.rs` booking nothing.
//!
//! Longer: `HEAPLEDGER_LATE_THREADS=100_000`.

mod support;

use std::cell::RefCell;
use std::ffi::c_void;
use std::hint::black_box;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};

use heapledger::{Counts, Tag, scope};
use support::witness::Witness;
use support::{env_number, ledger_total, say, watchdog};

#[global_allocator]
static GLOBAL: Witness = Witness::new();

static LATE: Tag = Tag::new("late");
/// Bytes that the late calls made under `LATE`, by the test's own count.
static LATE_BYTES: AtomicU64 = AtomicU64::new(0);
static LATE_CALLS: AtomicU64 = AtomicU64::new(0);
/// Destructors that ran, each with some fifty calls.
static DESTRUCTORS: AtomicU64 = AtomicU64::new(0);

/// Blocks on their way from one thread's end to another's; its room is made early.
static HANDED_OVER: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());
const ROOM: usize = 1000;

/// Allocates, grows and frees, in a scope and outside; hands a block to whoever
/// ends later, and frees one that came that way.
fn late_work(size: usize) {
    DESTRUCTORS.fetch_add(1, SeqCst);
    hammer(20);
    let mut tagged = LATE.run(|| Vec::<u8>::with_capacity(size));
    let before = tagged.capacity();
    tagged.reserve_exact(size * 3);
    // A realloc frees the old size and allocates the new one.
    LATE_BYTES.fetch_add((before + tagged.capacity()) as u64, SeqCst);
    LATE_CALLS.fetch_add(2, SeqCst);
    drop(black_box(vec![1_u8; size * 2]));
    drop(black_box(scope!("late/inner", Box::new(size))));
    // Pushed within the room: the list itself does not grow.
    let mut handed_over = HANDED_OVER.lock().expect("nobody panics");
    let earlier = if handed_over.len() == ROOM { handed_over.pop() } else { None };
    handed_over.push(tagged);
    drop(handed_over);
    drop(earlier);
}

/// Many blocks in a moment, so that two threads that count in one place (the one
/// that ends, and the next holder of its slot) would lose some.
fn hammer(blocks: u64) {
    for _ in 0..blocks {
        drop(LATE.run(|| black_box(Box::new([1_u8; 40]))));
    }
    LATE_BYTES.fetch_add(40 * blocks, SeqCst);
    LATE_CALLS.fetch_add(blocks, SeqCst);
}

/// A thread-local that works when it is dropped.
struct Late(usize, #[allow(dead_code)] Box<u64>);

impl Drop for Late {
    fn drop(&mut self) {
        late_work(self.0);
    }
}

thread_local! {
    static FIRST: RefCell<Option<Late>> = const { RefCell::new(None) };
    static SECOND: RefCell<Option<Late>> = const { RefCell::new(None) };
}

const NO_KEY: usize = usize::MAX;
static OLDER_KEY: AtomicUsize = AtomicUsize::new(NO_KEY);
static YOUNGER_KEYS: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];
/// The most rounds that one key's destructor saw.
static ROUNDS: AtomicUsize = AtomicUsize::new(0);

/// `value` is the round, from 1; arms itself for the next one as the system lets it.
unsafe extern "C" fn key_destructor<const KEY: usize>(value: *mut c_void) {
    let round = value.addr();
    ROUNDS.fetch_max(round, SeqCst);
    late_work(20 * (KEY + 1) + round);
    if round < 8 {
        arm(KEY, round + 1);
    }
}

fn arm(key: usize, round: usize) {
    let key = if key == 0 { &OLDER_KEY } else { &YOUNGER_KEYS[key - 1] };
    let value = std::ptr::without_provenance::<c_void>(round);
    // SAFETY: the key was made and is never deleted; the value is only a number.
    let error = unsafe { libc::pthread_setspecific(key.load(SeqCst) as _, value) };
    assert_eq!(error, 0);
}

fn make_key(place: &AtomicUsize, destructor: unsafe extern "C" fn(*mut c_void)) {
    let mut key = 0;
    // SAFETY: `key` is valid for a write; the destructor takes any value.
    let error = unsafe { libc::pthread_key_create(&raw mut key, Some(destructor)) };
    assert_eq!(error, 0);
    place.store(key as usize, SeqCst);
}

/// Runs before `main`, and so before the first allocation.
#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = {
    extern "C" fn before_main() {
        if GLOBAL.counts() == Counts::ZERO {
            make_key(&OLDER_KEY, key_destructor::<0>);
        }
    }
    before_main
};

/// One thread's life: a little work, and everything arranged for its end.
fn live_and_end(number: u64) {
    hammer(500);
    let (first, second) = (Late(33, Box::new(1)), Late(77, Box::new(2)));
    if number.is_multiple_of(2) {
        FIRST.set(Some(first));
        SECOND.set(Some(second));
    } else {
        SECOND.set(Some(second));
        FIRST.set(Some(first));
    }
    for key in 0..3 {
        arm(key, 1);
    }
}

#[test]
fn what_a_thread_does_at_its_end_is_counted() {
    watchdog(600);
    assert_ne!(OLDER_KEY.load(SeqCst), NO_KEY, "something allocated before `before_main`");
    make_key(&YOUNGER_KEYS[0], key_destructor::<1>);
    make_key(&YOUNGER_KEYS[1], key_destructor::<2>);
    HANDED_OVER.lock().expect("nobody panics").reserve_exact(ROOM);

    let wanted = env_number("HEAPLEDGER_LATE_THREADS", 4_000);
    // Eight rows of threads, so that some begin while others end.
    let threads = wanted.next_multiple_of(8);
    std::thread::scope(|scope| {
        for row in 0..8 {
            scope.spawn(move || {
                for number in (row..threads).step_by(8) {
                    let thread = std::thread::spawn(move || live_and_end(number / 8));
                    thread.join().expect("no panic at the end of a thread");
                }
            });
        }
    });
    assert!(ROUNDS.load(SeqCst) >= 4, "POSIX promises four rounds");

    let tag = LATE.read().expect("installed").own;
    assert_eq!(tag.allocated_bytes, LATE_BYTES.load(SeqCst), "bytes of the late calls");
    assert_eq!(tag.allocated_blocks, LATE_CALLS.load(SeqCst));
    assert_eq!(tag.live_blocks(), ROOM as u64, "the blocks that wait to be handed over");
    HANDED_OVER.lock().expect("nobody panics").clear();
    let tag = LATE.read().expect("installed").own;
    assert_eq!((tag.live_bytes(), tag.live_blocks()), (0, 0), "I1");
    let inner = Tag::register("late/inner").expect("known").read().expect("installed").own;
    assert!(inner.allocated_blocks >= 8 * threads);
    assert_eq!((inner.live_bytes(), inner.live_blocks()), (0, 0), "I1");

    assert_eq!(ledger_total(), GLOBAL.counts(), "the ledger against the witness");
    assert_eq!(heapledger::self_check(), Ok(()));
    say(format_args!(
        "late_tls: {threads} threads, {} late destructors, {} rounds of keys, 0 lost",
        DESTRUCTORS.load(SeqCst),
        ROUNDS.load(SeqCst)
    ));
}
