//! Permits, and objects with theirs, outside the lock.

use core::mem::ManuallyDrop;

use super::{Entry, Gate};

/// The right to have one object; goes to the next in the queue when dropped.
pub(crate) struct Permit<'g, T> {
    gate: &'g Gate<T>,
}

/// An object that is not idle, with its permit.
///
/// Dropped, it is discarded: first the object, then, even if that panics, the
/// permit.
pub(crate) struct Held<'g, T> {
    /// Taken out once: by `drop` or by `into_object`.
    object: ManuallyDrop<Box<Entry<T>>>,
    gate: &'g Gate<T>,
}

/// What one gets from a gate.
pub(crate) enum Claim<'g, T> {
    Object(Held<'g, T>),
    /// Nothing is idle: make an object.
    Permit(Permit<'g, T>),
}

impl<'g, T> Permit<'g, T> {
    /// Gives the permit to an object.
    pub(crate) fn hold(self, object: T) -> Held<'g, T> {
        let object = Box::new(Entry::new(object));
        self.gate.state.lock().register(&object);
        Held::new(ManuallyDrop::new(self).gate, object)
    }

    /// Changes the permit for an idle object, if there is one again.
    pub(crate) fn trade(self) -> Claim<'g, T> {
        let traded = self.gate.state.lock().trade(&self.gate.shelf);
        match traded {
            // The permit was given back under the lock.
            Some(object) => Claim::Object(Held::new(ManuallyDrop::new(self).gate, object)),
            None => Claim::Permit(self),
        }
    }
}

impl<T> Drop for Permit<'_, T> {
    fn drop(&mut self) {
        let waker = self.gate.state.lock().give_up_permit();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<'g, T> Held<'g, T> {
    /// For an object whose permit is out and has no owner.
    #[inline]
    pub(crate) fn new(gate: &'g Gate<T>, object: Box<Entry<T>>) -> Self {
        Self { object: ManuallyDrop::new(object), gate }
    }

    /// The object alone: whoever has it has its permit, too, and owes [`Held::new`].
    #[inline]
    pub(crate) fn into_object(self) -> Box<Entry<T>> {
        let mut held = ManuallyDrop::new(self);
        // SAFETY: `held` is not used or dropped any more.
        unsafe { ManuallyDrop::take(&mut held.object) }
    }

    /// Object and permit, each to go its own way.
    pub(crate) fn into_parts(self) -> (T, Permit<'g, T>) {
        let gate = self.gate;
        let permit = Permit { gate };
        (self.into_object().object, permit)
    }

    pub(crate) fn object(&self) -> &T {
        &self.object.object
    }

    pub(crate) fn object_mut(&mut self) -> &mut T {
        &mut self.object.object
    }

    /// Lets the next have the object, or keeps it idle. Discards it if the gate is
    /// closed or was made smaller.
    #[inline]
    pub(crate) fn put_back(self) {
        let gate = self.gate;
        if let Err(object) = gate.shelf.put(self.into_object()) {
            Self::new(gate, object).put_back_locked();
        }
    }

    #[inline(never)]
    fn put_back_locked(self) {
        let gate = self.gate;
        let object = self.into_object();
        let put = gate.state.lock().put(object, &gate.shelf);
        match put {
            Ok(None) => {}
            Ok(Some(waker)) => waker.wake(),
            Err(object) => drop(Self::new(gate, object)),
        }
    }
}

impl<T> Drop for Held<'_, T> {
    fn drop(&mut self) {
        // SAFETY: the object is taken once, here; `into_object` forgets `self`.
        let object = unsafe { ManuallyDrop::take(&mut self.object) };
        let _permit = Permit { gate: self.gate };
        drop(object);
    }
}

impl<'g, T> Claim<'g, T> {
    /// For what was taken from the gate's state: an object, or a mere permit.
    #[inline]
    pub(super) fn new(gate: &'g Gate<T>, taken: Option<Box<Entry<T>>>) -> Self {
        match taken {
            Some(object) => Self::Object(Held::new(gate, object)),
            None => Self::Permit(Permit { gate }),
        }
    }

    /// Undoes the claim.
    pub(super) fn put_back(self) {
        match self {
            Self::Object(held) => held.put_back(),
            Self::Permit(permit) => drop(permit),
        }
    }
}
