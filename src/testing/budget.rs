//! Budgets: how much of what a piece of work may use, and what is wrong if it
//! used more.

use core::fmt::Write;

use super::baseline::{Baseline, Record};
use super::observation::Observed;
use super::table::Table;

/// What a piece of work may use; what is not set is not limited.
///
/// Written by `#[heapledger::test]`, or by hand for
/// [`check`](Self::check).
///
/// # Examples
///
/// ```
/// # #[global_allocator]
/// # static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
/// use heapledger::testing::{Budget, KIB, observe};
///
/// let budget = Budget::new().max_live(4 * KIB).max_allocs(2).no_leaks();
/// let (_, seen) = observe(|| drop(vec![0_u8; 1000])).unwrap();
/// assert_eq!(budget.check(&seen), Ok(()));
///
/// let (kept, seen) = observe(|| vec![0_u8; 5000]).unwrap();
/// let message = budget.check(&seen).unwrap_err();
/// assert!(message.contains("max_live: expected at most 4096 B, actual 5000 B"));
/// assert!(message.contains("no_leaks: expected 0 B"));
/// # drop(kept);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "a budget does nothing until something is checked against it"]
pub struct Budget {
    max_live_bytes: Option<u64>,
    max_bytes: Option<u64>,
    max_allocs: Option<u64>,
    exact_allocs: Option<u64>,
    no_leaks: bool,
    baseline: Option<Baseline>,
}

/// What the limits are called in a message: as whoever set them wrote them.
pub(super) struct Words {
    peak: &'static str,
    allocations: &'static str,
    growth: &'static str,
}

impl Words {
    /// The options of `#[heapledger::test]`, and the methods.
    const OPTIONS: Self = Self { peak: "max_live", allocations: "max_allocs", growth: "no_leaks" };
    /// What `assert_peak!` and the others look at.
    pub(super) const MACROS: Self =
        Self { peak: "peak", allocations: "allocations", growth: "growth" };
}

impl Budget {
    /// No limits.
    pub const fn new() -> Self {
        Self {
            max_live_bytes: None,
            max_bytes: None,
            max_allocs: None,
            exact_allocs: None,
            no_leaks: false,
            baseline: None,
        }
    }

    /// The most bytes that may be live at one time.
    pub const fn max_live(mut self, bytes: u64) -> Self {
        self.max_live_bytes = Some(bytes);
        self
    }

    /// The most bytes that may be allocated, freed ones included.
    pub const fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = Some(bytes);
        self
    }

    /// The most allocations.
    pub const fn max_allocs(mut self, allocations: u64) -> Self {
        self.max_allocs = Some(allocations);
        self
    }

    /// So many allocations, no more and no fewer.
    pub const fn exact_allocs(mut self, allocations: u64) -> Self {
        self.exact_allocs = Some(allocations);
        self
    }

    /// Nothing may be live at the end.
    ///
    /// More may be freed than allocated: then blocks from before were freed.
    pub const fn no_leaks(mut self) -> Self {
        self.no_leaks = true;
        self
    }

    /// No more than the baseline file has for this name: `heapledger-baseline.txt`
    /// in the package's directory of tests, or beside its manifest if there is none.
    ///
    /// With `UPDATE=1` in the environment, the line of this name becomes what was
    /// seen.
    pub fn baseline(mut self, package_directory: &str, name: &str) -> Self {
        self.baseline = Some(Baseline::new(package_directory, name));
        self
    }

    /// Compares; the error is a message with what was expected, what was seen, and
    /// the tags that grew.
    ///
    /// # Errors
    ///
    /// A line for each limit that was not kept, and what was seen by tag.
    pub fn check(&self, seen: &Observed) -> Result<(), String> {
        self.check_in_words(seen, &Words::OPTIONS)
    }

    pub(super) fn check_in_words(&self, seen: &Observed, words: &Words) -> Result<(), String> {
        let mut broken = String::new();
        self.write_broken(seen, words, &mut broken);
        if broken.is_empty() {
            return Ok(());
        }
        Err(format!("{broken}{}", Table(seen)))
    }

    fn write_broken(&self, seen: &Observed, words: &Words, to: &mut String) {
        let (allocations, bytes) = (seen.counts.allocated_blocks, seen.counts.allocated_bytes);
        let at_most = [
            (words.peak, " B", self.max_live_bytes, seen.peak_live_bytes),
            ("max_bytes", " B", self.max_bytes, bytes),
            (words.allocations, "", self.max_allocs, allocations),
        ];
        for (name, unit, limit, actual) in at_most {
            if let Some(limit) = limit.filter(|limit| actual > *limit) {
                line(to, name, &format!("at most {limit}{unit}"), &format!("{actual}{unit}"));
            }
        }
        if let Some(exact) = self.exact_allocs.filter(|exact| allocations != *exact) {
            line(to, "allocations", &format!("exactly {exact}"), &allocations.to_string());
        }
        let live = (seen.counts.live_bytes_signed(), seen.counts.live_blocks_signed());
        if self.no_leaks && (live.0 > 0 || live.1 > 0) {
            let actual = format!("{:+} B in {:+} blocks", live.0, live.1);
            line(to, words.growth, "0 B live at the end", &actual);
        }
        if let Some(baseline) = &self.baseline {
            let actual = Record {
                allocated_blocks: allocations,
                allocated_bytes: bytes,
                peak_bytes: seen.peak_live_bytes,
            };
            if let Err(worse) = baseline.check(actual) {
                to.push_str(&worse);
            }
        }
        if seen.uncounted_threads > 0 && to.is_empty() {
            line(to, "budget", "every thread to be counted", "some were not");
        }
    }
}

/// One limit that was not kept.
pub(super) fn line(to: &mut String, name: &str, expected: &str, actual: &str) {
    // Writing to a string does not fail.
    let _ = writeln!(to, "  {name}: expected {expected}, actual {actual}");
}
