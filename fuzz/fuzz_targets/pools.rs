//! Any sequence of what can be done with a pool, user code that panics included, on
//! threads that come and go, leaves it as a model says. The pool ends with its last guard,
//! or with its last handle.

#![no_main]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arbitrary::Arbitrary;
use heapledger::{OwnedGuard, Pool, PoolHandle};
use libfuzzer_sys::fuzz_target;

#[path = "support/told_panics.rs"]
mod told_panics;
use told_panics::TOLD;

const HELD_MAX: usize = 300;

#[derive(Arbitrary, Debug)]
struct Input {
    retained_max: u16,
    retained_bytes_max: Option<u16>,
    slot_align_bits: u8,
    prefill: u8,
    guards_last: bool,
    operations: Vec<Operation>,
}

#[derive(Arbitrary, Debug)]
enum Operation {
    Acquire {
        many: u8,
    },
    Release {
        which: u8,
    },
    ReleaseMany {
        many: u8,
    },
    TakeOut {
        which: u8,
    },
    Put,
    Get,
    Shrink {
        target_bytes: u16,
    },
    /// The next call of the factory, of the reset or of the weigher panics.
    Fuse {
        point: u8,
    },
    /// Goes on in a new thread; the last one has ended.
    ChangeThread,
}

static MADE: AtomicU64 = AtomicU64::new(0);
static ENDED: AtomicU64 = AtomicU64::new(0);
/// For the factory, the reset and the weigher.
static FUSES: [AtomicBool; 3] = [const { AtomicBool::new(false) }; 3];

fn burn(point: usize) {
    assert!(!FUSES[point].swap(false, Ordering::Relaxed), "{TOLD}");
}

struct Object(Box<u64>);

impl Object {
    fn new() -> Self {
        MADE.fetch_add(1, Ordering::Relaxed);
        Self(Box::new(7))
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        assert_eq!(*self.0, 7, "ended twice, or overwritten");
        *self.0 = 0;
        ENDED.fetch_add(1, Ordering::Relaxed);
    }
}

fn make() -> Object {
    burn(0);
    Object::new()
}

/// Carries out operations up to a change of thread; returns how many.
fn live(
    handle: &PoolHandle<Object>,
    held: &mut Vec<OwnedGuard<Object>>,
    operations: &[Operation],
) -> usize {
    let pool = handle.pool();
    for (done, operation) in operations.iter().enumerate() {
        let place = |which: u8, held: &Vec<_>| which as usize % held.len().max(1);
        let result = catch_unwind(AssertUnwindSafe(|| match *operation {
            Operation::Acquire { many } if held.len() + many as usize <= HELD_MAX => {
                for _ in 0..many {
                    held.push(handle.acquire());
                }
            }
            Operation::Release { which } if !held.is_empty() => {
                drop(held.swap_remove(place(which, held)));
            }
            Operation::ReleaseMany { many } => {
                for _ in 0..(many as usize).min(held.len()) {
                    let guard = held.pop();
                    drop(guard);
                }
            }
            Operation::TakeOut { which } if !held.is_empty() => {
                drop(OwnedGuard::into_inner(held.swap_remove(place(which, held))));
            }
            Operation::Put => pool.put(Object::new()),
            Operation::Get => drop(pool.get()),
            Operation::Shrink { target_bytes } => {
                pool.shrink(target_bytes.into());
            }
            Operation::Fuse { point } => FUSES[point as usize % 3].store(true, Ordering::Relaxed),
            _ => {}
        }));
        drop(result);
        held.iter().for_each(|guard| assert_eq!(*guard.0, 7));
        if matches!(operation, Operation::ChangeThread) {
            return done + 1;
        }
    }
    operations.len()
}

fuzz_target!(|input: Input| {
    told_panics::quiet();
    FUSES.iter().for_each(|fuse| fuse.store(false, Ordering::Relaxed));
    MADE.store(0, Ordering::Relaxed);
    ENDED.store(0, Ordering::Relaxed);
    let builder = Pool::builder("fuzz", make)
        .reset(|_| burn(1))
        .retained_max(input.retained_max.into())
        .slot_align(1 << (input.slot_align_bits % 10))
        .prefill(input.prefill.into());
    let builder = match input.retained_bytes_max {
        Some(bytes) => builder.retained_bytes_max(bytes.into(), |_| {
            burn(2);
            8
        }),
        None => builder,
    };
    let pool = builder.build().expect("nothing panics yet");
    let handle = pool.handle();
    let mut held = Vec::new();
    let mut left = &input.operations[..];
    while !left.is_empty() {
        let done = std::thread::scope(|scope| {
            scope.spawn(|| live(&handle, &mut held, left)).join().expect("caught inside")
        });
        left = &left[done..];
        let it = pool.statistics();
        let (made, ended) = (MADE.load(Ordering::Relaxed), ENDED.load(Ordering::Relaxed));
        assert_eq!((it.created, it.dropped, it.in_use), (made, ended, held.len() as u64));
        assert_eq!(it.retained, made - ended - held.len() as u64);
        assert!(it.retained <= input.retained_max.into(), "{it:?}");
    }
    FUSES.iter().for_each(|fuse| fuse.store(false, Ordering::Relaxed));
    if input.guards_last {
        drop((pool, handle));
        drop(held);
    } else {
        drop(held);
        drop((pool, handle));
    }
    let (made, ended) = (MADE.load(Ordering::Relaxed), ENDED.load(Ordering::Relaxed));
    assert_eq!(made, ended, "an object was lost, or ended twice");
});
