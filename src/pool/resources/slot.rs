//! One resource: at most one user at a time, and one end.
//!
//! The resource is the one object of a gate. Unregistering closes the gate; whoever
//! has the resource then, the gate or its last user, drops it, and that is its
//! cleanup. So it is never cleaned up twice, and never while it is used: there is one
//! owner at any time.

use crate::pool::gate::{Claim, Gate, Held, Refusal, Wait};

/// A resource with what is to be done at its end, which is its destructor.
pub(crate) struct Cleaned<T, C: FnOnce(T)> {
    /// Taken out in `drop`.
    parts: Option<(T, C)>,
}

impl<T, C: FnOnce(T)> Cleaned<T, C> {
    pub(crate) fn new(resource: T, cleanup: C) -> Self {
        Self { parts: Some((resource, cleanup)) }
    }

    pub(crate) fn resource(&self) -> &T {
        &self.parts.as_ref().expect("a resource until its end").0
    }

    pub(crate) fn resource_mut(&mut self) -> &mut T {
        &mut self.parts.as_mut().expect("a resource until its end").0
    }
}

impl<T, C: FnOnce(T)> Drop for Cleaned<T, C> {
    fn drop(&mut self) {
        if let Some((resource, cleanup)) = self.parts.take() {
            cleanup(resource);
        }
    }
}

/// The gate of one resource.
pub(crate) struct Slot<R>(Gate<R>);

impl<R> Slot<R> {
    /// With the resource in it.
    pub(crate) fn new(resource: R) -> Self {
        let gate = Gate::new(1, 1);
        match gate.try_claim() {
            Ok(Claim::Permit(permit)) => permit.hold(resource).put_back(),
            Ok(Claim::Object(_)) | Err(_) => unreachable!("a new gate has its permit"),
        }
        Self(gate)
    }

    pub(crate) fn gate(&self) -> &Gate<R> {
        &self.0
    }

    pub(crate) fn try_acquire(&self) -> Result<Held<'_, R>, Refusal> {
        held(self.0.try_claim()?)
    }

    pub(crate) fn wait(&self) -> Wait<'_, R> {
        self.0.claim()
    }

    /// Ends the resource: drops it here, or has its user drop it. True if it ended
    /// here, now.
    pub(crate) fn end(&self) -> bool {
        let idle = self.0.close();
        let ends = !idle.is_empty();
        drop(idle);
        ends
    }
}

/// The resource of a claim. A permit without one means that its end is under way.
pub(crate) fn held<R>(claim: Claim<'_, R>) -> Result<Held<'_, R>, Refusal> {
    match claim {
        Claim::Object(held) => Ok(held),
        Claim::Permit(_) => Err(Refusal::Closed),
    }
}
