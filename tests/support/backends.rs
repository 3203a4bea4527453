//! Backends that are hostile within the law: they fail on schedule, or align to
//! nothing more than was asked.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::null_mut;
use std::alloc::System;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::random::Random;

/// Which requests for memory are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schedule {
    Never,
    /// The one with this number, from 1.
    Nth(u64),
    /// Every one whose number this divides.
    Every(u64),
    /// One in ten, by chance that the seed decides.
    OneInTen(u64),
}

/// The system's allocator, which refuses requests on schedule.
pub struct Failing {
    schedule: Mutex<Schedule>,
    requests: AtomicU64,
    refusals: AtomicU64,
}

impl Failing {
    pub const fn new() -> Self {
        Self {
            schedule: Mutex::new(Schedule::Never),
            requests: AtomicU64::new(0),
            refusals: AtomicU64::new(0),
        }
    }

    /// Starts a schedule, and counts requests from 0 again.
    pub fn follow(&self, schedule: Schedule) {
        *lock(&self.schedule) = schedule;
        self.requests.store(0, Ordering::Relaxed);
        self.refusals.store(0, Ordering::Relaxed);
    }

    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    pub fn refusals(&self) -> u64 {
        self.refusals.load(Ordering::Relaxed)
    }

    fn refuses(&self) -> bool {
        let number = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let refused = match *lock(&self.schedule) {
            Schedule::Never => false,
            Schedule::Nth(only) => number == only,
            Schedule::Every(step) => number.is_multiple_of(step),
            Schedule::OneInTen(seed) => Random::new(seed ^ number).chance(1, 10),
        };
        self.refusals.fetch_add(u64::from(refused), Ordering::Relaxed);
        refused
    }
}

// SAFETY: the system's allocator, or null, which changes nothing.
unsafe impl GlobalAlloc for &Failing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's layout.
        if self.refuses() { null_mut() } else { unsafe { System.alloc(layout) } }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's layout.
        if self.refuses() { null_mut() } else { unsafe { System.alloc_zeroed(layout) } }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller's block and layout.
        if self.refuses() { null_mut() } else { unsafe { System.realloc(block, layout, new_size) } }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's block and layout.
        unsafe { System.dealloc(block, layout) };
    }
}

/// The worst backend that the law allows: blocks lie side by side without a gap,
/// and are aligned to what was asked and, wherever possible, to nothing more. A
/// freed block is given out again at once; `realloc` moves every time.
pub struct Packed {
    state: Mutex<Option<State>>,
}

#[derive(Default)]
struct State {
    /// Freed blocks by layout.
    free: HashMap<(usize, usize), Vec<usize>>,
    /// The rest of the newest chunk.
    next: usize,
    end: usize,
    /// None is ever freed; leak checkers find them here.
    chunks: Vec<usize>,
}

/// Larger requests go to the system.
const PACKED_MAX: usize = 64 << 10;
const CHUNK: usize = 16 << 20;

impl Packed {
    pub const fn new() -> Self {
        Self { state: Mutex::new(None) }
    }

    /// Gives nothing out again that was freed so far: the next blocks touch.
    pub fn start_afresh(&self) {
        lock(&self.state).get_or_insert_default().free.clear();
    }
}

// SAFETY: a block is cut from a chunk once and handed out again only after it
// was freed, for the same layout.
unsafe impl GlobalAlloc for &Packed {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() > PACKED_MAX || layout.align() > PACKED_MAX {
            // SAFETY: the caller's layout.
            return unsafe { System.alloc(layout) };
        }
        let mut state = lock(&self.state);
        let state = state.get_or_insert_default();
        let freed = state.free.get_mut(&(layout.size(), layout.align())).and_then(Vec::pop);
        let address = freed.unwrap_or_else(|| state.cut(layout));
        core::ptr::with_exposed_provenance_mut(address)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if layout.size() > PACKED_MAX || layout.align() > PACKED_MAX {
            // SAFETY: the caller's block and layout.
            return unsafe { System.dealloc(block, layout) };
        }
        let mut state = lock(&self.state);
        let state = state.get_or_insert_default();
        let size_and_align = (layout.size(), layout.align());
        state.free.entry(size_and_align).or_default().push(block.expose_provenance());
    }
}

impl State {
    fn cut(&mut self, layout: Layout) -> usize {
        let align = layout.align();
        let mut start = self.next.next_multiple_of(align);
        // Not by chance aligned to twice as much, except where blocks must touch.
        if align > 1 && start.is_multiple_of(2 * align) {
            start += align;
        }
        if start + layout.size() > self.end {
            let chunk = Layout::from_size_align(CHUNK, 4096).expect("a layout");
            // SAFETY: the size is not 0. The chunk is never freed.
            let fresh = unsafe { System.alloc(chunk) };
            assert!(!fresh.is_null(), "out of memory");
            self.next = fresh.expose_provenance();
            self.chunks.push(self.next);
            self.end = self.next + CHUNK;
            return self.cut(layout);
        }
        self.next = start + layout.size();
        start
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
