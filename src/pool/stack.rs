//! A lock-free stack of numbers (Treiber's), whose links are elsewhere.
//!
//! The head is the top number and a count of pops in one word. A thread that read
//! the top and its link, and then slept while others popped both and pushed the
//! top again, finds another count and tries again: no ABA, until 2^32 pops happen
//! within one stalled one. Numbers may be pushed to another stack after they were
//! popped; their links stay where they are for ever, so that a late reader finds a
//! wrong number, not freed memory, and its exchange fails.

use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// The link of a number that is in no stack, or the last in one.
pub(crate) const NONE: u32 = u32::MAX;

/// A stack of numbers below `NONE`.
pub(crate) struct Stack {
    /// The count of pops above, the top number below.
    head: AtomicU64,
}

impl Stack {
    #[cfg(not(loom))]
    pub(crate) const fn new() -> Self {
        Self { head: AtomicU64::new(NONE as u64) }
    }

    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self { head: AtomicU64::new(NONE as u64) }
    }

    /// Pushes a number that is in no stack; `link` is its link.
    pub(crate) fn push(&self, number: u32, link: &AtomicU32) {
        // Relaxed: only a guess, the exchange decides.
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            // Relaxed: published by the exchange.
            link.store(top(head), Ordering::Relaxed);
            let to = word(pops(head), number);
            // Release: pairs with the Acquires in `pop`; whoever pops the number
            // sees its link, and what its last holder wrote.
            match self.head.compare_exchange(head, to, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(there) => head = there,
            }
        }
    }

    /// Pops a number; `link` finds the link of one that was pushed here before.
    pub(crate) fn pop<'a>(&self, link: impl Fn(u32) -> &'a AtomicU32) -> Option<u32> {
        // Acquire, here and where an exchange fails: pairs with the Release in
        // `push`; the link of the top is there.
        let mut head = self.head.load(Ordering::Acquire);
        while top(head) != NONE {
            // Relaxed: if the number was popped meanwhile, this is any value, and
            // the exchange fails for the count.
            let next = link(top(head)).load(Ordering::Relaxed);
            #[cfg(not(loom))]
            let popped = 1;
            #[cfg(loom)]
            let popped = u32::from(crate::sync::step());
            let to = word(pops(head).wrapping_add(popped), next);
            // Relaxed: no two pushes leave one head, as pops are counted between them,
            // so the look that found this one has seen all there is to see.
            match self.head.compare_exchange(head, to, Ordering::Relaxed, Ordering::Acquire) {
                Ok(_) => return Some(top(head)),
                Err(there) => head = there,
            }
        }
        None
    }
}

const fn word(pops: u32, top: u32) -> u64 {
    (pops as u64) << 32 | top as u64
}

const fn top(head: u64) -> u32 {
    head as u32
}

const fn pops(head: u64) -> u32 {
    (head >> 32) as u32
}

#[cfg(all(test, not(loom)))]
mod tests {
    use core::sync::atomic::AtomicBool;

    use super::*;

    const NUMBERS: usize = 4;

    /// Hazard 35. Few numbers and many threads: every head comes again and again, and
    /// with it the links that a thread has read long before.
    #[test]
    fn eight_threads_never_hold_one_number_together() {
        let stack = Stack::new();
        let links = [const { AtomicU32::new(0) }; NUMBERS];
        let held = [const { AtomicBool::new(false) }; NUMBERS];
        let push = |number: u32| {
            held[number as usize].store(false, Ordering::Relaxed);
            stack.push(number, &links[number as usize]);
        };
        // Between the look at the head and the exchange, so that others come between.
        let link = |number: u32| {
            std::thread::yield_now();
            &links[number as usize]
        };
        let pop = || {
            let number = stack.pop(link)?;
            assert!(!held[number as usize].swap(true, Ordering::Relaxed), "two holders");
            Some(number)
        };
        (0..NUMBERS as u32).for_each(push);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..3_000 {
                        let (first, second) = (pop(), pop());
                        first.into_iter().for_each(push);
                        second.into_iter().for_each(push);
                    }
                });
            }
        });
        let mut left: Vec<_> = core::iter::from_fn(pop).collect();
        left.sort_unstable();
        assert_eq!(left, [0, 1, 2, 3], "numbers were lost");
    }

    #[test]
    fn the_count_of_pops_may_wrap() {
        let links = [const { AtomicU32::new(0) }; 1];
        let stack = Stack { head: AtomicU64::new(word(u32::MAX - 1, NONE)) };
        for expected in [u32::MAX, 0, 1] {
            stack.push(0, &links[0]);
            assert_eq!(stack.pop(|_| &links[0]), Some(0));
            assert_eq!(stack.head.load(Ordering::Relaxed), word(expected, NONE));
        }
    }
}
