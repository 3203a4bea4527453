//! Claim: a thread's part of a pool has one user at a time: its owner, the next owner
//! of the thread number, or one thread that takes what is in it; and what the one put
//! in the other finds.
//!
//! The part is a loom cell, so loom stops at a user that has not seen what the last
//! one wrote. For the barrier that the taker pays for, both sides make a fence. In the
//! last model the part holds a number of the depot's stack: whatever the owner
//! exchanges while another thread shrinks the pool, no number is lost or there twice.

use std::sync::Arc;

use loom::cell::UnsafeCell;
use loom::thread;

use super::explore::Preemptions::{All, AsAsked};
use super::explore::{explore, explore_mutant, explore_wrong};
use crate::ledger::slots::Slots;
use crate::pool::stack::Stack;
use crate::pool::turn::Turn;
use crate::sync::AtomicU32;
use crate::sync::modelled::{Change, heavy_barrier};

struct Part {
    turn: Turn,
    content: UnsafeCell<u32>,
}

impl Part {
    fn new() -> Self {
        let part = Self { turn: Turn::new(), content: UnsafeCell::new(0) };
        assert!(part.turn.open(true) && !part.turn.open(true));
        part
    }

    fn replace(&self, content: u32) -> u32 {
        // SAFETY: loom stops where this is not exclusive.
        self.content.with_mut(|place| unsafe { core::mem::replace(&mut *place, content) })
    }

    /// One use by the owner.
    fn own(&self) {
        if self.turn.begin() {
            self.replace(1);
            self.turn.end();
        }
    }

    /// One use by another thread.
    fn take(&self, barrier: fn()) {
        if let Some(wish) = self.turn.want() {
            barrier();
            if wish.take() {
                self.replace(2);
            }
        }
    }
}

fn owner_and_taker(barrier: fn()) {
    let part = Arc::new(Part::new());
    let owner = thread::spawn({
        let part = part.clone();
        move || {
            part.own();
            part.own();
            part.own();
        }
    });
    part.take(barrier);
    owner.join().unwrap();
    part.own();
}

fn two_takers() {
    let part = Arc::new(Part::new());
    let threads = [(); 2].map(|()| {
        let part = part.clone();
        thread::spawn(move || part.take(heavy_barrier))
    });
    part.own();
    for thread in threads {
        thread.join().unwrap();
    }
}

/// Two threads, of which the second inherits the number if the first is done, and one
/// that takes.
fn hand_over() {
    struct Threads {
        slots: Slots<1>,
        parts: [Part; 2],
    }
    let threads = Arc::new(Threads { slots: Slots::new(), parts: [Part::new(), Part::new()] });
    let lives = [(); 2].map(|()| {
        let threads = threads.clone();
        thread::spawn(move || {
            let number = threads.slots.claim().expect("more numbers than threads");
            threads.parts[number].own();
            threads.slots.release(number);
        })
    });
    threads.parts[0].take(heavy_barrier);
    for live in lives {
        live.join().unwrap();
    }
}

/// The owner exchanges its number for another while somebody takes it away.
fn shrink_beside_exchange() {
    struct Pool {
        part: Part,
        stack: Stack,
        links: [AtomicU32; 2],
    }
    impl Pool {
        fn push(&self, number: u32) {
            self.stack.push(number, &self.links[number as usize]);
        }

        fn pop(&self) -> Option<u32> {
            self.stack.pop(|number| &self.links[number as usize])
        }
    }
    const NOTHING: u32 = 9;
    let pool = Arc::new(Pool {
        part: Part::new(),
        stack: Stack::new(),
        links: core::array::from_fn(|_| AtomicU32::new(0)),
    });
    pool.part.replace(0);
    pool.push(1);
    let owner = thread::spawn({
        let pool = pool.clone();
        move || {
            for _ in 0..2 {
                if pool.part.turn.begin() {
                    let next = pool.pop().unwrap_or(NOTHING);
                    let before = pool.part.replace(next);
                    if before != NOTHING {
                        pool.push(before);
                    }
                    pool.part.turn.end();
                }
            }
        }
    });
    if let Some(wish) = pool.part.turn.want() {
        heavy_barrier();
        let loot = if wish.take() { pool.part.replace(NOTHING) } else { NOTHING };
        drop(wish);
        if loot != NOTHING {
            pool.push(loot);
        }
    }
    owner.join().unwrap();
    let mut left: Vec<_> = core::iter::from_fn(|| pool.pop()).collect();
    left.push(pool.part.replace(NOTHING));
    left.retain(|number| *number != NOTHING);
    left.sort_unstable();
    assert_eq!(left, [0, 1], "lost, or there twice");
}

#[test]
fn loom_pool_turn_owner_and_taker() {
    explore("an owner and a taker", All, 1_900, || owner_and_taker(heavy_barrier));
}

#[test]
fn loom_pool_turn_two_takers() {
    explore("an owner and two takers", AsAsked, 2_000, two_takers);
}

#[test]
fn loom_pool_turn_goes_with_the_thread_number() {
    explore("the next owner and a taker", AsAsked, 4_500, hand_over);
}

#[test]
fn loom_pool_shrink_beside_exchange() {
    explore("a shrink beside an exchange", All, 2_000, shrink_beside_exchange);
}

fn with_barrier() {
    owner_and_taker(heavy_barrier);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn loom_pool_turn_mutant_no_light_barrier() {
    explore_mutant("pool/turn.rs", "        light_barrier();", Change::LeftOut, with_barrier);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn loom_pool_turn_mutant_no_heavy_barrier() {
    explore_wrong(|| owner_and_taker(|| {}));
}

#[test]
#[should_panic(expected = "Causality violation")]
fn loom_pool_turn_mutant_relaxed_look() {
    explore_mutant(
        "pool/turn.rs",
        "self.state.load(Ordering::Acquire)",
        Change::Relaxed,
        with_barrier,
    );
}

#[test]
#[should_panic(expected = "Causality violation")]
fn loom_pool_turn_mutant_relaxed_end() {
    explore_mutant(
        "pool/turn.rs",
        "self.busy.store(0, Ordering::Release)",
        Change::Relaxed,
        with_barrier,
    );
}

#[test]
#[should_panic(expected = "Causality violation")]
fn loom_pool_turn_mutant_relaxed_take() {
    explore_mutant(
        "pool/turn.rs",
        "self.turn.busy.load(Ordering::Acquire)",
        Change::Relaxed,
        with_barrier,
    );
}

#[test]
#[should_panic(expected = "Causality violation")]
fn loom_pool_turn_mutant_relaxed_leave() {
    explore_mutant(
        "pool/turn.rs",
        "self.turn.state.store(self.state, Ordering::Release)",
        Change::Relaxed,
        with_barrier,
    );
}

#[test]
#[should_panic(expected = "Causality violation")]
fn loom_pool_turn_mutant_want_in_two_steps() {
    explore_mutant(
        "pool/turn.rs",
        "self.state.compare_exchange(state, WANTED",
        Change::Split,
        two_takers,
    );
}

#[test]
#[should_panic(expected = "Causality violation")]
fn loom_pool_turn_mutant_number_released_relaxed() {
    explore_mutant("ledger/slots.rs", "word.fetch_and(", Change::Relaxed, hand_over);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn loom_pool_turn_mutant_number_claimed_relaxed() {
    explore_mutant("ledger/slots.rs", "word.fetch_or(", Change::Relaxed, hand_over);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn loom_pool_shrink_mutant_no_light_barrier() {
    let text = "        light_barrier();";
    explore_mutant("pool/turn.rs", text, Change::LeftOut, shrink_beside_exchange);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn loom_pool_shrink_mutant_relaxed_take() {
    let text = "self.turn.busy.load(Ordering::Acquire)";
    explore_mutant("pool/turn.rs", text, Change::Relaxed, shrink_beside_exchange);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn loom_pool_shrink_mutant_relaxed_leave() {
    let text = "self.turn.state.store(self.state, Ordering::Release)";
    explore_mutant("pool/turn.rs", text, Change::Relaxed, shrink_beside_exchange);
}
