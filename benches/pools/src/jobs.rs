//! The workloads. Each returns nanoseconds per acquisition and release.

use std::cell::UnsafeCell;
use std::hint::black_box;
use std::mem::MaybeUninit;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use crossbeam_utils::{Backoff, CachePadded};

use crate::contenders::Contender;

/// Objects that a thread holds in the job of that name.
const HELD: usize = 64;
/// Objects on their way from a producer to its consumer at most.
const RING: usize = 512;

/// Runs `body` on so many threads at one time; returns nanoseconds per round of the
/// slowest.
fn on_threads(threads: usize, rounds: usize, body: impl Fn() + Sync) -> f64 {
    let start = Barrier::new(threads);
    let times = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    let begin = Instant::now();
                    body();
                    begin.elapsed()
                })
            })
            .collect();
        handles.into_iter().map(|it| it.join().expect("no panic")).max()
    });
    times.map_or(0.0, |time| time.as_nanos() as f64 / rounds as f64)
}

/// Acquire, write a word, release.
pub fn one<C: Contender>(pool: &C, threads: usize, rounds: usize) -> f64 {
    on_threads(threads, rounds, || one_loop(pool, rounds))
}

#[inline(never)]
fn one_loop<C: Contender>(pool: &C, rounds: usize) {
    for round in 0..rounds {
        let mut object = pool.acquire();
        object[1] = round as u64;
        black_box(&mut *object);
    }
}

/// Acquire many, and release them in random order.
pub fn held<C: Contender>(pool: &C, threads: usize, rounds: usize) -> f64 {
    on_threads(threads, rounds / HELD * HELD, || held_loop(pool, rounds / HELD))
}

#[inline(never)]
fn held_loop<C: Contender>(pool: &C, rounds: usize) {
    let mut objects: Vec<Option<C::Guard<'_>>> = (0..HELD).map(|_| None).collect();
    let orders = orders();
    for round in 0..rounds {
        for place in &mut objects {
            let mut object = pool.acquire();
            object[1] = round as u64;
            black_box(&mut *object);
            *place = Some(object);
        }
        for place in &orders[round % orders.len()] {
            objects[*place] = None;
        }
    }
}

/// Some orders of all places, shuffled.
fn orders() -> Vec<Vec<usize>> {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = |limit: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random as usize % limit
    };
    let mut order: Vec<usize> = (0..HELD).collect();
    let shuffled = (0..64).map(|_| {
        (1..HELD).rev().for_each(|place| order.swap(place, below(place + 1)));
        order.clone()
    });
    shuffled.collect()
}

/// One thread acquires and writes, another reads and releases; `pairs` of such.
pub fn hand_over<C: Contender>(pool: &C, pairs: usize, rounds: usize) -> f64 {
    let rings: Vec<_> = (0..pairs).map(|_| Ring::new()).collect();
    let role = AtomicUsize::new(0);
    on_threads(2 * pairs, rounds, || {
        let role = role.fetch_add(1, Ordering::Relaxed);
        let ring = &rings[role / 2];
        for round in 0..rounds {
            if role.is_multiple_of(2) {
                let mut object = pool.acquire();
                object[1] = round as u64;
                ring.send(object);
            } else {
                let object: C::Guard<'_> = ring.receive();
                black_box(object[1]);
            }
        }
    })
}

/// A ring for one sender and one receiver: the cheapest way to hand over there is.
struct Ring<T> {
    /// A cache line each: one that both sides write to would cost more than a pool.
    places: Vec<CachePadded<Place<T>>>,
    sent: CachePadded<AtomicUsize>,
    received: CachePadded<AtomicUsize>,
}

struct Place<T> {
    is_full: AtomicBool,
    value: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: a value in a place is the sender's before the flag is set and the
// receiver's after that. The guards of all contenders but those with a `RefMut` say
// that they are `Send`; that one is not sent.
unsafe impl<T> Sync for Ring<T> {}

impl<T> Ring<T> {
    fn new() -> Self {
        let place = || {
            let value = UnsafeCell::new(MaybeUninit::uninit());
            CachePadded::new(Place { is_full: AtomicBool::new(false), value })
        };
        Self {
            places: (0..RING).map(|_| place()).collect(),
            sent: CachePadded::default(),
            received: CachePadded::default(),
        }
    }

    fn send(&self, value: T) {
        let sent = self.sent.load(Ordering::Relaxed);
        let place = &self.places[sent % RING];
        wait_until(|| !place.is_full.load(Ordering::Acquire));
        // SAFETY: empty, so it is the sender's.
        unsafe { (*place.value.get()).write(value) };
        place.is_full.store(true, Ordering::Release);
        self.sent.store(sent + 1, Ordering::Relaxed);
    }

    fn receive(&self) -> T {
        let received = self.received.load(Ordering::Relaxed);
        let place = &self.places[received % RING];
        wait_until(|| place.is_full.load(Ordering::Acquire));
        // SAFETY: full, so it is the receiver's.
        let value = unsafe { (*place.value.get()).assume_init_read() };
        place.is_full.store(false, Ordering::Release);
        self.received.store(received + 1, Ordering::Relaxed);
        value
    }
}

/// Spins for a while, then lets others run.
fn wait_until(condition: impl Fn() -> bool) {
    let backoff = Backoff::new();
    while !condition() {
        backoff.snooze();
    }
}
