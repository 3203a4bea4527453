//! What a thread has in its hands between a pool and user code: an empty slot, or
//! objects that the pool does not want. Whatever user code does, it goes back.

use core::ptr::NonNull;

use super::depot::Magazine;
use super::store::Store;

/// A slot without an object; goes home when dropped.
pub(super) struct EmptySlot<'s> {
    pub(super) store: &'s Store,
    pub(super) slot: NonNull<u8>,
}

impl EmptySlot<'_> {
    /// The slot, for an object that is in it from now on.
    pub(super) fn fill(self) -> NonNull<u8> {
        let slot = self.slot;
        core::mem::forget(self);
        slot
    }
}

impl Drop for EmptySlot<'_> {
    fn drop(&mut self) {
        // SAFETY: the store's, this value's, and empty.
        unsafe { self.store.put_slot(self.slot) };
    }
}

/// Objects to be dropped; those that are not when this goes are kept after all.
pub(super) struct Surplus<'s> {
    store: &'s Store,
    one: Option<NonNull<u8>>,
    magazine: Option<Magazine>,
}

impl<'s> Surplus<'s> {
    pub(super) fn one(store: &'s Store, slot: NonNull<u8>) -> Self {
        Self { store, one: Some(slot), magazine: None }
    }

    pub(super) fn many(store: &'s Store, magazine: Magazine) -> Self {
        Self { store, one: None, magazine: Some(magazine) }
    }
}

/// Objects that were made beforehand; when this goes, the depot has them.
pub(super) struct Stock<'s> {
    store: &'s Store,
    magazine: Option<Magazine>,
}

impl<'s> Stock<'s> {
    pub(super) const fn new(store: &'s Store) -> Self {
        Self { store, magazine: None }
    }

    /// Takes an object in.
    pub(super) fn push(&mut self, slot: NonNull<u8>) {
        let is_in = self.magazine.as_mut().is_some_and(|magazine| magazine.push(slot));
        if !is_in {
            let mut fresh = self.store.empty_magazine();
            fresh.push(slot);
            self.keep(Some(fresh));
        }
    }

    fn keep(&mut self, next: Option<Magazine>) {
        if let Some(full) = core::mem::replace(&mut self.magazine, next) {
            self.store.keep(full);
        }
    }
}

impl Drop for Stock<'_> {
    fn drop(&mut self) {
        self.keep(None);
    }
}

impl Iterator for Surplus<'_> {
    type Item = NonNull<u8>;

    fn next(&mut self) -> Option<NonNull<u8>> {
        self.one.take().or_else(|| self.magazine.as_mut()?.pop())
    }
}

impl Drop for Surplus<'_> {
    fn drop(&mut self) {
        if let Some(magazine) = self.magazine.take() {
            self.store.keep(magazine);
        }
    }
}
