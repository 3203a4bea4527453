//! Observing a piece of work, and what was seen of it.

use crate::alloc::local::local;
use crate::error::{Error, ErrorKind};
use crate::ledger::Counts;
use crate::ledger::injection::Plan;
use crate::ledger::observer::Open;
use crate::ledger::registry;
use crate::scope::{EnteredScope, Scope};
use crate::snapshot;

/// What a piece of work did to memory, on all threads it was handed to.
///
/// [The module](super) says what is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Observed {
    /// All tags together.
    pub counts: Counts,
    /// The most bytes that were live at one time.
    pub peak_live_bytes: u64,
    /// The tags under which something was allocated or freed, most bytes first.
    pub tags: Vec<TagGrowth>,
    /// Threads, and observations on them, that were still inside of the work when
    /// it was over: what they do is not in the counts.
    pub still_at_work: u32,
    /// Times a thread without counters of its own worked for it, uncounted.
    pub uncounted_threads: u32,
}

/// What a piece of work did under one tag.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TagGrowth {
    /// The tag's name.
    pub tag: String,
    /// What was allocated under it, and freed of what belongs to it.
    pub counts: Counts,
}

impl Observed {
    /// Successful requests for memory; a `realloc` is one.
    #[must_use]
    pub const fn allocations(&self) -> u64 {
        self.counts.allocated_blocks
    }
}

/// Runs a piece of work, and says what it did to memory.
///
/// # Cost
///
/// See [the module](super).
///
/// # Concurrency
///
/// Exact whatever else the process does, see [the module](super). Observations
/// nest: the outer one has what the inner ones have.
///
/// # Errors
///
/// The work is not run and the error is
/// - [`ErrorKind::NotInstalled`] if no heapledger allocator serves the process,
/// - [`ErrorKind::ThreadNotCounted`] if the thread has no counters of its own,
/// - [`ErrorKind::TooManyObservations`] if 256 are under way.
///
/// # Panics
///
/// If the work does.
///
/// # Examples
///
/// ```
/// # #[global_allocator]
/// # static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
/// use heapledger::{Scope, scope, testing::observe};
///
/// let (kept, seen) = observe(|| {
///     drop(vec![0_u8; 3000]);
///     let scope = Scope::current();
///     std::thread::scope(|threads| {
///         let work = || scope.run(|| scope!("index", vec![0_u8; 1000]));
///         threads.spawn(work).join().unwrap()
///     })
/// })
/// .unwrap();
/// let index = seen.tags.iter().find(|tag| tag.tag == "index").unwrap();
/// assert_eq!((index.counts.allocated_blocks, index.counts.live_bytes()), (1, 1000));
/// assert!(seen.peak_live_bytes >= 3000);
/// # drop(kept);
/// ```
pub fn observe<R>(work: impl FnOnce() -> R) -> Result<(R, Observed), Error> {
    let observation = Observation::open(Plan::None)?;
    let value = observation.run(work);
    Ok((value, observation.close()))
}

/// An observation under way.
pub(super) struct Observation(Open);

impl Observation {
    /// Opens one inside of the thread's present one, if there is one.
    pub(super) fn open(plan: Plan) -> Result<Self, Error> {
        // Gives the thread its counters, if it has not allocated yet.
        snapshot::thread()?;
        let open = Open::new(local().observer(), plan);
        open.map(Self).ok_or(Error::new(ErrorKind::TooManyObservations))
    }

    /// Takes the calling thread inside, until the guard is dropped.
    pub(super) fn enter(&self) -> EnteredScope {
        Scope::current().observed_by(self.0.id()).enter()
    }

    pub(super) fn run<R>(&self, work: impl FnOnce() -> R) -> R {
        let _inside = self.enter();
        work()
    }

    /// Requests for memory, and how many were refused on purpose.
    pub(super) fn injected(&self) -> (u64, u64) {
        let seen = self.0.seen();
        (seen.requests, seen.injected)
    }

    /// What was seen.
    pub(super) fn close(self) -> Observed {
        let seen = self.0.seen();
        let mut counts = Counts::ZERO;
        let mut tags = Vec::new();
        for (id, of_tag) in self.0.tags().filter(|(_, of_tag)| *of_tag != Counts::ZERO) {
            counts = counts.plus(&of_tag);
            // A short-lived tag that is over has left its number to another, or nobody.
            let name =
                registry::reading().name(id).map_or_else(|| format!("(tag {id})"), str::to_owned);
            tags.push(TagGrowth { tag: name, counts: of_tag });
        }
        tags.sort_by(|a, b| {
            b.counts.allocated_bytes.cmp(&a.counts.allocated_bytes).then(a.tag.cmp(&b.tag))
        });
        Observed {
            counts,
            peak_live_bytes: seen.peak_live_bytes,
            tags,
            still_at_work: seen.at_work,
            uncounted_threads: seen.uncounted,
        }
    }
}
