//! The two magazines that a thread has.
//!
//! Written with the shard's turn, in an order that has those who read without it find
//! nothing rather than too much.

use core::ptr::{self, NonNull};
use core::sync::atomic::Ordering::{Acquire, Relaxed};
use core::sync::atomic::{AtomicPtr, AtomicU32};

use crate::pool::depot::{MAGAZINE, Magazine};

/// The magazine at the top of a shard, as the fast paths like it; none if `slots` is null.
pub(super) struct Loaded {
    pub(super) slots: AtomicPtr<*mut u8>,
    /// Behind the last object.
    pub(super) top: AtomicPtr<*mut u8>,
    /// Up to where it takes objects.
    pub(super) end: AtomicPtr<*mut u8>,
}

/// The magazine below that one; none if `slots` is null.
pub(super) struct Held {
    pub(super) slots: AtomicPtr<*mut u8>,
    pub(super) len: AtomicU32,
    pub(super) number: AtomicU32,
}

impl Loaded {
    pub(super) const fn new() -> Self {
        Self {
            slots: AtomicPtr::new(ptr::null_mut()),
            top: AtomicPtr::new(ptr::null_mut()),
            end: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// Objects in it. Others who read while it is exchanged find none.
    pub(super) fn len(&self) -> u32 {
        self.slots_up_to(&self.top)
    }

    /// Objects that it takes.
    pub(super) fn limit(&self) -> u32 {
        self.slots_up_to(&self.end)
    }

    fn slots_up_to(&self, place: &AtomicPtr<*mut u8>) -> u32 {
        // Who reads without the turn may see parts of two arrays: a second look, after the
        // place, tells. Acquire keeps it there; numbers for people need no more.
        let first = self.slots.load(Acquire).addr();
        let bytes = place.load(Acquire).addr().saturating_sub(first);
        let len = bytes / size_of::<*mut u8>();
        let is_same = self.slots.load(Relaxed).addr() == first;
        if len > MAGAZINE || !is_same { 0 } else { len as u32 }
    }

    pub(super) fn set_limit(&self, limit: u32) {
        let slots = self.slots.load(Relaxed);
        let limit = if slots.is_null() { 0 } else { limit.min(MAGAZINE as u32) };
        // SAFETY: within the array, or no step from null.
        self.end.store(unsafe { slots.add(limit as usize) }, Relaxed);
    }

    pub(super) fn take(&self, number: u32) -> Option<Magazine> {
        let slots = NonNull::new(self.slots.load(Relaxed))?;
        let len = self.len();
        // In this order: who reads in between finds nothing.
        self.top.store(ptr::null_mut(), Relaxed);
        self.slots.store(ptr::null_mut(), Relaxed);
        self.end.store(ptr::null_mut(), Relaxed);
        Some(Magazine { number, len, slots })
    }

    /// Where there is none. Takes no more objects before its limit is set.
    pub(super) fn set(&self, magazine: &Magazine) {
        let slots = magazine.slots.as_ptr();
        self.slots.store(slots, Relaxed);
        self.end.store(slots, Relaxed);
        // SAFETY: the array is that long.
        self.top.store(unsafe { slots.add(magazine.len as usize) }, Relaxed);
    }
}

impl Held {
    pub(super) const fn new() -> Self {
        let slots = AtomicPtr::new(ptr::null_mut());
        Self { slots, len: AtomicU32::new(0), number: AtomicU32::new(0) }
    }

    pub(super) fn is_none(&self) -> bool {
        self.slots.load(Relaxed).is_null()
    }

    pub(super) fn take(&self) -> Option<Magazine> {
        let slots = NonNull::new(self.slots.load(Relaxed))?;
        let len = self.len.load(Relaxed);
        // Not swapped: there is no other writer, and an exchange would lock the line.
        self.slots.store(ptr::null_mut(), Relaxed);
        self.len.store(0, Relaxed);
        Some(Magazine { number: self.number.load(Relaxed), len, slots })
    }

    pub(super) fn set(&self, magazine: Option<Magazine>) -> Option<Magazine> {
        let before = self.take();
        if let Some(magazine) = magazine {
            self.slots.store(magazine.slots.as_ptr(), Relaxed);
            self.len.store(magazine.len, Relaxed);
            self.number.store(magazine.number, Relaxed);
        }
        before
    }
}
