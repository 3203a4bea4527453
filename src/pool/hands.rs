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
