//! What a pool and its leases share: the gate, and the way of an object through it.

use core::iter;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use core::time::Duration;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use super::recipe::{BoxError, Clock, Counted, Object, Recipe, Weigher};
use crate::each::{drop_payload, each};
use crate::pool::PoolError;
use crate::pool::gate::{Claim, Gate, Held, Permit, Refusal};
use crate::pool::objects::WEIGHT_MAX;
use crate::pool::times::{Times, WaitTimes, Watch};
use crate::scope::Tag;

pub(super) struct Shared<T> {
    pub(super) gate: Gate<Object<T>>,
    /// What the recipe says, in one byte each for the short ways.
    goes_out_as_it_is: bool,
    comes_back_as_it_is: bool,
    pub(super) recipe: Recipe<T>,
    pub(super) name: String,
    pub(super) tag: Tag,
    pub(super) waits: WaitTimes,
    pub(super) making: Times,
    pub(super) tally: Tally,
    clock: Clock,
    next_sweep_ns: AtomicU64,
}

/// What happens seldom. Relaxed: each is a total of its own.
#[derive(Default)]
pub(super) struct Tally {
    /// Objects that were begun to be made for an acquisition.
    pub(super) begun: AtomicU64,
    /// Acquisitions whose turn came to nothing: the pool was closed meanwhile.
    pub(super) withdrawn: AtomicU64,
    pub(super) made: AtomicU64,
    /// Counted by the objects themselves.
    pub(super) gone: Arc<AtomicU64>,
    /// Acquisitions that ended with nothing.
    pub(super) refused: AtomicU64,
}

fn count(total: &AtomicU64) {
    total.fetch_add(1, Relaxed);
}

impl<T> Shared<T> {
    pub(super) fn new(name: String, tag: Tag, max_live: usize, recipe: Recipe<T>) -> Self {
        Self {
            gate: Gate::new(max_live, slots(max_live)),
            goes_out_as_it_is: recipe.goes_out_as_it_is(),
            comes_back_as_it_is: recipe.comes_back_as_it_is(),
            next_sweep_ns: AtomicU64::new(recipe.sweep_interval_ns()),
            recipe,
            name,
            tag,
            waits: WaitTimes::default(),
            making: Times::default(),
            tally: Tally::default(),
            clock: Clock::new(),
        }
    }

    /// The short way out: an object that needs no lock and no look.
    #[inline]
    pub(super) fn ready(&self) -> Option<Held<'_, Object<T>>> {
        if self.goes_out_as_it_is { self.gate.try_shelf() } else { None }
    }

    /// An object that is fit for use, for what was got from the gate.
    ///
    /// Idle objects that are not are discarded, one after the other.
    pub(super) fn check_out<'g>(
        &'g self,
        claim: Claim<'g, Object<T>>,
    ) -> Result<Held<'g, Object<T>>, PoolError> {
        match self.fit(claim) {
            Ok(held) => Ok(held),
            Err(permit) => self.make(permit),
        }
    }

    /// An idle object that is fit for use, or else a permit to make one.
    pub(super) fn fit<'g>(
        &'g self,
        mut claim: Claim<'g, Object<T>>,
    ) -> Result<Held<'g, Object<T>>, Permit<'g, Object<T>>> {
        loop {
            let mut held = match claim {
                Claim::Object(held) => held,
                Claim::Permit(permit) => return Err(permit),
            };
            if self.is_fit(held.object_mut()) {
                return Ok(held);
            }
            // The permit stays ours: nobody is overtaken, and nobody overtakes.
            let (object, permit) = held.into_parts();
            drop(object);
            claim = permit.trade();
        }
    }

    fn is_fit(&self, object: &mut Object<T>) -> bool {
        if self.recipe.is_timed() && self.recipe.is_expired(object, self.clock.now_ns()) {
            return false;
        }
        self.recipe.check.as_ref().is_none_or(|check| self.tag.run(|| check(&mut object.value)))
    }

    #[cold]
    fn make<'g>(&'g self, permit: Permit<'g, Object<T>>) -> Result<Held<'g, Object<T>>, PoolError> {
        let value = {
            let _making = self.begin()?;
            self.tag.run(|| (self.recipe.factory)()).map_err(PoolError::Create)?
        };
        Ok(self.hold(permit, value))
    }

    /// To be called before an object is made for an acquisition, and kept until it is.
    ///
    /// Refused if the pool was closed since the permit was had, as by a check.
    pub(super) fn begin(&self) -> Result<Watch<'_>, PoolError> {
        if self.gate.is_closed() {
            count(&self.tally.withdrawn);
            return Err(self.refused(Refusal::Closed, Duration::ZERO));
        }
        count(&self.tally.begun);
        Ok(self.making.watch())
    }

    /// Gives a new object its permit.
    pub(super) fn hold<'g>(
        &'g self,
        permit: Permit<'g, Object<T>>,
        value: T,
    ) -> Held<'g, Object<T>> {
        let object = self.object(value);
        self.tag.run(|| permit.hold(object))
    }

    fn object(&self, value: T) -> Object<T> {
        count(&self.tally.made);
        let now_ns = self.now_ns();
        Object {
            value,
            made_ns: now_ns,
            idle_since_ns: now_ns,
            weight_bytes: 0,
            _counted: Counted(Arc::clone(&self.tally.gone)),
        }
    }

    /// Makes so many objects that are idle from the beginning, or as many as the limit
    /// allows.
    pub(super) fn prefill(&self, objects: u64) -> Result<(), PoolError> {
        for _ in 0..objects.min(self.gate.max_live() as u64) {
            let value = {
                let _making = self.making.watch();
                self.tag.run(|| (self.recipe.factory)()).map_err(PoolError::Create)?
            };
            let mut object = self.object(value);
            if let Some(weigher) = &self.recipe.weigher {
                object.weight_bytes = weight(weigher, &object.value);
            }
            self.tag.run(|| self.gate.bring(object));
        }
        Ok(())
    }

    /// Takes an object back from whoever used it.
    #[inline]
    pub(super) fn check_in(&self, held: Held<'_, Object<T>>) {
        if self.comes_back_as_it_is && !thread::panicking() {
            held.put_back();
        } else {
            self.check_in_changed(held);
        }
    }

    #[inline(never)]
    fn check_in_changed(&self, mut held: Held<'_, Object<T>>) {
        // A panic in here discards the object: it is on the stack.
        let keep = match thread::panicking() {
            false => self.restore(held.object_mut()),
            true => self.restore_after_panic(held.object_mut()),
        };
        if !keep {
            return drop(held);
        }
        if !self.recipe.is_timed() {
            return held.put_back();
        }
        let now_ns = self.clock.now_ns();
        if self.recipe.is_too_old(held.object(), now_ns) {
            return drop(held);
        }
        held.object_mut().idle_since_ns = now_ns;
        held.put_back();
        // Destructors of others: one that panics, too, would abort.
        if !thread::panicking() {
            self.sweep(now_ns);
        }
    }

    /// Resets and weighs; false if the object is not to be kept.
    fn restore(&self, object: &mut Object<T>) -> bool {
        if let Some(reset) = &self.recipe.reset
            && !self.tag.run(|| reset(&mut object.value))
        {
            return false;
        }
        if let Some(weigher) = &self.recipe.weigher {
            object.weight_bytes = weight(weigher, &object.value);
        }
        true
    }

    /// The same for an object that was in use during a panic. A second panic would
    /// end the program if it left a destructor.
    #[cold]
    fn restore_after_panic(&self, object: &mut Object<T>) -> bool {
        let restore = AssertUnwindSafe(|| self.restore(object));
        self.recipe.retain_after_panic
            && catch_unwind(restore).unwrap_or_else(|payload| {
                drop_payload(Some(payload));
                false
            })
    }

    /// Discards what has expired, if nobody looked lately.
    fn sweep(&self, now_ns: u64) {
        // Relaxed: the exchange says who sweeps; what is swept is behind the lock.
        let due_ns = self.next_sweep_ns.load(Relaxed);
        if now_ns < due_ns {
            return;
        }
        let next_ns = now_ns.saturating_add(self.recipe.sweep_interval_ns());
        if self.next_sweep_ns.compare_exchange(due_ns, next_ns, Relaxed, Relaxed).is_ok() {
            self.remove_expired();
        }
    }

    /// One by one: until its turn comes an object's place is free for another.
    pub(super) fn remove_expired(&self) -> usize {
        let now_ns = self.now_ns();
        let is_expired = |object: &Object<T>| self.recipe.is_expired(object, now_ns);
        let mut removed = 0;
        each(iter::from_fn(|| self.gate.take_one_idle(is_expired)), |object| {
            removed += 1;
            drop(object);
        });
        removed
    }

    #[cold]
    pub(super) fn refused(&self, refusal: Refusal, waited: Duration) -> PoolError {
        count(&self.tally.refused);
        let pool = self.name.clone();
        match refusal {
            Refusal::Closed => PoolError::Closed { pool },
            Refusal::Exhausted => {
                let max_live = self.gate.max_live();
                PoolError::Exhausted { pool, max_live, waited }
            }
        }
    }

    fn now_ns(&self) -> u64 {
        if self.recipe.is_timed() { self.clock.now_ns() } else { 0 }
    }
}

fn weight<T>(weigher: &Weigher<T>, value: &T) -> u64 {
    (weigher(value) as u64).min(WEIGHT_MAX)
}

/// A slot for each thread that can run at a time, but no more than there are objects.
fn slots(max_live: usize) -> usize {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    threads.min(max_live).clamp(1, 64)
}

/// An error of a factory, boxed.
pub(super) fn boxed<E: Into<BoxError>>(error: E) -> BoxError {
    error.into()
}
