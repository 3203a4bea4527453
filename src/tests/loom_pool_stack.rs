//! Claim: a number that was pushed to the stack is popped once, and whoever pops it
//! sees what its last holder wrote.
//!
//! Threads pop numbers, write what belongs to them, and push them again; one pops two
//! and pushes the first one back, which is the ABA case: a thread that read the first
//! and its link before, and exchanges after, would bring the second back to life. What
//! belongs to a number is a loom cell; a flag beside loom sees two holders.

use std::cell::Cell as Flag;
use std::sync::Arc;

use loom::cell::UnsafeCell;
use loom::thread;

use super::explore::Preemptions::{All, AsAsked};
use super::explore::{explore, explore_mutant};
use crate::pool::stack::Stack;
use crate::sync::AtomicU32;
use crate::sync::modelled::Change;

const NUMBERS: usize = 2;

struct Numbers {
    stack: Stack,
    links: [AtomicU32; NUMBERS],
    contents: [UnsafeCell<u32>; NUMBERS],
    /// Whether the number has a holder. Not loom's: always the present state.
    held: [Flag<bool>; NUMBERS],
}

// SAFETY: loom runs all threads of a model on one, `held` is never shared, and the
// cells are loom's.
unsafe impl Sync for Numbers {}
// SAFETY: as above.
unsafe impl Send for Numbers {}

impl Numbers {
    fn new() -> Arc<Self> {
        let numbers = Arc::new(Self {
            stack: Stack::new(),
            links: core::array::from_fn(|_| AtomicU32::new(0)),
            contents: core::array::from_fn(|_| UnsafeCell::new(0)),
            held: core::array::from_fn(|_| Flag::new(true)),
        });
        (0..NUMBERS as u32).for_each(|number| numbers.push(number));
        numbers
    }

    fn pop(&self) -> Option<u32> {
        let number = self.stack.pop(|number| &self.links[number as usize])?;
        assert!(!self.held[number as usize].replace(true), "two holders of {number}");
        // SAFETY: loom stops where this is not exclusive.
        self.contents[number as usize].with_mut(|content| unsafe { *content += 1 });
        Some(number)
    }

    fn push(&self, number: u32) {
        assert!(self.held[number as usize].replace(false), "{number} is pushed twice");
        self.stack.push(number, &self.links[number as usize]);
    }

    /// All numbers are there, each once.
    fn check(&self) {
        let left: Vec<_> = core::iter::from_fn(|| self.pop()).collect();
        assert_eq!(left.len(), NUMBERS, "numbers were lost");
    }
}

/// Runs two lives beside each other.
fn together(one: fn(&Numbers), other: fn(&Numbers)) {
    let numbers = Numbers::new();
    let threads = [one, other].map(|live| {
        let numbers = numbers.clone();
        thread::spawn(move || live(&numbers))
    });
    for thread in threads {
        thread.join().unwrap();
    }
    numbers.check();
}

fn pop_and_push(numbers: &Numbers) {
    if let Some(number) = numbers.pop() {
        numbers.push(number);
    }
}

fn pop_pop_push(numbers: &Numbers) {
    let first = numbers.pop();
    let second = numbers.pop();
    first.into_iter().for_each(|number| numbers.push(number));
    second.into_iter().for_each(|number| numbers.push(number));
}

fn aba() {
    together(pop_and_push, pop_pop_push);
}

#[test]
fn loom_pool_stack_pops_each_number_once() {
    explore("pop and push beside pop and push", All, 8_000, || {
        together(pop_and_push, pop_and_push);
    });
}

#[test]
fn loom_pool_stack_aba() {
    explore("pop beside pop, pop, push", AsAsked, 1_200, aba);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn loom_pool_stack_mutant_relaxed_push() {
    explore_mutant(
        "pool/stack.rs",
        "match self.head.compare_exchange(head, to, Ordering::Release",
        Change::Relaxed,
        aba,
    );
}

#[test]
#[should_panic(expected = "Causality violation")]
fn loom_pool_stack_mutant_relaxed_look() {
    explore_mutant("pool/stack.rs", "self.head.load(Ordering::Acquire)", Change::Relaxed, aba);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn loom_pool_stack_mutant_relaxed_second_look() {
    explore_mutant(
        "pool/stack.rs",
        "match self.head.compare_exchange(head, to, Ordering::Relaxed",
        Change::FailureRelaxed,
        aba,
    );
}

/// Without the count of pops.
#[test]
#[should_panic(expected = "Causality violation")]
fn loom_pool_stack_mutant_no_count() {
    explore_mutant("pool/stack.rs", "crate::sync::step()", Change::LeftOut, aba);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn loom_pool_stack_mutant_pop_in_two_steps() {
    explore_mutant(
        "pool/stack.rs",
        "match self.head.compare_exchange(head, to, Ordering::Relaxed",
        Change::Split,
        aba,
    );
}
