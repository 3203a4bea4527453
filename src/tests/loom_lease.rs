//! Claim: what the users of one generation of a place write is never found in the
//! next one, and who comes with the number of a generation that is over is refused.
//!
//! An owner opens a place, hands its number out, closes it, and opens it again. A
//! worker comes with the first number at any time, and adds to what is in the
//! place. The sum in it is two steps, so that two users of different generations at
//! one time show; loom stops at a preparation that has not seen all they wrote.

use std::sync::Arc;

use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;

use super::explore::Preemptions::All;
use super::explore::{explore, explore_mutant, explore_wrong};
use crate::ledger::lease::Lease;
use crate::ledger::slots::Slots;
use crate::sync::UnsafeCell;
use crate::sync::modelled::Change;

const GENERATIONS_MAX: u32 = 100;

struct Places {
    taken: Slots<1>,
    leases: [Lease; 2],
    sums: [UnsafeCell<u64>; 2],
}

// SAFETY: loom's cell stops at any two accesses that are not ordered.
unsafe impl Sync for Places {}
// SAFETY: as above.
unsafe impl Send for Places {}

impl Places {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            taken: Slots::new(),
            leases: [Lease::new(), Lease::new()],
            sums: [UnsafeCell::new(0), UnsafeCell::new(0)],
        })
    }

    fn open(&self) -> (usize, u32) {
        let index = self.taken.claim().expect("more places than users");
        self.set(index, |sum| *sum = 0);
        let generation = self.leases[index].next_generation(GENERATIONS_MAX);
        self.leases[index].open(generation);
        (index, generation)
    }

    fn set(&self, index: usize, change: impl FnOnce(&mut u64)) {
        // SAFETY: loom stops where another thread may be in it.
        self.sums[index].with_mut(|sum| change(unsafe { &mut *sum }));
    }

    fn leave(&self, index: usize) {
        if self.leases[index].leave() {
            self.taken.release(index);
        }
    }

    /// Adds in a generation, if it is not over; whether it was not.
    fn work(
        &self,
        (index, generation): (usize, u32),
        enters: impl Fn(&Lease, u32) -> bool,
    ) -> bool {
        let inside = enters(&self.leases[index], generation);
        if inside {
            self.set(index, |sum| *sum += 1);
            self.leave(index);
        }
        inside
    }
}

fn work_comes_late(enters: fn(&Lease, u32) -> bool) {
    let places = Places::new();
    let first = places.open();
    let worker = thread::spawn({
        let places = places.clone();
        move || places.work(first, enters)
    });
    places.leave(first.0);
    // The same place if nobody is inside, else another.
    let second = places.open();
    assert!(second.0 != first.0 || second.1 != first.1, "one number for two generations");
    // SAFETY: loom stops where another thread may be in it.
    let sum = places.sums[second.0].with(|sum| unsafe { *sum });
    assert_eq!(sum, 0, "late work is found in the next generation");
    places.leave(second.0);
    worker.join().unwrap();
    // Both are free again.
    assert_eq!((places.taken.claim(), places.taken.claim()), (Some(0), Some(1)));
}

/// The number is all that the worker has: it came by a way that orders nothing.
fn a_number_is_enough() {
    let places = Places::new();
    let number = Arc::new(AtomicU64::new(0));
    let worker = thread::spawn({
        let (places, number) = (places.clone(), number.clone());
        move || {
            let number = number.load(Ordering::Relaxed);
            if number != 0 {
                places.work((0, number as u32), Lease::enter);
            }
        }
    });
    let (index, generation) = places.open();
    number.store(u64::from(generation), Ordering::Relaxed);
    worker.join().unwrap();
    places.leave(index);
}

/// Two workers inside at one time with the owner: who is last gives the place back.
fn last_user_gives_back() {
    let places = Places::new();
    let first = places.open();
    let worker = |places: Arc<Places>| {
        thread::spawn(move || {
            if places.leases[first.0].enter(first.1) {
                places.leave(first.0);
            }
        })
    };
    let workers = [worker(places.clone()), worker(places.clone())];
    places.leave(first.0);
    workers.into_iter().for_each(|worker| worker.join().unwrap());
    assert_eq!(places.taken.claim(), Some(first.0), "nobody gave it back");
    assert!(!places.leases[first.0].enter(first.1), "it is over");
}

#[test]
fn loom_lease_late_work_is_refused() {
    explore("late work is refused", All, 126, || work_comes_late(Lease::enter));
}

#[test]
fn loom_lease_the_last_user_gives_back() {
    explore("the last user gives the place back", All, 5_000, last_user_gives_back);
}

#[test]
fn loom_lease_a_number_is_enough() {
    explore("a number is enough to work in a place", All, 27, a_number_is_enough);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn loom_lease_mutant_relaxed_open() {
    explore_mutant("ledger/lease.rs", "self.0.store(", Change::Relaxed, a_number_is_enough);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn loom_lease_mutant_relaxed_enter() {
    explore_mutant(
        "ledger/lease.rs",
        "match self.0.compare_exchange(",
        Change::Relaxed,
        a_number_is_enough,
    );
}

#[test]
#[should_panic(expected = "Causality violation")]
fn loom_lease_mutant_relaxed_leave() {
    explore_mutant("ledger/lease.rs", "self.0.fetch_sub(", Change::Relaxed, || {
        work_comes_late(Lease::enter);
    });
}

#[test]
#[should_panic(expected = "it is over")]
fn loom_lease_mutant_enter_in_two_steps() {
    explore_mutant(
        "ledger/lease.rs",
        "match self.0.compare_exchange(",
        Change::Split,
        last_user_gives_back,
    );
}

/// Any generation will do: late work gets into the next one.
#[test]
#[should_panic(expected = "Causality violation")]
fn loom_lease_mutant_generation_not_compared() {
    explore_wrong(|| {
        work_comes_late(|lease, generation| {
            (generation..generation + 2).any(|generation| lease.enter(generation))
        });
    });
}
