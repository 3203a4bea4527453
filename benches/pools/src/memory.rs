//! What a pool takes and gives back, as the operating system sees it.

use crate::contenders::{make, reset};

const OBJECTS: usize = 1_000_000;

pub struct Memory {
    pub live_bytes: f64,
    pub retained_bytes: f64,
    pub returned_percent: f64,
}

fn resident_bytes() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("/proc");
    let pages: f64 = statm.split(' ').nth(1).expect("a field").parse().expect("a number");
    // SAFETY: the function has no precondition.
    pages * unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as f64
}

/// A million objects go out, come back, and are given up.
pub fn measure() -> Memory {
    let builder = heapledger::Pool::builder("memory", make).reset(reset).retained_unlimited();
    let pool = builder.build().expect("a pool");
    // The list of guards is not the pool's: written before it is looked at.
    let mut guards: Vec<Option<heapledger::PoolGuard<'_, _>>> =
        (0..OBJECTS).map(|_| Some(pool.acquire_or(make))).collect();
    guards.iter_mut().for_each(|place| *place = None);
    pool.shrink(0);
    let before = resident_bytes();
    guards.iter_mut().for_each(|place| *place = Some(pool.acquire()));
    let live = resident_bytes() - before;
    guards.iter_mut().for_each(|place| *place = None);
    let retained = resident_bytes() - before;
    pool.shrink(0);
    let left = resident_bytes() - before;
    Memory {
        live_bytes: live / OBJECTS as f64,
        retained_bytes: retained / OBJECTS as f64,
        returned_percent: 100.0 * (1.0 - left / retained),
    }
}

/// Objects made by a thousand threads in turn.
pub fn churn() -> u64 {
    let pool = heapledger::Pool::builder("churn", make).build().expect("a pool");
    for _ in 0..1000 {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| drop(pool.acquire_many(32).expect("objects")));
            thread.join().expect("no panic");
        });
    }
    pool.statistics().created
}
