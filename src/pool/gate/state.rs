//! What is behind a gate's lock. Nothing here runs user code: what is to be dropped
//! or woken is handed out.

use core::mem;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use core::task::Waker;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::shelf::{Entry, Shelf};
use super::{Refusal, Standing};

pub(super) struct State<T> {
    max_live: usize,
    /// Permits that are out. Above `max_live` only after that was lowered.
    live: usize,
    /// Idle objects that are not on the shelf. The last to come is the first to go, so
    /// that the others can expire.
    idle: VecDeque<Box<Entry<T>>>,
    in_use_peak: usize,
    /// Claims under the lock, and on the shelf of objects that are gone.
    claims_total: u64,
    /// Claims on the shelf, for each object; some of them may be gone.
    shelf_claims: Vec<Arc<AtomicU64>>,
    closed: bool,
    /// Those who wait, by the order in which they came.
    queue: BTreeMap<u64, Waker>,
    next_ticket: u64,
    /// What those have got who were woken and did not come yet: an object, or a
    /// permit to make one.
    granted: BTreeMap<u64, Option<Box<Entry<T>>>>,
}

/// What a waiter finds when it looks.
pub(super) enum Turn<T> {
    /// Not yet.
    Waiting,
    Granted(Option<Box<Entry<T>>>),
    Closed,
}

impl<T> State<T> {
    pub(super) const fn new(max_live: usize) -> Self {
        Self {
            max_live,
            live: 0,
            idle: VecDeque::new(),
            in_use_peak: 0,
            claims_total: 0,
            shelf_claims: Vec::new(),
            closed: false,
            queue: BTreeMap::new(),
            next_ticket: 0,
            granted: BTreeMap::new(),
        }
    }

    /// An idle object or a permit. Overtakes nobody, by the gate's invariant.
    pub(super) fn take(&mut self, shelf: &Shelf<T>) -> Result<Option<Box<Entry<T>>>, Refusal> {
        if self.closed {
            return Err(Refusal::Closed);
        }
        let object = self.pop_idle(shelf);
        if object.is_none() {
            if self.live >= self.max_live {
                return Err(Refusal::Exhausted);
            }
            self.add_permit();
        }
        self.claims_total += 1;
        Ok(object)
    }

    /// Takes an object back; returns it if it is not wanted any more.
    pub(super) fn put(
        &mut self,
        object: Box<Entry<T>>,
        shelf: &Shelf<T>,
    ) -> Result<Option<Waker>, Box<Entry<T>>> {
        #[cfg(loom)]
        if self.closed && !crate::sync::step() {
            self.idle.push_back(object); // A mutant's: it comes too late, and stays.
            return Ok(None);
        }
        if self.closed || self.live > self.max_live {
            return Err(object);
        }
        #[cfg(loom)]
        if !self.queue.is_empty() && !crate::sync::step() {
            self.idle.push_back(object); // A mutant's: those who wait are not looked for.
            return Ok(None);
        }
        let Some((ticket, waker)) = self.queue.pop_first() else {
            if let Err(object) = shelf.open(object) {
                self.idle.push_back(object);
            }
            return Ok(None);
        };
        self.granted.insert(ticket, Some(object));
        self.claims_total += 1;
        Ok(Some(waker))
    }

    /// Takes an object in that nobody has had; returns it if there is no permit for it.
    #[cfg_attr(loom, allow(dead_code))]
    pub(super) fn bring(&mut self, object: Box<Entry<T>>) -> Option<Box<Entry<T>>> {
        if self.closed || self.live >= self.max_live {
            return Some(object);
        }
        self.live += 1;
        self.register(&object);
        self.reserve();
        self.idle.push_back(object);
        None
    }

    /// Takes a permit back whose object is gone.
    pub(super) fn give_up_permit(&mut self) -> Option<Waker> {
        self.live -= 1;
        #[cfg(loom)]
        if !crate::sync::step() {
            return None; // A mutant's: the permit comes back, and nobody hears of it.
        }
        self.grant_permit()
    }

    /// An idle object for a permit.
    pub(super) fn trade(&mut self, shelf: &Shelf<T>) -> Option<Box<Entry<T>>> {
        // First: the object has a permit of its own, and one of the two is too many.
        self.live -= 1;
        let object = self.pop_idle(shelf);
        self.live += usize::from(object.is_none());
        object
    }

    /// Notes where an object's claims on the shelf are counted.
    pub(super) fn register(&mut self, object: &Entry<T>) {
        if self.shelf_claims.len() >= 2 * self.live {
            self.sum_up();
        }
        self.shelf_claims.push(object.claims());
    }

    /// Sums up the claims on objects that are gone.
    fn sum_up(&mut self) {
        self.shelf_claims.retain_mut(|claims| match Arc::get_mut(claims) {
            Some(claims) => {
                self.claims_total += *claims.get_mut();
                false
            }
            None => true,
        });
    }

    #[cfg_attr(loom, allow(dead_code))]
    pub(super) fn max_live(&self) -> usize {
        self.max_live
    }

    #[cfg_attr(loom, allow(dead_code))]
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// A place at the end of the queue.
    pub(super) fn wait(&mut self, waker: Waker) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.queue.insert(ticket, waker);
        ticket
    }

    /// What there is for a ticket. If nothing, leaves `waker` there, and the one
    /// that was there before in its place.
    pub(super) fn turn(&mut self, ticket: u64, waker: &mut Waker) -> Turn<T> {
        if let Some(place) = self.queue.get_mut(&ticket) {
            core::mem::swap(place, waker);
            return Turn::Waiting;
        }
        match self.granted.remove(&ticket) {
            Some(taken) => Turn::Granted(taken),
            None => Turn::Closed,
        }
    }

    /// Leaves the queue: the waker that was there, and what there was for the ticket.
    pub(super) fn leave(&mut self, ticket: u64) -> (Option<Waker>, Turn<T>) {
        match self.queue.remove(&ticket) {
            Some(waker) => (Some(waker), Turn::Waiting),
            None => (None, self.granted.remove(&ticket).map_or(Turn::Closed, Turn::Granted)),
        }
    }

    pub(super) fn resize(&mut self, max_live: usize, shelf: &Shelf<T>) -> Vec<Box<Entry<T>>> {
        self.max_live = max_live;
        self.gather(shelf);
        let surplus = self.live.saturating_sub(max_live).min(self.idle.len());
        self.idle.drain(..surplus).collect()
    }

    /// Grants the permits that are free, and says whom to wake.
    pub(super) fn grant_permits(&mut self) -> Vec<Waker> {
        core::iter::from_fn(|| self.grant_permit()).collect()
    }

    pub(super) fn close(&mut self, shelf: &Shelf<T>) -> (VecDeque<Box<Entry<T>>>, Vec<Waker>) {
        self.closed = true;
        let idle = mem::take(self.gather(shelf));
        let waiting = mem::take(&mut self.queue);
        (idle, waiting.into_values().collect())
    }

    pub(super) fn take_idle(
        &mut self,
        mut remove: impl FnMut(&T) -> bool,
        shelf: &Shelf<T>,
    ) -> Vec<Box<Entry<T>>> {
        let idle = mem::take(self.gather(shelf));
        let (taken, kept) = idle.into_iter().partition(|entry| remove(&entry.object));
        self.idle = VecDeque::from(kept);
        self.reserve();
        taken
    }

    pub(super) fn take_one_idle(
        &mut self,
        remove: impl Fn(&T) -> bool,
        shelf: &Shelf<T>,
    ) -> Option<Box<Entry<T>>> {
        let idle = self.gather(shelf);
        let place = idle.iter().position(|entry| remove(&entry.object))?;
        idle.remove(place)
    }

    /// All that is idle, in one list; the shelf is empty, and shut.
    pub(super) fn gather(&mut self, shelf: &Shelf<T>) -> &mut VecDeque<Box<Entry<T>>> {
        #[cfg(loom)]
        if !crate::sync::step() {
            return &mut self.idle; // A mutant's: the shelf keeps what it has.
        }
        shelf.gather(&mut self.idle);
        &mut self.idle
    }

    pub(super) fn standing(&mut self, shelf: &Shelf<T>) -> Standing {
        self.gather(shelf);
        self.sum_up();
        let shelf_claims = self.shelf_claims.iter().map(|claims| claims.load(Relaxed));
        Standing {
            max_live: self.max_live,
            live: self.live,
            idle: self.idle.len(),
            in_use_peak: self.in_use_peak,
            waiting: self.queue.len(),
            claims_total: self.claims_total + shelf_claims.sum::<u64>(),
            closed: self.closed,
        }
    }

    /// A free permit for the first in the queue.
    fn grant_permit(&mut self) -> Option<Waker> {
        if self.closed || self.live >= self.max_live {
            return None;
        }
        let (ticket, waker) = self.queue.pop_first()?;
        self.add_permit();
        self.granted.insert(ticket, None);
        self.claims_total += 1;
        Some(waker)
    }

    fn add_permit(&mut self) {
        self.live += 1;
        // Nothing is idle when a permit is added, so as many are in use as there are.
        self.in_use_peak = self.in_use_peak.max(self.live);
        self.reserve();
    }

    /// Room for all objects, so that no return ever grows the list.
    fn reserve(&mut self) {
        self.idle.reserve(self.live.saturating_sub(self.idle.len()));
    }

    fn pop_idle(&mut self, shelf: &Shelf<T>) -> Option<Box<Entry<T>>> {
        if self.idle.back().is_none_or(|it| it.is_unused) {
            self.gather(shelf);
        }
        let mut object = self.idle.pop_back()?;
        if mem::take(&mut object.is_unused) {
            // Those that nobody has had are below all others, so all others are in use.
            self.in_use_peak = self.in_use_peak.max(self.live - self.idle.len());
        }
        Some(object)
    }
}
