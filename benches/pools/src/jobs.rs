//! The workloads. Each returns nanoseconds per acquisition and release.

use std::cell::UnsafeCell;
use std::hint::black_box;
use std::mem::MaybeUninit;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crossbeam_utils::{Backoff, CachePadded};

use crate::contenders::{Contender, Source};

/// Objects that a thread holds in the job of that name.
const HELD: usize = 64;
/// Objects on their way from a producer to its consumer at most.
const RING: usize = 512;
/// Objects handed over with one word.
const BATCH: usize = 64;

/// Where threads wait for each other, and the clock starts.
struct Start(Barrier);

impl Start {
    fn time(&self, body: impl FnOnce()) -> Duration {
        self.0.wait();
        let begin = Instant::now();
        body();
        begin.elapsed()
    }
}

/// Runs `body` with a number each on so many threads at one time, each on a processor
/// of its own; returns nanoseconds per round of the slowest.
fn on_threads(
    threads: usize,
    rounds: usize,
    body: impl Fn(usize, &Start) -> Duration + Sync,
) -> f64 {
    let start = Start(Barrier::new(threads));
    let (start, body) = (&start, &body);
    let times = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads)
            .map(|thread| {
                scope.spawn(move || {
                    stay_on_processor(thread);
                    body(thread, start)
                })
            })
            .collect();
        handles.into_iter().map(|it| it.join().expect("no panic")).max()
    });
    times.map_or(0.0, |time| time.as_nanos() as f64 / rounds as f64)
}

/// Keeps the calling thread on one of the processors that it may use, so that the
/// distance between two threads is the same in every round.
#[cfg(target_os = "linux")]
fn stay_on_processor(thread: usize) {
    let size = size_of::<libc::cpu_set_t>();
    // SAFETY: a set is a plain array of bits; the calls get its size, and `CPU_ISSET`
    // and `CPU_SET` numbers below that.
    unsafe {
        let mut may: libc::cpu_set_t = std::mem::zeroed();
        if libc::sched_getaffinity(0, size, &raw mut may) != 0 {
            return;
        }
        let there: Vec<usize> = (0..8 * size).filter(|&it| libc::CPU_ISSET(it, &may)).collect();
        let mut one: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(there[thread % there.len()], &mut one);
        libc::sched_setaffinity(0, size, &raw const one);
    }
}

#[cfg(not(target_os = "linux"))]
fn stay_on_processor(_: usize) {}

/// Acquire, write a word, release.
pub fn one<S: Source>(source: &S, threads: usize, rounds: usize) -> f64 {
    on_threads(threads, rounds, |_, start| {
        source.with(|pool| start.time(|| one_loop(pool, rounds)))
    })
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
pub fn held<S: Source>(source: &S, threads: usize, rounds: usize) -> f64 {
    on_threads(threads, rounds / HELD * HELD, |_, start| {
        source.with(|pool| start.time(|| held_loop(pool, rounds / HELD)))
    })
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

/// One thread acquires from a pool and writes, another reads and releases; for each pool
/// such a pair.
pub fn hand_over<'a, C, const PAIRS: usize>(pools: [&'a C; PAIRS], rounds: usize) -> f64
where
    C: Contender<Guard<'a>: Send> + Sync,
{
    let rings = pools.map(|_| Ring::new());
    let rounds = rounds / BATCH * BATCH;
    on_threads(2 * PAIRS, rounds, |role, start| {
        let (ring, pool) = (&rings[role / 2], pools[role / 2]);
        start.time(|| {
            if role.is_multiple_of(2) {
                ring.send(rounds, |round| {
                    let mut object = pool.acquire();
                    object[1] = round as u64;
                    object
                });
            } else {
                ring.receive(rounds, |object: C::Guard<'a>| {
                    black_box(object[1]);
                });
            }
        })
    })
}

/// A ring for one sender and one receiver: the cheapest way to hand over there is. What
/// was sent and received is told once for each batch, so that neither runs after the
/// other from object to object.
struct Ring<T> {
    places: Vec<UnsafeCell<MaybeUninit<T>>>,
    sent: CachePadded<AtomicUsize>,
    received: CachePadded<AtomicUsize>,
}

// SAFETY: a place is the receiver's from the store to `sent` that tells of it to the
// store to `received` that does, and the sender's else.
unsafe impl<T: Send> Sync for Ring<T> {}

impl<T> Ring<T> {
    fn new() -> Self {
        Self {
            places: (0..RING).map(|_| UnsafeCell::new(MaybeUninit::uninit())).collect(),
            sent: CachePadded::default(),
            received: CachePadded::default(),
        }
    }

    /// Sends so many, a multiple of a batch; called by one thread.
    fn send(&self, count: usize, mut make: impl FnMut(usize) -> T) {
        let mut free_up_to = RING;
        for number in 0..count {
            if number == free_up_to {
                free_up_to = RING + wait_for(&self.received, number - RING);
            }
            let value = make(number);
            // SAFETY: free, so it is the sender's.
            unsafe { (*self.places[number % RING].get()).write(value) };
            if (number + 1).is_multiple_of(BATCH) {
                self.sent.store(number + 1, Ordering::Release);
            }
        }
    }

    /// Receives so many; called by one thread.
    fn receive(&self, count: usize, mut take: impl FnMut(T)) {
        let mut there_up_to = 0;
        for number in 0..count {
            if number == there_up_to {
                there_up_to = wait_for(&self.sent, number);
            }
            // SAFETY: there, so it is the receiver's.
            take(unsafe { (*self.places[number % RING].get()).assume_init_read() });
            if (number + 1).is_multiple_of(BATCH) {
                self.received.store(number + 1, Ordering::Release);
            }
        }
    }
}

/// Spins until the number is beyond `from`, then lets others run; returns it.
fn wait_for(number: &AtomicUsize, from: usize) -> usize {
    let backoff = Backoff::new();
    loop {
        match number.load(Ordering::Acquire) {
            it if it > from => return it,
            _ => backoff.snooze(),
        }
    }
}
