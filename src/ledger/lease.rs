//! Leases: a place that is used again, and how its users tell.
//!
//! A place has a generation and a number of users. Whoever knows the generation
//! may use the place while somebody else does; the last user gives it back. A
//! generation that is over is refused, so a number kept for too long leads nowhere.
//!
//! Invariant: between `open` and the last `leave` the place has one generation,
//! and whatever its users wrote came before the next `open`.

use crate::sync::{AtomicU64, Ordering};

/// Bits of the word for the number of users.
const USERS_BITS: u32 = 32;

/// The generation above, the number of users below. Zero: nobody yet.
pub(crate) struct Lease(AtomicU64);

impl Lease {
    #[cfg(not(loom))]
    pub(crate) const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// The generation that the next `open` begins; never 0.
    ///
    /// For who has claimed the place, as `open`.
    pub(crate) fn next_generation(&self, generations_max: u32) -> u32 {
        // Relaxed: the last opener's store came to us with the place.
        let last = (self.0.load(Ordering::Relaxed) >> USERS_BITS) as u32;
        last % generations_max + 1
    }

    /// Begins a generation with one user, the caller, who has claimed the place
    /// and prepared it.
    pub(crate) fn open(&self, generation: u32) {
        // Release: pairs with the Acquire in `enter`, the place was prepared before.
        self.0.store((u64::from(generation) << USERS_BITS) | 1, Ordering::Release);
    }

    /// Becomes a user; false if the generation is over.
    pub(crate) fn enter(&self, generation: u32) -> bool {
        // Relaxed: a guess, the exchange decides.
        let mut word = self.0.load(Ordering::Relaxed);
        while word >> USERS_BITS == u64::from(generation) && word as u32 != 0 {
            // Acquire: pairs with the Release in `open`.
            let to = word.wrapping_add(1);
            match self.0.compare_exchange(word, to, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// Stops being a user; true for the last one, who gives the place back.
    #[must_use]
    pub(crate) fn leave(&self) -> bool {
        // Release: what we wrote in the place comes before its next generation.
        // Acquire: pairs with that Release of the others, for the last.
        self.0.fetch_sub(1, Ordering::AcqRel) as u32 == 1
    }

    /// How many users there are at this moment.
    #[cfg(not(loom))]
    pub(crate) fn users(&self) -> u32 {
        // Relaxed: stale the moment it is given.
        self.0.load(Ordering::Relaxed) as u32
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_generation_that_is_over_is_refused() {
        let lease = Lease::new();
        assert!(!lease.enter(0), "nobody opened it");
        let first = lease.next_generation(2);
        lease.open(first);
        assert!(lease.enter(first) && !lease.enter(first + 1));
        assert!(!lease.leave());
        assert!(lease.enter(first), "one user is left");
        assert_eq!((lease.leave(), lease.leave()), (false, true));
        assert!(!lease.enter(first), "the last user has left");

        let second = lease.next_generation(2);
        lease.open(second);
        assert!(!lease.enter(first) && lease.enter(second));
        assert_eq!((lease.leave(), lease.leave()), (false, true));
        // Past the last number comes the first, and never 0.
        assert_eq!((first, second, lease.next_generation(2)), (1, 2, 1));
    }
}
