//! The guard of a pooled object.

use core::fmt;
use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

use crate::reclaim::Reclaimer;

use super::dynamic::Inner;
use super::in_slot::InSlot;
use super::objects::{self, Objects};

/// An object of a [`Pool`](super::Pool); goes back when dropped.
///
/// Two words. `Send` if the object is: dropped on another thread, it stays there
/// for that thread's next acquisition.
///
/// A guard that is forgotten keeps its object out for ever: the pool counts it as
/// in use, and its memory stays booked to the pool's tag.
#[must_use = "the object goes back when the guard is dropped"]
pub struct PoolGuard<'p, T: Send + 'static> {
    object: InSlot<T>,
    pool: &'p Inner<T>,
}

impl<'p, T: Send> PoolGuard<'p, T> {
    /// # Safety
    ///
    /// - The object is complete, in a slot of this pool, and nobody else's.
    #[inline(always)]
    pub(super) unsafe fn new(object: NonNull<T>, pool: &'p Inner<T>) -> Self {
        // SAFETY: the caller's promise.
        Self { object: unsafe { InSlot::new(object) }, pool }
    }

    /// The object, for another kind of guard.
    #[inline(always)]
    pub(super) fn into_slot(guard: Self) -> InSlot<T> {
        let guard = ManuallyDrop::new(guard);
        // SAFETY: this guard's until here, and nobody's from here on.
        unsafe { InSlot::new(guard.object.slot()) }
    }

    /// Takes the object out of the pool for good.
    ///
    /// An associated function, as the object may have a method of this name.
    #[must_use]
    pub fn into_inner(guard: Self) -> T {
        Self::detach(guard).1
    }

    /// Takes the object out of the pool for good; returns the pool, too, for
    /// [`PoolRef::put`].
    #[must_use]
    pub fn detach(guard: Self) -> (PoolRef<'p, T>, T) {
        let guard = ManuallyDrop::new(guard);
        // SAFETY: the guard's, complete, and not used afterwards.
        let object = unsafe { objects::take_out(guard.pool, guard.object.slot()) };
        (PoolRef(guard.pool), object)
    }
}

/// A pool that an object came from.
#[derive(Clone, Copy)]
pub struct PoolRef<'p, T: Send + 'static>(&'p Inner<T>);

impl<T: Send> PoolRef<'_, T> {
    /// As [`Pool::put`](super::Pool::put).
    pub fn put(&self, object: T) {
        objects::put(self.0, object);
    }
}

impl<T: Send> fmt::Debug for PoolRef<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PoolRef").field(&Reclaimer::name(self.0)).finish()
    }
}

impl<T: Send> Drop for PoolGuard<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: the guard's, complete, and not used afterwards.
        unsafe { self.pool.check_in(self.object.slot()) };
    }
}

impl<T: Send> Deref for PoolGuard<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.object
    }
}

impl<T: Send> DerefMut for PoolGuard<'_, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.object
    }
}

impl<T: Send + fmt::Debug> fmt::Debug for PoolGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.object.fmt(f)
    }
}
