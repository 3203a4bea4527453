//! Stays: how much of a thread's live bytes came about while it was somewhere.
//!
//! One word, written by its thread and read by others while it changes: outside,
//! the sum of all stays that ended; inside, the thread's live bytes minus that
//! sum. So nothing moves from one place to another when a stay ends, and a reader
//! can neither miss a stay nor count it twice.

use crate::sync::{Counter, Ordering, fence, own};

/// The sum or the base above, whether the thread is inside in the lowest bit.
/// Zero: it never was.
pub(crate) struct Stay(Counter);

impl Stay {
    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self(Counter::new(0))
    }

    /// Forgets all stays; for who knows that no thread is inside.
    #[cfg(not(loom))]
    pub(crate) fn reset(&self) {
        // Relaxed: who is let in after this sees it, as everything of its opener.
        self.0.store(0, Ordering::Relaxed);
    }

    /// Begins or ends a stay of the calling thread, whose live bytes these are.
    pub(crate) fn turn(&self, live_bytes: i64, inside: bool) {
        let sum_or_base = value(own(&self.0));
        let turned = live_bytes.wrapping_sub(sum_or_base).cast_unsigned() << 1;
        // Release: pairs with the Acquire in `read`, which sees what the thread
        // counted so far.
        self.0.store(turned | u64::from(inside), Ordering::Release);
        // Release: pairs with the Acquire fence in `read`. Who sees what the thread
        // counts from here on sees the word.
        fence(Ordering::Release);
    }

    /// The live bytes of all stays, the present one included; `live_bytes` reads
    /// those of the thread.
    pub(crate) fn read(&self, live_bytes: impl Fn() -> i64) -> i64 {
        loop {
            // Acquire: pairs with the Release in `turn`.
            let word = self.0.load(Ordering::Acquire);
            if word & 1 == 0 {
                return value(word);
            }
            let inside = live_bytes().wrapping_sub(value(word));
            // Acquire: pairs with the Release fence in `turn`.
            fence(Ordering::Acquire);
            // Relaxed: the fence came before. If the word has changed, the thread
            // has gone on in the meantime: nobody waits for it.
            if self.0.load(Ordering::Relaxed) == word {
                return inside;
            }
        }
    }
}

fn value(word: u64) -> i64 {
    word.cast_signed() >> 1
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn only_what_came_about_inside_counts() {
        let stay = Stay(Counter::new(0));
        assert_eq!(stay.read(|| 500), 0);
        stay.turn(500, true);
        assert_eq!(stay.read(|| 530), 30);
        assert_eq!(stay.read(|| 450), -50, "more was freed than allocated");
        stay.turn(450, false);
        assert_eq!(stay.read(|| 9999), -50);
        stay.turn(-100, true);
        assert_eq!(stay.read(|| -100), -50);
        assert_eq!(stay.read(|| 20), 70);
        stay.turn(20, false);
        assert_eq!(stay.read(|| 0), 70);
        stay.reset();
        assert_eq!(stay.read(|| 0), 0);
    }
}
