//! Any sequence of what can be done with a bounded pool, user code that fails or
//! panics included: nobody waits while there is room, no object is in two hands, and
//! the numbers add up.

#![no_main]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use arbitrary::Arbitrary;
use heapledger::{Acquire, BoundedPool, Lease, PoolError};
use libfuzzer_sys::fuzz_target;

#[path = "support/told_panics.rs"]
mod told_panics;
use told_panics::TOLD;

#[derive(Arbitrary, Debug)]
struct Input {
    max_live: u8,
    prefill: u8,
    has_check: bool,
    has_reset: bool,
    has_weigher: bool,
    retains_after_panic: bool,
    operations: Vec<Operation>,
}

#[derive(Arbitrary, Debug)]
enum Operation {
    Try,
    /// Makes a future and polls it once; it is kept if it has to wait.
    Acquire,
    Poll {
        which: u8,
    },
    Cancel {
        which: u8,
    },
    Release {
        which: u8,
    },
    Discard {
        which: u8,
    },
    TakeOut {
        which: u8,
    },
    Resize {
        max_live: u8,
    },
    Shrink {
        target_bytes: u16,
    },
    Close,
    /// What happens the next time that the factory, the check, the reset, the weigher
    /// or the object's destructor runs: a failure (where it can), or a panic.
    Fuse {
        point: u8,
        panics: bool,
    },
}

const FACTORY: usize = 0;
const CHECK: usize = 1;
const RESET: usize = 2;
const WEIGHER: usize = 3;
const END: usize = 4;

static MADE: AtomicU64 = AtomicU64::new(0);
static ENDED: AtomicU64 = AtomicU64::new(0);
/// For each point: 0 nothing, 1 a failure, 2 a panic.
static FUSES: [AtomicU8; 5] = [const { AtomicU8::new(0) }; 5];

/// False if the point is to fail.
fn passes(point: usize) -> bool {
    match FUSES[point].swap(0, Ordering::Relaxed) {
        2 => panic!("{TOLD}"),
        fuse => fuse == 0,
    }
}

struct Object {
    canary: Box<u64>,
    is_held: bool,
}

impl Drop for Object {
    fn drop(&mut self) {
        assert_eq!(*self.canary, 7, "ended twice, or overwritten");
        *self.canary = 0;
        ENDED.fetch_add(1, Ordering::Relaxed);
        // While another panic unwinds, a second one ends any program.
        if !std::thread::panicking() {
            passes(END);
        }
    }
}

fn make() -> Result<Object, &'static str> {
    if !passes(FACTORY) {
        return Err("told to fail");
    }
    MADE.fetch_add(1, Ordering::Relaxed);
    Ok(Object { canary: Box::new(7), is_held: false })
}

type Got<'p> = Result<Lease<'p, Object>, PoolError>;

/// A fuzz target's program: what it holds, and what it waits for.
struct Program<'p> {
    pool: &'p BoundedPool<Object>,
    leases: Vec<Lease<'p, Object>>,
    waiting: Vec<Acquire<'p, Object>>,
    max_live: u64,
    is_closed: bool,
    /// Futures that had got their turn before the pool was closed, at most.
    turns_left: u64,
}

impl<'p> Program<'p> {
    fn take(&mut self, got: Got<'p>) {
        match got {
            Ok(mut lease) => {
                if self.is_closed {
                    let left = self.turns_left.checked_sub(1);
                    self.turns_left = left.expect("an object of a closed pool");
                }
                assert!(!lease.is_held && *lease.canary == 7, "in two hands");
                lease.is_held = true;
                self.leases.push(lease);
            }
            Err(PoolError::Closed { .. }) => assert!(self.is_closed),
            Err(PoolError::Create(_) | PoolError::Exhausted { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }

    fn give(&mut self, which: u8) -> Option<Lease<'p, Object>> {
        let at = (which as usize).checked_rem(self.leases.len())?;
        let mut lease = self.leases.swap_remove(at);
        lease.is_held = false;
        Some(lease)
    }

    fn poll(&mut self, mut future: Acquire<'p, Object>) {
        match Pin::new(&mut future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(got) => self.take(got),
            Poll::Pending => self.waiting.push(future),
        }
    }

    fn wait(&mut self, which: u8) -> Option<Acquire<'p, Object>> {
        let at = (which as usize).checked_rem(self.waiting.len())?;
        Some(self.waiting.swap_remove(at))
    }

    fn carry_out(&mut self, operation: &Operation) {
        let pool = self.pool;
        match *operation {
            Operation::Try => self.take(pool.try_acquire()),
            Operation::Acquire => self.poll(pool.acquire_async()),
            Operation::Poll { which } => {
                if let Some(future) = self.wait(which) {
                    self.poll(future);
                }
            }
            Operation::Cancel { which } => drop(self.wait(which)),
            Operation::Release { which } => drop(self.give(which)),
            Operation::Discard { which } => drop(self.give(which).map(Lease::discard)),
            Operation::TakeOut { which } => drop(self.give(which).map(Lease::into_inner)),
            Operation::Resize { max_live } => {
                self.max_live = u64::from(max_live % 6);
                pool.resize(usize::from(max_live % 6));
            }
            Operation::Shrink { target_bytes } => {
                pool.shrink(target_bytes.into());
            }
            Operation::Close => {
                if !self.is_closed {
                    self.turns_left = pool.statistics().in_use - self.leases.len() as u64;
                }
                self.is_closed = true;
                pool.close();
            }
            Operation::Fuse { point, panics } => {
                let fuse = if panics { 2 } else { 1 };
                FUSES[point as usize % FUSES.len()].store(fuse, Ordering::Relaxed);
            }
        }
    }

    fn check(&self) {
        let it = self.pool.statistics();
        let (made, ended) = (MADE.load(Ordering::Relaxed), ENDED.load(Ordering::Relaxed));
        assert_eq!((it.created, it.dropped), (made, ended), "{it:?}");
        let held = self.leases.len() as u64;
        assert!(self.leases.iter().all(|lease| lease.is_held && *lease.canary == 7));
        // Those in use that nobody holds are on their way to a future.
        let granted = it.in_use.checked_sub(held).expect("what is held is in use");
        let waiting = it.waits.waiting;
        assert!(waiting + granted <= self.waiting.len() as u64, "{it:?}");
        assert!(made - ended <= it.in_use + it.retained, "{it:?}");
        assert!(made - ended >= held + it.retained, "{it:?}");
        if waiting > 0 {
            assert!(!self.is_closed, "{it:?}");
            assert!(it.retained == 0 && it.in_use >= self.max_live, "they could go on: {it:?}");
        }
    }
}

fuzz_target!(|input: Input| {
    told_panics::quiet();
    let disarm = || FUSES.iter().for_each(|fuse| fuse.store(0, Ordering::Relaxed));
    disarm();
    MADE.store(0, Ordering::Relaxed);
    ENDED.store(0, Ordering::Relaxed);
    let max_live = usize::from(input.max_live % 6);
    let mut builder = BoundedPool::try_builder("fuzz/bounded", max_live, make)
        .retain_after_panic(input.retains_after_panic)
        .prefill(usize::from(input.prefill % 8));
    if input.has_check {
        builder = builder.health_check(|_| passes(CHECK));
    }
    if input.has_reset {
        builder = builder.try_reset(|_| passes(RESET));
    }
    if input.has_weigher {
        builder = builder.weigher(|_| {
            passes(WEIGHER);
            8
        });
    }
    let pool = builder.build().expect("a pool");
    let mut program = Program {
        pool: &pool,
        leases: Vec::new(),
        waiting: Vec::new(),
        max_live: max_live as u64,
        is_closed: false,
        turns_left: 0,
    };
    for operation in &input.operations {
        let result = catch_unwind(AssertUnwindSafe(|| program.carry_out(operation)));
        drop(result);
        program.check();
    }
    disarm();
    // Whoever still waits is served as the others give back.
    while let Some(lease) = program.give(0) {
        drop(lease);
        program.check();
    }
    while let Some(future) = program.wait(0) {
        drop(future);
        program.check();
    }
    drop(program);
    let it = pool.statistics();
    assert_eq!((it.in_use, it.waits.waiting), (0, 0), "a place was lost: {it:?}");
    pool.close();
    drop(pool);
    let (made, ended) = (MADE.load(Ordering::Relaxed), ENDED.load(Ordering::Relaxed));
    assert_eq!(made, ended, "an object was lost, or ended twice");
});
