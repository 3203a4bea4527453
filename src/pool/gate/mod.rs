//! A hard limit on the objects that are alive, and the queue of those who wait.
//!
//! A *permit* is the right to have one object. An object has its permit as long as
//! it lives, idle or in use, and gives it back when its destructor is done: so there
//! are never more objects than permits, and never more permits than the limit.
//!
//! Whoever waits is in one queue, thread or task, and gets its object or permit by
//! name, in the order in which it came: nobody else can take it, so nobody
//! overtakes, and a wake-up cannot be lost to another. Invariant: while anybody is
//! in the queue, nothing is idle and no permit is free.
//!
//! Who need not wait need not lock either: an idle object is on the *shelf*, one for
//! each thread, if it has been put back without haste. Whoever finds nothing there
//! takes the lock, and gathers from all threads what is idle before it takes a permit
//! or a place in the queue; from then on what comes back comes to the lock.
//!
//! User code (a factory, a check, a destructor, a waker) never runs under the lock.
//! Where it runs, the permit is a value on the stack, so that a panic gives it back.
//!
//! Uses `sync` and `each` only, so that the models in `src/tests` explore it as it is.

mod permit;
mod shelf;
mod state;
mod wait;

pub(crate) use permit::{Claim, Held, Permit};
pub(crate) use shelf::Entry;
pub(crate) use wait::Wait;

use crossbeam_utils::CachePadded;

use crate::each::each;
use crate::sync::lock::Mutex;
use shelf::Shelf;
use state::State;

/// Why nothing can be had now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// All permits are out.
    Exhausted,
    /// The gate is closed for ever.
    Closed,
}

/// How things stand at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Permits there may be.
    pub(crate) max_live: usize,
    /// Permits that are out: for objects idle, in use, and being made.
    pub(crate) live: usize,
    pub(crate) idle: usize,
    /// The most objects that were in use or being made.
    pub(crate) in_use_peak: usize,
    pub(crate) waiting: usize,
    /// Objects and permits ever given out.
    pub(crate) claims_total: u64,
    pub(crate) closed: bool,
}

/// A hard limit on objects of one kind.
pub(crate) struct Gate<T> {
    shelf: Shelf<T>,
    /// Everybody writes it; what is read only must not share its lines.
    state: CachePadded<Mutex<State<T>>>,
}

impl<T> Gate<T> {
    /// At most `max_live` objects; a shelf with room for so many threads.
    pub(crate) fn new(max_live: usize, slots: usize) -> Self {
        Self { shelf: Shelf::new(slots), state: CachePadded::new(Mutex::new(State::new(max_live))) }
    }

    /// An idle object, or else a permit to make one, if there is any now.
    pub(crate) fn try_claim(&self) -> Result<Claim<'_, T>, Refusal> {
        match self.try_shelf() {
            Some(held) => Ok(Claim::Object(held)),
            None => {
                let taken = self.state.lock().take(&self.shelf);
                taken.map(|taken| Claim::new(self, taken))
            }
        }
    }

    /// The idle object that can be had without the lock, if there is one.
    #[inline]
    pub(crate) fn try_shelf(&self) -> Option<Held<'_, T>> {
        let mut object = self.shelf.take()?;
        object.claim();
        Some(Held::new(self, object))
    }

    /// The same, as a future that waits for its turn.
    pub(crate) fn claim(&self) -> Wait<'_, T> {
        Wait::new(self)
    }

    /// Takes in an object that is idle from the beginning, before anybody claims one.
    /// Drops it if there is no permit for it.
    #[cfg_attr(loom, allow(dead_code))]
    pub(crate) fn bring(&self, object: T) {
        let object = Box::new(Entry::unused(object));
        let refused = self.state.lock().bring(object);
        drop(refused);
    }

    /// Sets the limit; returns the idle objects that are too many now. What is in
    /// use stays, and is not taken back when it returns.
    pub(crate) fn resize(&self, max_live: usize) -> Vec<Held<'_, T>> {
        let mut state = self.state.lock();
        let surplus = state.resize(max_live, &self.shelf);
        let wakers = state.grant_permits();
        drop(state);
        let surplus = self.held(surplus);
        wake_all(wakers);
        surplus
    }

    /// Refuses everybody from now on, those who wait included; returns what is
    /// idle. What is in use is not taken back when it returns.
    pub(crate) fn close(&self) -> Vec<Held<'_, T>> {
        let (idle, wakers) = self.state.lock().close(&self.shelf);
        let idle = self.held(idle);
        wake_all(wakers);
        idle
    }

    /// Takes out the idle objects that `remove` chooses, which runs under the lock.
    pub(crate) fn take_idle(&self, remove: impl FnMut(&T) -> bool) -> Vec<Held<'_, T>> {
        let taken = self.state.lock().take_idle(remove, &self.shelf);
        self.held(taken)
    }

    /// Takes out the first idle object that `remove` chooses, which runs under the lock.
    #[cfg_attr(loom, allow(dead_code))]
    pub(crate) fn take_one_idle(&self, remove: impl Fn(&T) -> bool) -> Option<Held<'_, T>> {
        let taken = self.state.lock().take_one_idle(remove, &self.shelf)?;
        Some(Held::new(self, taken))
    }

    /// Sums up the idle objects, under the lock.
    pub(crate) fn sum_idle(&self, what: impl Fn(&T) -> u64) -> u64 {
        self.state.lock().gather(&self.shelf).iter().map(|entry| what(&entry.object)).sum()
    }

    #[cfg_attr(loom, allow(dead_code))]
    pub(crate) fn max_live(&self) -> usize {
        self.state.lock().max_live()
    }

    #[cfg_attr(loom, allow(dead_code))]
    pub(crate) fn is_closed(&self) -> bool {
        self.state.lock().is_closed()
    }

    /// Walks all objects, under the lock.
    pub(crate) fn standing(&self) -> Standing {
        self.state.lock().standing(&self.shelf)
    }

    fn held(&self, objects: impl IntoIterator<Item = Box<Entry<T>>>) -> Vec<Held<'_, T>> {
        objects.into_iter().map(|object| Held::new(self, object)).collect()
    }
}

/// Wakes everybody, even if a waker panics; then panics as the first of them did.
fn wake_all(wakers: Vec<core::task::Waker>) {
    each(wakers, core::task::Waker::wake);
}
