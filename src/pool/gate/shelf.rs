//! Idle objects that are had and put back without the lock.
//!
//! A slot is empty, holds an object, or is *shut*: then nothing can be put there.
//! Only who holds the gate's lock shuts a slot or opens it again; so, once all are
//! shut under the lock, every object that comes back comes to the lock.

use core::ptr;
// Real also where the rest is modelled: a number that nothing depends on.
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::collections::VecDeque;
use std::sync::Arc;

use crossbeam_utils::CachePadded;

use crate::sync::{AtomicPtr, Ordering, home};

/// An object as the gate keeps it.
pub(crate) struct Entry<T> {
    /// Claims on the shelf. Written by who has the object; the state has the other end, so
    /// that a reading knows those of objects that are out.
    claims: Arc<AtomicU64>,
    /// Nobody has had the object.
    pub(super) is_unused: bool,
    pub(crate) object: T,
}

impl<T> Entry<T> {
    pub(super) fn new(object: T) -> Self {
        Self { claims: Arc::default(), is_unused: false, object }
    }

    /// For nobody yet.
    #[cfg_attr(loom, allow(dead_code))]
    pub(super) fn unused(object: T) -> Self {
        Self { is_unused: true, ..Self::new(object) }
    }

    /// Claims it on the shelf.
    #[inline]
    pub(super) fn claim(&mut self) {
        // Relaxed, and no exchange: a number that has one writer at a time.
        self.claims.store(self.claims.load(Relaxed) + 1, Relaxed);
    }

    /// Where its claims can be read.
    pub(super) fn claims(&self) -> Arc<AtomicU64> {
        self.claims.clone()
    }
}

pub(super) struct Shelf<T> {
    /// As many as a power of two; each thread has one, which it may share.
    slots: Box<[CachePadded<AtomicPtr<Entry<T>>>]>,
}

/// What is in a slot that is shut.
fn shut<T>() -> *mut Entry<T> {
    ptr::without_provenance_mut(1)
}

/// The object behind a slot's word, if there is one.
///
/// # Safety
///
/// - The word was taken out of a slot, with Acquire, by the caller alone.
unsafe fn object<T>(word: *mut Entry<T>) -> Option<Box<Entry<T>>> {
    if word.is_null() || word == shut() {
        return None;
    }
    // SAFETY: a word that is an object came from `Box::into_raw`, and nobody else has
    // it, by the contract.
    Some(unsafe { Box::from_raw(word) })
}

impl<T> Shelf<T> {
    pub(super) fn new(slots: usize) -> Self {
        let slots = slots.next_power_of_two();
        let empty = || CachePadded::new(AtomicPtr::new(ptr::null_mut()));
        Self { slots: (0..slots).map(|_| empty()).collect() }
    }

    /// The calling thread's slot.
    #[inline]
    fn slot(&self) -> &AtomicPtr<Entry<T>> {
        &self.slots[home::home() & (self.slots.len() - 1)]
    }

    #[inline]
    pub(super) fn take(&self) -> Option<Box<Entry<T>>> {
        let slot = self.slot();
        // Relaxed: a hint; the exchange decides.
        let word = slot.load(Ordering::Relaxed);
        if word.is_null() || word == shut() {
            return None;
        }
        // Acquire: pairs with the Release of who put the object here.
        let taken =
            slot.compare_exchange(word, ptr::null_mut(), Ordering::Acquire, Ordering::Relaxed);
        // SAFETY: the exchange took the word out; what it returns, not what was read
        // before, is the object that was there.
        taken.ok().and_then(|word| unsafe { object(word) })
    }

    /// Returns the object if the thread's slot is not empty.
    #[inline]
    pub(super) fn put(&self, object: Box<Entry<T>>) -> Result<(), Box<Entry<T>>> {
        let (slot, empty, word) = (self.slot(), ptr::null_mut(), Box::into_raw(object));
        // Release: pairs with the Acquire of who takes the object out.
        let put = slot.compare_exchange(empty, word, Ordering::Release, Ordering::Relaxed);
        // SAFETY: it is still ours, from `into_raw` above.
        put.map(drop).map_err(|_| unsafe { Box::from_raw(word) })
    }

    /// Under the lock: opens the thread's slot with an object, if it is shut.
    pub(super) fn open(&self, object: Box<Entry<T>>) -> Result<(), Box<Entry<T>>> {
        let slot = self.slot();
        // Relaxed: under the lock nobody else makes a slot shut or not shut.
        if slot.load(Ordering::Relaxed) != shut() {
            return Err(object);
        }
        // Release: pairs with the Acquire of who takes the object out.
        slot.store(Box::into_raw(object), Ordering::Release);
        Ok(())
    }

    /// Under the lock: shuts all slots; what was there goes to `idle`.
    pub(super) fn gather(&self, idle: &mut VecDeque<Box<Entry<T>>>) {
        for slot in &self.slots {
            // Relaxed: under the lock nobody else opens it.
            if slot.load(Ordering::Relaxed) == shut() {
                continue;
            }
            // Acquire: pairs with the Release of who put an object here.
            let word = slot.swap(shut(), Ordering::Acquire);
            // SAFETY: the exchange took the word out.
            idle.extend(unsafe { object(word) });
        }
    }
}

impl<T> Drop for Shelf<T> {
    fn drop(&mut self) {
        self.gather(&mut VecDeque::new());
    }
}
