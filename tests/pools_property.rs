//! Hazards 34 and 35: whatever eight threads do with a pool, it is as a model says.
//!
//! The model of an object is who has it: a word in the object itself that says
//! whether it is out, written by whoever holds it. The model of the pool is how many
//! objects were made and ended, counted by the objects, and how many guards each
//! thread holds. After each round, when nobody does anything, the statistics have to
//! be those numbers, every request is a hit or a miss, and no limit is exceeded.
//!
//! `HEAPLEDGER_PROPERTY_OPS` says how many operations, 10,000,000 if it is not set.
//!
//! Seen to fail: with an object given back twice when a guard is dropped. (What goes
//! wrong between two instructions only is for the models in `src/tests` and the unit
//! tests of `stack` and `turn`.)

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use heapledger::{Pool, PoolGuard};

#[path = "support/random.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod random;

use random::Random;

#[global_allocator]
static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();

const THREADS: u64 = 8;
const ROUNDS: u64 = 20;
/// What the pool with a weigher retains.
const BYTES_MAX: u64 = 20_000;

/// Who has the object: nobody, or a thread.
const IDLE: u32 = 0;

static MADE: AtomicU64 = AtomicU64::new(0);
static ENDED: AtomicU64 = AtomicU64::new(0);
/// Objects asked for.
static ASKED: AtomicU64 = AtomicU64::new(0);

struct Object {
    holder: AtomicU32,
    /// So that a slot that is used twice, or after its end, is seen by checkers.
    owned: Box<u32>,
}

impl Object {
    fn new() -> Self {
        MADE.fetch_add(1, Ordering::Relaxed);
        Self { holder: AtomicU32::new(IDLE), owned: Box::new(7) }
    }

    /// Goes from one holder to another.
    #[track_caller]
    fn pass(&self, from: u32, to: u32) {
        let before = self.holder.swap(to, Ordering::Relaxed);
        assert_eq!(before, from, "an object has another holder than it should");
        assert_eq!(*self.owned, 7);
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        assert_eq!(*self.holder.get_mut(), IDLE, "an object ended while it was out");
        *self.owned = 0;
        ENDED.fetch_add(1, Ordering::Relaxed);
    }
}

fn operations() -> u64 {
    match std::env::var("HEAPLEDGER_PROPERTY_OPS") {
        Ok(number) => number.parse().expect("HEAPLEDGER_PROPERTY_OPS is a number"),
        Err(_) => 10_000_000,
    }
}

/// One thread's part of a round; returns the guards that it holds at the end.
fn live<'p>(
    pool: &'p Pool<Object>,
    handed: &Mutex<Vec<PoolGuard<'p, Object>>>,
    mut held: Vec<PoolGuard<'p, Object>>,
    me: u32,
    seed: u64,
    operations: u64,
) -> Vec<PoolGuard<'p, Object>> {
    let mut random = Random::new(seed);
    let mut asked = 0;
    for _ in 0..operations {
        let which = random.below(held.len().max(1));
        match random.below(100) {
            // More goes out for a while, and more comes back after that.
            0..45 if held.len() < 300 => {
                asked += 1;
                let guard = pool.acquire();
                guard.pass(IDLE, me);
                held.push(guard);
            }
            0..80 if which < held.len() => {
                let guard = held.swap_remove(which);
                guard.pass(me, IDLE);
                drop(guard);
            }
            80..88 if which < held.len() => {
                let guard = held.swap_remove(which);
                guard.pass(me, u32::MAX);
                handed.lock().unwrap().push(guard);
            }
            88..94 => {
                let guard = handed.lock().unwrap().pop();
                if let Some(guard) = guard {
                    guard.pass(u32::MAX, me);
                    held.push(guard);
                }
            }
            94 if which < held.len() => {
                let guard = held.swap_remove(which);
                guard.pass(me, IDLE);
                drop(PoolGuard::into_inner(guard));
            }
            95 => pool.put(Object::new()),
            96 => {
                asked += 1;
                if let Some(object) = pool.get() {
                    object.pass(IDLE, me);
                    object.pass(me, IDLE);
                }
            }
            97 => {
                let many = random.below(150);
                asked += many as u64;
                let guards = pool.acquire_many(many).unwrap();
                guards.iter().for_each(|guard| guard.pass(IDLE, me));
                guards.iter().for_each(|guard| guard.pass(me, IDLE));
            }
            98 if random.below(300) == 0 => {
                pool.shrink(random.below(1 << 16) as u64);
            }
            _ => {}
        }
    }
    ASKED.fetch_add(asked, Ordering::Relaxed);
    held
}

fn run(name: &str, retained_max: usize, weigher: bool) {
    MADE.store(0, Ordering::Relaxed);
    ENDED.store(0, Ordering::Relaxed);
    ASKED.store(0, Ordering::Relaxed);
    let builder = Pool::builder(name, Object::new).retained_max(retained_max);
    let builder =
        if weigher { builder.retained_bytes_max(BYTES_MAX as usize, |_| 16) } else { builder };
    let pool = builder.build().unwrap();
    let handed = Mutex::new(Vec::new());
    let mut held: Vec<Vec<_>> = (0..THREADS).map(|_| Vec::new()).collect();
    let each = operations() / 3 / ROUNDS / THREADS;
    for round in 0..ROUNDS {
        // New threads every round: they inherit what those of the last one kept.
        held = std::thread::scope(|scope| {
            let lives: Vec<_> = (0..THREADS)
                .zip(held)
                .map(|(thread, held)| {
                    let (pool, handed) = (&pool, &handed);
                    let seed = round * THREADS + thread + 1;
                    let me = thread as u32 + 1;
                    scope.spawn(move || live(pool, handed, held, me, seed, each))
                })
                .collect();
            lives.into_iter().map(|life| life.join().unwrap()).collect()
        });
        let out = held.iter().map(Vec::len).sum::<usize>() + handed.lock().unwrap().len();
        let (made, ended) = (MADE.load(Ordering::Relaxed), ENDED.load(Ordering::Relaxed));
        let it = pool.statistics();
        assert_eq!((it.created, it.dropped, it.in_use), (made, ended, out as u64), "{it:?}");
        assert_eq!(it.retained, made - ended - out as u64, "{it:?}");
        assert!(it.high_water >= it.in_use, "{it:?}");
        assert_eq!(it.hits + it.misses, ASKED.load(Ordering::Relaxed), "{it:?}");
        assert!(it.retained <= retained_max as u64, "{it:?}");
        // Each weighs 16.
        assert!(!weigher || it.retained <= BYTES_MAX / 16, "{it:?}");
    }
    for (thread, guards) in held.into_iter().enumerate() {
        guards.iter().for_each(|guard| guard.pass(thread as u32 + 1, IDLE));
    }
    handed.into_inner().unwrap().iter().for_each(|guard| guard.pass(u32::MAX, IDLE));
    pool.shrink_idle();
    assert_eq!(pool.statistics().in_use, 0);
    drop(pool);
    let (made, ended) = (MADE.load(Ordering::Relaxed), ENDED.load(Ordering::Relaxed));
    assert_eq!(made, ended, "an object was lost, or ended twice");
    let tag = heapledger::Tag::register(&format!("pool/{name}")).unwrap();
    assert_eq!(tag.read().unwrap().own.live_bytes(), 0, "nothing is left of it");
}

/// One after the other: they share the counts.
#[test]
fn a_pool_is_as_its_model() {
    run("model", 100_000, false);
    run("few", 50, false);
    run("weighed", 100_000, true);
}
