//! Waiting for one's turn.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use super::state::Turn;
use super::{Claim, Gate, Refusal};

/// The future of a claim.
///
/// Dropped at any time it leaves the queue; what it was given already goes to the
/// next one.
#[must_use = "a future does nothing until it is polled"]
pub(crate) struct Wait<'g, T> {
    gate: &'g Gate<T>,
    /// Its place in the queue, once it has one.
    ticket: Option<u64>,
}

impl<'g, T> Wait<'g, T> {
    pub(super) fn new(gate: &'g Gate<T>) -> Self {
        Self { gate, ticket: None }
    }

    /// Stops waiting; returns what was given at the last moment.
    pub(crate) fn leave(&mut self) -> Result<Claim<'g, T>, Refusal> {
        let Some(ticket) = self.ticket.take() else { return Err(Refusal::Exhausted) };
        let (_waker, turn) = self.gate.state.lock().leave(ticket);
        match turn {
            Turn::Waiting => Err(Refusal::Exhausted),
            Turn::Granted(taken) => Ok(Claim::new(self.gate, taken)),
            Turn::Closed => Err(Refusal::Closed),
        }
    }

    /// Enters the queue, if there is still nothing to be had.
    fn enter(&mut self, waker: Waker) -> Poll<Result<Claim<'g, T>, Refusal>> {
        let mut state = self.gate.state.lock();
        #[cfg(loom)]
        if !crate::sync::step() {
            // A mutant's: what came since its last look, it does not see.
            self.ticket = Some(state.wait(waker));
            return Poll::Pending;
        }
        let taken = state.take(&self.gate.shelf);
        if matches!(taken, Err(Refusal::Exhausted)) {
            self.ticket = Some(state.wait(waker));
            return Poll::Pending;
        }
        drop(state);
        Poll::Ready(taken.map(|taken| Claim::new(self.gate, taken)))
    }
}

impl<'g, T> Future for Wait<'g, T> {
    type Output = Result<Claim<'g, T>, Refusal>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(ticket) = self.ticket else {
            return match self.gate.try_claim() {
                // Cloning and dropping a waker is user code, hence outside the lock.
                Err(Refusal::Exhausted) => self.enter(context.waker().clone()),
                at_once => Poll::Ready(at_once),
            };
        };
        let mut waker = context.waker().clone();
        let turn = self.gate.state.lock().turn(ticket, &mut waker);
        let outcome = match turn {
            Turn::Waiting => return Poll::Pending,
            Turn::Granted(taken) => Ok(Claim::new(self.gate, taken)),
            Turn::Closed => Err(Refusal::Closed),
        };
        self.ticket = None;
        Poll::Ready(outcome)
    }
}

impl<T> Drop for Wait<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if self.ticket.is_none() {
            return;
        }
        let Ok(claim) = self.leave() else { return };
        #[cfg(loom)]
        if !crate::sync::step() {
            return core::mem::forget(claim); // A mutant's: what it was given is lost.
        }
        claim.put_back();
    }
}
