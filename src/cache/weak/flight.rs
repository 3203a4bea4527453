//! A build under way, and those who wait for it.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

enum State<V> {
    Building,
    Built(Arc<V>),
    Failed,
}

pub(super) struct Flight<V> {
    state: Mutex<State<V>>,
    over: Condvar,
}

impl<V> Flight<V> {
    pub(super) fn new() -> Self {
        Self { state: Mutex::new(State::Building), over: Condvar::new() }
    }

    /// Waits for the end; `None` if the build failed.
    pub(super) fn wait(&self) -> Option<Arc<V>> {
        let mut state = self.lock();
        loop {
            match &*state {
                State::Building => {
                    state = self.over.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                State::Built(value) => return Some(Arc::clone(value)),
                State::Failed => return None,
            }
        }
    }

    fn end(&self, state: State<V>) {
        *self.lock() = state;
        self.over.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<V>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one who builds. Dropped without a value (an error, a panic), it takes the
/// flight away and lets the others try.
pub(super) struct Leader<'a, V, F: FnMut()> {
    flight: &'a Arc<Flight<V>>,
    abandon: F,
    ended: bool,
}

impl<'a, V, F: FnMut()> Leader<'a, V, F> {
    pub(super) fn new(flight: &'a Arc<Flight<V>>, abandon: F) -> Self {
        Self { flight, abandon, ended: false }
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
