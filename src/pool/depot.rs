//! The depot: magazines that no thread holds, full ones and empty ones.
//!
//! A magazine is a number, an entry in a table that never moves or shrinks, and an
//! array of slots with objects. Whoever popped the number has the entry and the
//! array to itself. The arrays come from pages, so an empty depot can return them;
//! the entries stay until the pool goes.

use core::alloc::Layout;
use core::ptr::NonNull;
use core::sync::atomic::Ordering::Relaxed;
use core::sync::atomic::{AtomicPtr, AtomicU64};

use crossbeam_utils::CachePadded;

use crate::ledger::once_ptr::OncePtr;
use crate::sync::AtomicU32;

use super::pages::{Discards, Lot, Pages};
use super::stack::Stack;
use super::terms::{Room, Weights};

/// Objects that fit into a magazine.
pub(super) const MAGAZINE: usize = 64;

/// Small, so that a pool with few objects stays small.
const ARRAYS_PAGE_BYTES: usize = 16 << 10;
/// Entries of the first chunk of the table; each further one has twice as many.
const FIRST_CHUNK: u32 = 64;
/// Enough for all numbers there are.
const CHUNKS: usize = 26;

/// What an entry holds while no thread has its magazine.
struct Entry {
    link: AtomicU32,
    len: core::sync::atomic::AtomicU32,
    slots: AtomicPtr<*mut u8>,
}

/// A magazine in the hands of a thread.
#[derive(Debug)]
pub(super) struct Magazine {
    pub(super) number: u32,
    pub(super) len: u32,
    pub(super) slots: NonNull<*mut u8>,
}

impl Magazine {
    /// Takes the last object out.
    pub(super) fn pop(&mut self) -> Option<NonNull<u8>> {
        self.len = self.len.checked_sub(1)?;
        // SAFETY: below the length, and the magazine is the caller's.
        NonNull::new(unsafe { *self.slots.as_ptr().add(self.len as usize) })
    }

    /// Puts an object in; false if there is no room.
    pub(super) fn push(&mut self, slot: NonNull<u8>) -> bool {
        let has_room = (self.len as usize) < MAGAZINE;
        if has_room {
            // SAFETY: below the capacity, and the magazine is the caller's.
            unsafe { *self.slots.as_ptr().add(self.len as usize) = slot.as_ptr() };
            self.len += 1;
        }
        has_room
    }

    /// The objects in it.
    pub(super) fn slots(&self) -> &[*mut u8] {
        // SAFETY: the first `len` were written, and the magazine is the caller's.
        unsafe { core::slice::from_raw_parts(self.slots.as_ptr(), self.len as usize) }
    }
}

/// Where magazines are that no thread has.
pub(super) struct Depot {
    /// Lines of their own: all threads write to them, and read what lies beside.
    full: CachePadded<Full>,
    empty: CachePadded<Stack>,
    /// Numbers without an array.
    bare: Stack,
    chunks: [OncePtr<Entry>; CHUNKS],
    next_number: core::sync::atomic::AtomicU32,
    arrays: Pages,
}

/// The magazines with objects, and what is counted of them: who pushes or pops one
/// changes most of it.
struct Full {
    stack: Stack,
    /// Objects in these magazines.
    objects: AtomicU64,
    /// The weight of these.
    bytes: AtomicU64,
    /// These objects, and those that the threads may keep without asking again.
    promised: AtomicU64,
}

impl Depot {
    pub(super) const fn new() -> Self {
        Self {
            full: CachePadded::new(Full {
                stack: Stack::new(),
                objects: AtomicU64::new(0),
                bytes: AtomicU64::new(0),
                promised: AtomicU64::new(0),
            }),
            empty: CachePadded::new(Stack::new()),
            bare: Stack::new(),
            chunks: [const { OncePtr::null() }; CHUNKS],
            next_number: core::sync::atomic::AtomicU32::new(0),
            arrays: Pages::new(Layout::new::<[*mut u8; MAGAZINE]>(), ARRAYS_PAGE_BYTES),
        }
    }

    /// Objects in full magazines.
    pub(super) fn objects(&self) -> u64 {
        // Relaxed: a number.
        self.full.objects.load(Relaxed)
    }

    /// The weight of these.
    pub(super) fn object_bytes(&self) -> u64 {
        self.full.bytes.load(Relaxed)
    }

    /// Bytes of the magazines and of their table.
    pub(super) fn bytes(&self) -> u64 {
        let table: usize = (0..CHUNKS)
            .filter(|chunk| !self.chunks[*chunk].get().is_null())
            .map(|chunk| chunk_layout(chunk).size())
            .sum();
        self.arrays.bytes() + table as u64
    }

    /// Makes room for objects that are about to be pushed; false if there is none.
    pub(super) fn reserve(&self, objects: u64, bytes: u64, room: &Room) -> bool {
        // Relaxed: numbers; the stacks publish the objects.
        let now = self.full.objects.fetch_add(objects, Relaxed).saturating_add(objects);
        let bytes_now = match bytes {
            0 => 0,
            _ => self.full.bytes.fetch_add(bytes, Relaxed).saturating_add(bytes),
        };
        let has_room = now <= room.objects && bytes_now <= room.bytes;
        let fits = has_room && self.promise(objects, room.promised);
        if !fits {
            self.full.objects.fetch_sub(objects, Relaxed);
            self.full.bytes.fetch_sub(bytes, Relaxed);
        }
        fits
    }

    /// Promises a thread that it may keep so many more objects; false if that would be
    /// more than `max` in all.
    pub(super) fn promise(&self, objects: u64, max: u64) -> bool {
        // Relaxed: a number. Never more than was promised is kept, so the sum of what
        // is ready stays below the limit, whoever keeps it.
        let now = self.full.promised.fetch_add(objects, Relaxed).saturating_add(objects);
        if now > max {
            self.release(objects);
        }
        now <= max
    }

    /// Takes a promise back.
    pub(super) fn release(&self, objects: u64) {
        // Most have nothing to release, and the line is everybody's.
        if objects > 0 {
            self.full.promised.fetch_sub(objects, Relaxed);
        }
    }

    /// Objects in the depot, and those that the threads may keep.
    pub(super) fn promised(&self) -> u64 {
        self.full.promised.load(Relaxed)
    }

    /// Gives a magazine to the depot; `reserve` made room for its objects.
    pub(super) fn push(&self, magazine: Magazine) {
        let entry = self.entry(magazine.number);
        // Relaxed: published by the stack.
        entry.len.store(magazine.len, Relaxed);
        entry.slots.store(magazine.slots.as_ptr(), Relaxed);
        let stack = if magazine.len > 0 { &self.full.stack } else { &self.empty };
        stack.push(magazine.number, &entry.link);
    }

    /// Takes a magazine with objects; `weigh` tells what they weigh. That they may be
    /// kept is the caller's promise from now on.
    pub(super) fn pop_full(&self, weigh: impl FnOnce(&Magazine) -> u64) -> Option<Magazine> {
        let magazine = self.pop(&self.full.stack)?;
        // Relaxed: numbers.
        self.full.objects.fetch_sub(u64::from(magazine.len), Relaxed);
        let bytes = weigh(&magazine);
        if bytes > 0 {
            self.full.bytes.fetch_sub(bytes, Relaxed);
        }
        Some(magazine)
    }

    /// Takes one object, with its promise.
    pub(super) fn pop_one(&self, weights: Weights) -> Option<NonNull<u8>> {
        let mut magazine = self.pop(&self.full.stack)?;
        let slot = magazine.pop();
        if let Some(slot) = slot {
            // Relaxed: numbers.
            self.full.objects.fetch_sub(1, Relaxed);
            self.full.bytes.fetch_sub(weights.of(slot), Relaxed);
            self.release(1);
        }
        self.push(magazine);
        slot
    }

    /// Takes a magazine without objects, if there is one.
    pub(super) fn pop_empty(&self) -> Option<Magazine> {
        self.pop(&self.empty)
    }

    fn pop(&self, stack: &Stack) -> Option<Magazine> {
        let number = stack.pop(|number| &self.entry(number).link)?;
        let entry = self.entry(number);
        // Relaxed: the stack published them.
        let slots = NonNull::new(entry.slots.load(Relaxed))?;
        Some(Magazine { number, len: entry.len.load(Relaxed), slots })
    }

    /// A new magazine; `None` if there is no memory for one. Called under the
    /// pool's tag.
    #[cold]
    pub(super) fn make(&self) -> Option<Magazine> {
        let number = self.number()?;
        match self.arrays.take_one() {
            Some(slots) => Some(Magazine { number, len: 0, slots: slots.cast() }),
            None => {
                self.bare.push(number, &self.entry(number).link);
                None
            }
        }
    }

    /// A number without an array, with its entry in the table.
    fn number(&self) -> Option<u32> {
        if let Some(number) = self.bare.pop(|number| &self.entry(number).link) {
            return Some(number);
        }
        // Relaxed: numbers are given once each; the table publishes its chunks.
        let number = self.next_number.fetch_add(1, Relaxed);
        let (chunk, _) = place(number);
        let make = || {
            let layout = chunk_layout(chunk);
            // SAFETY: the layout is not empty.
            let entries = unsafe { std::alloc::alloc_zeroed(layout) };
            entries.cast::<Entry>()
        };
        // SAFETY: made with this layout a moment ago, and nobody else's.
        let discard = |entries: *mut Entry| unsafe {
            std::alloc::dealloc(entries.cast(), chunk_layout(chunk));
        };
        let there = self.chunks.get(chunk)?.get_or_make(make, discard);
        (!there.is_null()).then_some(number)
    }

    /// The entry of a number that was given.
    fn entry(&self, number: u32) -> &Entry {
        let (chunk, index) = place(number);
        // SAFETY: a number was given after its chunk was there, of this length and
        // zeroed, which is a valid entry; chunks stay until the depot goes.
        unsafe { &*self.chunks[chunk].get().add(index) }
    }

    /// Returns the arrays of magazines without objects.
    pub(super) fn shrink(&self) {
        let _to_the_system = Discards::new(&self.arrays);
        let mut arrays = Lot::EMPTY;
        while let Some(magazine) = self.pop_empty() {
            // SAFETY: an array is as good as an empty slot, and this thread's.
            unsafe { arrays.push(magazine.slots.cast()) };
            self.bare.push(magazine.number, &self.entry(magazine.number).link);
        }
        self.arrays.give(arrays);
        self.arrays.shrink();
    }
}

impl Drop for Depot {
    fn drop(&mut self) {
        self.shrink();
        for (chunk, entries) in self.chunks.iter().enumerate() {
            if !entries.get().is_null() {
                // SAFETY: made with this layout; the depot's last user is this.
                unsafe { std::alloc::dealloc(entries.get().cast(), chunk_layout(chunk)) };
            }
        }
    }
}

/// Chunk and index of a number.
fn place(number: u32) -> (usize, usize) {
    let shifted = u64::from(number) + u64::from(FIRST_CHUNK);
    let chunk = shifted.ilog2() - FIRST_CHUNK.ilog2();
    (chunk as usize, (shifted - (u64::from(FIRST_CHUNK) << chunk)) as usize)
}

fn chunk_layout(chunk: usize) -> Layout {
    let len = (FIRST_CHUNK as usize) << chunk;
    Layout::array::<Entry>(len).unwrap_or(Layout::new::<()>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_a_place_of_its_own() {
        let mut expected = (0, 0);
        for number in 0..10_000 {
            assert_eq!(place(number), expected);
            expected.1 += 1;
            if expected.1 == (FIRST_CHUNK as usize) << expected.0 {
                expected = (expected.0 + 1, 0);
            }
        }
        let (chunk, index) = place(u32::MAX - 1);
        assert!(chunk <= CHUNKS && index < (FIRST_CHUNK as usize) << chunk);
    }
}
