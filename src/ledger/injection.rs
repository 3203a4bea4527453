//! Injection: which allocations of a piece of work are made to fail.

use core::sync::atomic::{AtomicU64, Ordering};

/// Which requests for memory are refused; the first has the number 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "testing"), allow(dead_code))]
pub(crate) enum Plan {
    None,
    /// The one with this number.
    Nth(u64),
    /// Each with this probability, in 2^-53, decided by the seed and its number.
    Random {
        seed: u64,
        probability: u64,
    },
}

/// A probability of one.
#[cfg_attr(not(feature = "testing"), allow(dead_code))]
pub(crate) const CERTAIN: u64 = 1 << 53;

/// A plan, and what came of it. Set before anybody uses it, by who owns it.
pub(crate) struct Injection {
    kind: AtomicU64,
    /// The number, or the seed.
    value: AtomicU64,
    probability: AtomicU64,
    requests: AtomicU64,
    injected: AtomicU64,
}

const NONE: u64 = 0;
const NTH: u64 = 1;
const RANDOM: u64 = 2;

impl Injection {
    pub(crate) const fn none() -> Self {
        Self {
            kind: AtomicU64::new(NONE),
            value: AtomicU64::new(0),
            probability: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            injected: AtomicU64::new(0),
        }
    }

    // Relaxed, all of it: who uses the plan was let in after it was set, and the
    // numbers are read by who waited for the work.

    pub(crate) fn begin(&self, plan: Plan) {
        let (kind, value, probability) = match plan {
            Plan::None => (NONE, 0, 0),
            Plan::Nth(number) => (NTH, number, 0),
            Plan::Random { seed, probability } => (RANDOM, seed, probability),
        };
        self.kind.store(kind, Ordering::Relaxed);
        self.value.store(value, Ordering::Relaxed);
        self.probability.store(probability, Ordering::Relaxed);
        self.requests.store(0, Ordering::Relaxed);
        self.injected.store(0, Ordering::Relaxed);
    }

    pub(crate) fn is_on(&self) -> bool {
        self.kind.load(Ordering::Relaxed) != NONE
    }

    /// Counts a request; whether it has to be refused.
    pub(crate) fn refuses(&self) -> bool {
        let kind = self.kind.load(Ordering::Relaxed);
        if kind == NONE {
            return false;
        }
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let value = self.value.load(Ordering::Relaxed);
        let refused = match kind {
            NTH => number == value,
            _ => mixed(value, number) >> 11 < self.probability.load(Ordering::Relaxed),
        };
        if refused {
            self.injected.fetch_add(1, Ordering::Relaxed);
        }
        refused
    }

    /// Requests so far, and how many were refused.
    pub(crate) fn seen(&self) -> (u64, u64) {
        (self.requests.load(Ordering::Relaxed), self.injected.load(Ordering::Relaxed))
    }
}

/// The splitmix64 generator's value for a number.
fn mixed(seed: u64, number: u64) -> u64 {
    let step = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut z = seed.wrapping_add(step);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(plan: Plan, requests: u64) -> Vec<u64> {
        let injection = Injection::none();
        injection.begin(plan);
        let refused: Vec<u64> = (0..requests).filter(|_| injection.refuses()).collect();
        let counted = if injection.is_on() { requests } else { 0 };
        assert_eq!(injection.seen(), (counted, refused.len() as u64));
        refused
    }

    #[test]
    fn plans_refuse_what_they_say() {
        assert_eq!(refused(Plan::None, 1000), [0_u64; 0]);
        assert_eq!(refused(Plan::Nth(0), 1000), [0]);
        assert_eq!(refused(Plan::Nth(7), 1000), [7]);
        assert_eq!(refused(Plan::Nth(1000), 1000), [0_u64; 0]);
        assert_eq!(refused(Plan::Random { seed: 1, probability: 0 }, 1000), [0_u64; 0]);
        assert_eq!(refused(Plan::Random { seed: 1, probability: CERTAIN }, 1000).len(), 1000);
    }

    #[test]
    fn chance_is_the_seeds() {
        let tenth = |seed| refused(Plan::Random { seed, probability: CERTAIN / 10 }, 100_000);
        assert_eq!(tenth(1), tenth(1));
        assert_ne!(tenth(1), tenth(2));
        for seed in 0..20 {
            // Ten standard deviations.
            assert!(tenth(seed).len().abs_diff(10_000) < 950, "{}", tenth(seed).len());
        }
    }
}
