//! Measuring one piece of work: what it took, kept, and needed at most.

mod future;
#[cfg(feature = "tracing")]
pub(crate) mod logged;

use std::time::{Duration, Instant};

use crate::alloc::local::local;
use crate::error::{Error, ErrorKind};
use crate::ledger::Counts;
use crate::ledger::window::{Watch, Window};
use crate::os;
use crate::scope::room::reading;
use crate::scope::{EphemeralTag, Tag};
use crate::snapshot;

pub use future::{MeasureFuture, measure_async};

/// The interval between two looks that the measurement of a tag begins with.
const INTERVAL_BYTES: u32 = 4096;

/// What a piece of work did to memory.
///
/// Everything but `thread`, `rss_bytes_delta` and `available_bytes_delta` is about the
/// tag of the measurement and the tags below it, on all threads; work that enters scopes of
/// other names is not in it, and is in `thread`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Measurement {
    /// Time the work took.
    pub elapsed: Duration,
    /// By how much the tag's live bytes grew.
    pub live_bytes_delta: i64,
    /// The tag's largest live bytes during the work: at most 4 KiB or 1/256 of it
    /// below the true one, if one thread works; further threads add what they
    /// allocate between two looks (256 KiB). Single blocks beyond that are seen
    /// exactly. What was live before the work is included.
    pub peak_live_bytes: u64,
    /// Bytes allocated under the tag.
    pub allocated_bytes: u64,
    /// Bytes freed that belonged to the tag.
    pub freed_bytes: u64,
    /// Blocks allocated under the tag.
    pub allocated_blocks: u64,
    /// Blocks freed that belonged to the tag.
    pub freed_blocks: u64,
    /// What the calling thread allocated and freed, under any tag; for a future,
    /// the threads that polled it, while they did.
    pub thread: Counts,
    /// By how much the process's resident size grew, if the system tells it.
    pub rss_bytes_delta: Option<i64>,
    /// By how much the memory that the host has available grew, if the system tells it:
    /// below zero where it was used up, by whatever process.
    pub available_bytes_delta: Option<i64>,
}

/// Runs a piece of work under a tag, and says what it did to memory.
///
/// # Cost
///
/// Some 30 µs around the work, of which the host's available memory is half. During it the calling thread looks at the peaks
/// about every 4 KiB or 1/256 of what is live, a microsecond each, at most 32
/// times as often as it does anyway.
///
/// # Concurrency
///
/// Other threads that work under the same tag at the same time are counted, too;
/// under a name of its own a measurement is exact. Measurements may nest and
/// overlap. Join the threads that the work starts: what `std` allocated for one that
/// `thread::scope` waits for is freed as that ends, which may be after `scope` returned.
///
/// # Errors
///
/// The work is not run and the error is
/// - [`ErrorKind::NotInstalled`] if no heapledger allocator serves the process,
/// - [`ErrorKind::InvalidTag`] if the name is not one of a tag, or has no place,
/// - [`ErrorKind::ThreadNotCounted`] if the thread has no counters of its own,
/// - [`ErrorKind::TooManyMeasurements`] if 4,096 are under way.
///
/// # Panics
///
/// If the work does; the tag that was current before is current again.
///
/// # Examples
///
/// ```
/// # #[global_allocator]
/// # static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
/// let (kept, m) = heapledger::measure("load", || vec![0_u8; 10 << 20]).unwrap();
/// assert_eq!(m.live_bytes_delta, 10 << 20);
/// assert_eq!(m.allocated_blocks, 1);
/// drop(kept);
///
/// let (sum, m) = heapledger::measure("sum", || vec![1_u64; 1000].iter().sum::<u64>()).unwrap();
/// assert_eq!((sum, m.live_bytes_delta, m.peak_live_bytes), (1000, 0, 8000));
/// ```
pub fn measure<T>(name: &str, work: impl FnOnce() -> T) -> Result<(T, Measurement), Error> {
    // Before the name takes a place in the table of tags.
    snapshot::backend()?;
    let tag = Tag::register(name)?;
    tag.measure(work)
}

impl Tag {
    /// Runs a piece of work under the tag, and says what it did to memory.
    ///
    /// Cost, errors and panics are those of [`measure`].
    ///
    /// # Errors
    ///
    /// Those of [`measure`], but for the name's.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[global_allocator]
    /// # static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
    /// static LOAD: heapledger::Tag = heapledger::Tag::new("load");
    ///
    /// let (text, m) = LOAD.measure(|| "ab".repeat(500)).unwrap();
    /// assert_eq!(m.live_bytes_delta, text.len() as i64);
    /// ```
    pub fn measure<T>(&self, work: impl FnOnce() -> T) -> Result<(T, Measurement), Error> {
        let running = Running::start(Watch::Tag(self.id().get()))?;
        let scope = self.enter();
        let value = work();
        drop(scope);
        let measurement = running.stop();
        Ok((value, measurement))
    }
}

impl EphemeralTag {
    /// Runs a piece of work under the tag, and says what it did to memory.
    ///
    /// Cost, errors and panics are those of [`measure`]. Without a number of its own
    /// the tag measures its parent.
    ///
    /// # Errors
    ///
    /// Those of [`measure`], but for the name's.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[global_allocator]
    /// # static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
    /// let query = heapledger::Tag::ephemeral("query/17").unwrap();
    /// let (hits, m) = query.measure(|| vec![0_u32; 100]).unwrap();
    /// assert_eq!((m.live_bytes_delta, hits.len()), (400, 100));
    /// ```
    pub fn measure<T>(&self, work: impl FnOnce() -> T) -> Result<(T, Measurement), Error> {
        let running = Running::start(Watch::Tag(self.id().get()))?;
        let value = self.run(work);
        let measurement = running.stop();
        Ok((value, measurement))
    }
}

/// A measurement under way; if it is dropped, the work has panicked.
pub(crate) struct Running {
    record: Record,
    interval: Interval,
    thread: Counts,
}

impl Running {
    pub(crate) fn start(watch: Watch) -> Result<Self, Error> {
        // Gives the thread its counters, if it has not allocated yet.
        snapshot::thread()?;
        let record = Record::start(watch)?;
        let interval = Interval::shorten(watch);
        let thread = snapshot::thread()?;
        Ok(Self { record, interval, thread })
    }

    /// What was live when the work began.
    pub(crate) fn live_bytes(&self) -> u64 {
        self.record.counts.live_bytes()
    }

    pub(crate) fn stop(self) -> Measurement {
        // The thread had counters when the work began and has not ended since.
        let thread = snapshot::thread().unwrap_or(self.thread).since(&self.thread);
        let measurement = self.record.stop(thread);
        drop(self.interval);
        measurement
    }
}

/// The part of a measurement that does not mind on which threads the work runs.
pub(crate) struct Record {
    watch: Watch,
    window: Window,
    rss_bytes: Option<u64>,
    available_bytes: Option<u64>,
    counts: Counts,
    started: Instant,
}

impl Record {
    pub(crate) fn start(watch: Watch) -> Result<Self, Error> {
        snapshot::backend()?;
        let (rss_bytes, available_bytes) = (os::rss_bytes(), os::available_bytes());
        let counts = watch.read(&reading());
        let window = Window::open(watch, counts.live_bytes())
            .ok_or(Error::new(ErrorKind::TooManyMeasurements))?;
        Ok(Self { watch, window, rss_bytes, available_bytes, counts, started: Instant::now() })
    }

    /// `thread` is what the threads that did the work allocated and freed.
    pub(crate) fn stop(self, thread: Counts) -> Measurement {
        let elapsed = self.started.elapsed();
        let after = self.watch.read(&reading());
        let counts = after.since(&self.counts);
        let peak_live_bytes = self.window.peak(after.live_bytes());
        let grown = |before: Option<u64>, after: Option<u64>| {
            before.zip(after).map(|(before, after)| after.wrapping_sub(before).cast_signed())
        };
        Measurement {
            elapsed,
            live_bytes_delta: counts.live_bytes_signed(),
            peak_live_bytes,
            allocated_bytes: counts.allocated_bytes,
            freed_bytes: counts.freed_bytes,
            allocated_blocks: counts.allocated_blocks,
            freed_blocks: counts.freed_blocks,
            thread,
            rss_bytes_delta: grown(self.rss_bytes, os::rss_bytes()),
            available_bytes_delta: grown(self.available_bytes, os::available_bytes()),
        }
    }
}

/// A shorter interval between two looks at the peaks on this thread, until dropped.
pub(crate) struct Interval {
    before: u32,
}

impl Interval {
    pub(crate) fn shorten(watch: Watch) -> Self {
        let bytes = match watch {
            Watch::Tag(_) => INTERVAL_BYTES,
            Watch::Process => 1,
        };
        Self { before: local().set_interval_bytes(bytes) }
    }
}

impl Drop for Interval {
    fn drop(&mut self) {
        // The thread is about to get a full interval: what it has spent of the last
        // one would never be looked at.
        local().look();
        local().set_interval_bytes(self.before);
    }
}
