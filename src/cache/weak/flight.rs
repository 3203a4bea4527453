//! A build under way, and those who wait for it: threads and tasks.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

enum State<V> {
    /// Who waits; places of those who left are used again.
    Building(Vec<Option<Waker>>),
    Built(Arc<V>),
    Failed,
}

pub(super) struct Flight<V>(Mutex<State<V>>);

impl<V> Flight<V> {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(State::Building(Vec::new())))
    }

    /// Waits for the end; `None` if the build failed.
    pub(super) fn landing(&self) -> Landing<'_, V> {
        Landing { flight: self, place: None }
    }

    fn end(&self, end: State<V>) {
        let before = mem::replace(&mut *self.lock(), end);
        // Wakers are user code: woken and dropped under no lock.
        if let State::Building(waiting) = before {
            waiting.into_iter().flatten().for_each(Waker::wake);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<V>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The future of a flight's end.
pub(super) struct Landing<'f, V> {
    flight: &'f Flight<V>,
    /// Where its waker is.
    place: Option<usize>,
}

impl<V> Landing<'_, V> {
    /// Puts a waker in its place, or none; what was there is to be dropped unlocked.
    fn place(&mut self, state: &mut State<V>, waker: Option<Waker>) -> Option<Waker> {
        let State::Building(waiting) = state else { return None };
        let place = *self.place.get_or_insert_with(|| {
            waiting.iter().position(Option::is_none).unwrap_or_else(|| {
                waiting.push(None);
                waiting.len() - 1
            })
        });
        mem::replace(&mut waiting[place], waker)
    }
}

impl<V> Future for Landing<'_, V> {
    type Output = Option<Arc<V>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let waker = context.waker().clone();
        let mut state = self.flight.lock();
        match &*state {
            State::Building(_) => {}
            State::Built(value) => return Poll::Ready(Some(Arc::clone(value))),
            State::Failed => return Poll::Ready(None),
        }
        let before = self.place(&mut state, Some(waker));
        drop(state);
        drop(before);
        Poll::Pending
    }
}

impl<V> Drop for Landing<'_, V> {
    fn drop(&mut self) {
        if self.place.is_some() {
            let mut state = self.flight.lock();
            let own = self.place(&mut state, None);
            drop(state);
            drop(own);
        }
    }
}

/// The one who builds. Dropped without a value (an error, a panic, a future that is
/// dropped), it takes the flight away and lets the others try.
pub(super) struct Leader<'a, V, F: FnMut()> {
    flight: &'a Arc<Flight<V>>,
    abandon: F,
    ended: bool,
}

impl<'a, V, F: FnMut()> Leader<'a, V, F> {
    pub(super) fn new(flight: &'a Arc<Flight<V>>, abandon: F) -> Self {
        Self { flight, abandon, ended: false }
    }

    pub(super) fn flight(&self) -> &'a Arc<Flight<V>> {
        self.flight
    }

    pub(super) fn built(mut self, value: &Arc<V>) {
        self.ended = true;
        self.flight.end(State::Built(Arc::clone(value)));
    }
}

impl<V, F: FnMut()> Drop for Leader<'_, V, F> {
    fn drop(&mut self) {
        if !self.ended {
            // First out of the map, so that who is woken does not find it again.
            (self.abandon)();
            self.flight.end(State::Failed);
        }
    }
}
