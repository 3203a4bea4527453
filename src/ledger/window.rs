//! Windows: the largest live bytes during a time, of a tag and its children or of
//! the process.
//!
//! A peak is never lowered, so a measurement that asks for the peak of its own
//! time opens a window. Threads that look at peaks raise the open windows of the
//! tags they allocated under.
//!
//! A window is one word: the number of the opening above, the peak below. A
//! raise is a compare-and-swap on the whole word, so one that comes late, after
//! its window was closed and another opened in the same slot, changes nothing.

use core::ops::Range;
use core::sync::atomic::{AtomicU16, AtomicU64, AtomicUsize, Ordering};

use super::cell::Counts;
use super::read;
use super::registry::{Reading, addresses_of};
use super::slots::Slots;

/// Windows open at one time.
const WINDOWS_MAX: usize = 4096;

/// Bits of a word for the peak: 256 TiB.
const PEAK_BITS: u32 = 48;
const PEAK_MASK: u64 = (1 << PEAK_BITS) - 1;

/// What a window watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Watch {
    /// A tag and its children; looks are some steps apart.
    Tag(u16),
    /// The process; a thread that works alone misses no peak.
    Process,
}

/// Between two looks a thread that watches a tag allocates this much, or this
/// part of what is live, whichever is more.
const STEP_BYTES: u64 = 4096;
const STEP_PART: u64 = 256;

impl Watch {
    const PROCESS: u16 = u16::MAX;

    const fn to_bits(self) -> u16 {
        match self {
            Self::Tag(tag) => tag,
            Self::Process => Self::PROCESS,
        }
    }

    const fn from_bits(bits: u16) -> Self {
        match bits {
            Self::PROCESS => Self::Process,
            tag => Self::Tag(tag),
        }
    }

    /// Whether blocks of a tag are among what is watched.
    fn includes(self, reading: &Reading, tag: u16) -> bool {
        match self {
            Self::Tag(watched) => {
                watched == tag || reading.ancestors(tag).any(|above| above == watched)
            }
            Self::Process => true,
        }
    }

    /// What is watched, now.
    pub(crate) fn read(self, reading: &Reading) -> Counts {
        match self {
            Self::Tag(tag) => read::tag_with_children(reading, tag).1,
            Self::Process => read::total(),
        }
    }

    /// How much a thread may allocate before it looks again. With what is missing
    /// to the peak, it cannot make a new one; it has two meters to spend from, so
    /// half of that.
    fn step(self, missing_bytes: u64, live_bytes: u64) -> u64 {
        let step = missing_bytes / 2 + 1;
        match self {
            Self::Tag(_) => step.max(live_bytes / STEP_PART).max(STEP_BYTES),
            Self::Process => step,
        }
    }
}

struct Slot {
    watch: AtomicU16,
    /// How many windows were opened before this one.
    opened: AtomicU64,
    word: AtomicU64,
}

impl Slot {
    const fn new() -> Self {
        Self { watch: AtomicU16::new(0), opened: AtomicU64::new(0), word: AtomicU64::new(0) }
    }
}

static OPEN: AtomicUsize = AtomicUsize::new(0);
/// Windows ever opened.
static OPENED: AtomicU64 = AtomicU64::new(0);
static TAKEN: Slots<{ WINDOWS_MAX / 64 }> = Slots::new();
static SLOTS: [Slot; WINDOWS_MAX] = [const { Slot::new() }; WINDOWS_MAX];

/// An open window; closed when dropped.
pub(crate) struct Window {
    index: usize,
    slot: &'static Slot,
}

impl Window {
    /// Opens a window; `None` if too many are open.
    pub(crate) fn open(watch: Watch, live_bytes: u64) -> Option<Self> {
        let index = TAKEN.claim()?;
        let slot = SLOTS.get(index)?;
        // Relaxed: the slot is ours; the Release below publishes `watch`.
        let number = (slot.word.load(Ordering::Relaxed) >> PEAK_BITS).wrapping_add(1);
        slot.watch.store(watch.to_bits(), Ordering::Relaxed);
        // Release: pairs with the Acquire in `Look::begin`. Who sees this number
        // then reads no value older than `live_bytes`.
        slot.opened.store(OPENED.fetch_add(1, Ordering::Release), Ordering::Relaxed);
        // Release: pairs with the Acquire in `look`.
        slot.word.store((number << PEAK_BITS) | live_bytes.min(PEAK_MASK), Ordering::Release);
        // Relaxed: a hint; the opener's own looks come after it anyway.
        OPEN.fetch_add(1, Ordering::Relaxed);
        Some(Self { index, slot })
    }

    /// The peak so far, raised to what is live now.
    pub(crate) fn peak(&self, live_bytes: u64) -> u64 {
        // Relaxed: nobody but us changes the number while the window is open.
        let word = self.slot.word.load(Ordering::Relaxed);
        raise(self.slot, word, live_bytes)
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::Relaxed);
        TAKEN.release(self.index);
    }
}

/// Raises the windows that watch a tag which was allocated under. Returns how
/// much may be allocated before the first of them needs another look.
pub(crate) fn look(reading: &Reading, tag: u16) -> Option<u64> {
    if OPEN.load(Ordering::Relaxed) == 0 {
        return None;
    }
    let mut next: Option<u64> = None;
    let mut last: Option<Look> = None;
    for slot in TAKEN.taken().filter_map(|index| SLOTS.get(index)) {
        // Acquire: pairs with the Release in `open`.
        let word = slot.word.load(Ordering::Acquire);
        let watch = Watch::from_bits(slot.watch.load(Ordering::Relaxed));
        let opened = slot.opened.load(Ordering::Relaxed);
        let known = last.filter(|look| look.is_for(watch, opened));
        if known.is_some() || watch.includes(reading, tag) {
            let look = known.unwrap_or_else(|| Look::begin(reading, watch));
            let live_bytes = look.live_bytes;
            let missing_bytes = raise(slot, word, live_bytes).saturating_sub(live_bytes);
            let step = watch.step(missing_bytes, live_bytes);
            next = Some(next.map_or(step, |next| next.min(step)));
            last = Some(look);
        }
    }
    next
}

/// What was read for one window, and serves the others on the same tag: a thousand
/// calls of one function may be measured at one time.
#[derive(Clone, Copy)]
struct Look {
    watch: Watch,
    live_bytes: u64,
    /// Windows opened before the reading.
    opened: u64,
}

impl Look {
    fn begin(reading: &Reading, watch: Watch) -> Self {
        // Acquire: pairs with the Release in `open`.
        let opened = OPENED.load(Ordering::Acquire);
        Self { watch, live_bytes: watch.read(reading).live_bytes(), opened }
    }

    /// A window that was opened later must not see what was live before it.
    fn is_for(&self, watch: Watch, opened: u64) -> bool {
        self.watch == watch && opened < self.opened
    }
}

/// Raises the peak in a word of the same number, and returns the peak.
fn raise(slot: &Slot, mut word: u64, live_bytes: u64) -> u64 {
    let (number, live_bytes) = (word >> PEAK_BITS, live_bytes.min(PEAK_MASK));
    while word >> PEAK_BITS == number && word & PEAK_MASK < live_bytes {
        let raised = (number << PEAK_BITS) | live_bytes;
        // Relaxed: the word is all there is to see.
        match slot.word.compare_exchange_weak(word, raised, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => return live_bytes,
            Err(now) => word = now,
        }
    }
    (word & PEAK_MASK).max(live_bytes)
}

/// Where the windows are, for `self_overhead`.
pub(crate) fn statics() -> Range<usize> {
    addresses_of(&SLOTS)
}

#[cfg(test)]
mod tests {
    use super::super::registry;
    use super::*;

    #[test]
    fn a_late_raise_does_not_reach_the_next_window() {
        let first = Window::open(Watch::Tag(77), 10).unwrap();
        let word = first.slot.word.load(Ordering::Relaxed);
        assert_eq!(first.peak(30), 30);
        assert_eq!(first.peak(20), 30);
        let slot = first.slot;
        drop(first);
        let windows: Vec<Window> =
            (0..70).map(|_| Window::open(Watch::Tag(78), 5).unwrap()).collect();
        let second = windows.iter().find(|one| core::ptr::eq(one.slot, slot)).unwrap();
        raise(slot, word, 1000);
        assert_eq!(second.peak(6), 6);
        drop(windows);

        let all: Vec<Window> = core::iter::from_fn(|| Window::open(Watch::Tag(79), 0)).collect();
        assert_eq!(all.len(), WINDOWS_MAX);
        drop(all);
        assert!(Window::open(Watch::Process, 0).is_some());
    }

    #[test]
    fn a_reading_serves_windows_that_were_open_before_it() {
        let watch = Watch::Tag(80);
        let opened = |window: &Window| window.slot.opened.load(Ordering::Relaxed);
        let before = Window::open(watch, 10).unwrap();
        let look = Look::begin(&registry::reading(), watch);
        let after = Window::open(watch, 5).unwrap();
        assert!(look.is_for(watch, opened(&before)));
        assert!(!look.is_for(Watch::Tag(81), opened(&before)));
        // No other test opened one in between.
        let look = Look { opened: opened(&after), ..look };
        assert!(!look.is_for(watch, opened(&after)), "it would see what was freed before it began");
    }
}
