//! `InSlot`: what the guards have in common.

use core::fmt;
use core::ops::{Deref, DerefMut};
use core::panic::{RefUnwindSafe, UnwindSafe};
use core::ptr::NonNull;

/// A complete object in a slot of a pool, and nobody else's: as a `Box` whose memory is
/// the pool's. Its guard takes it out, or gives it back, once.
pub(super) struct InSlot<T>(NonNull<T>);

// SAFETY: owns the object.
unsafe impl<T: Send> Send for InSlot<T> {}
// SAFETY: a shared one gives shared access to the object.
unsafe impl<T: Sync> Sync for InSlot<T> {}

// As with a `Box`: by itself it would be as a shared reference.
impl<T: UnwindSafe> UnwindSafe for InSlot<T> {}
impl<T: RefUnwindSafe> RefUnwindSafe for InSlot<T> {}

impl<T> InSlot<T> {
    /// # Safety
    ///
    /// - The object is complete, in a slot, and nobody else's for as long as this value
    ///   is used.
    #[inline(always)]
    pub(super) unsafe fn new(object: NonNull<T>) -> Self {
        Self(object)
    }

    /// Where it is.
    #[inline(always)]
    pub(super) fn slot(&self) -> NonNull<T> {
        self.0
    }
}

impl<T> Deref for InSlot<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: complete, and this value's.
        unsafe { self.0.as_ref() }
    }
}

impl<T> DerefMut for InSlot<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: complete, and this value's.
        unsafe { self.0.as_mut() }
    }
}

impl<T: fmt::Debug> fmt::Debug for InSlot<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
