//! Which entries expire when, so that their bytes leave without being asked for.
//!
//! Deadlines fall into slots of a quarter of a second; a slot holds the hashes of
//! the keys that expire in it, eight bytes each. An entry that leaves early leaves
//! its hash behind; when two thirds of a wheel may be such left-overs, they are
//! weeded out: a wheel holds at most three times what can still expire.
//!
//! Lock order: a wheel, then a shard of the table.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crossbeam_utils::CachePadded;

use super::clock::{LAST, NEVER, Tick};

/// A slot is 2^this slots: 268 ms.
const SLOT_SHIFT: u32 = 3;
/// Wheels, so that threads that insert seldom meet.
const WHEELS: usize = 8;
/// What a wheel may hold before left-overs are looked for.
const WEED_FROM: usize = 256;

#[derive(Default)]
struct Wheel {
    slots: BTreeMap<u32, Vec<u64>>,
    len: usize,
    weed_at: usize,
}

/// What look-ups read, and seldom anybody writes.
struct Times {
    /// When the next slot is over; `NEVER` if nothing can expire.
    due: AtomicU32,
    /// What expires later is alive, without asking for the time: the time itself,
    /// where it is kept; elsewhere `LAST` until something is to expire, then `NEVER`.
    horizon: AtomicU32,
}

pub(super) struct Expiry {
    wheels: [CachePadded<Mutex<Wheel>>; WHEELS],
    times: CachePadded<Times>,
    /// Somebody calls `keep`.
    is_kept: bool,
    sweeping: AtomicBool,
}

impl Expiry {
    pub(super) fn new(is_kept: bool) -> Self {
        let horizon = if is_kept { 0 } else { LAST };
        let times = Times { due: AtomicU32::new(NEVER), horizon: AtomicU32::new(horizon) };
        Self {
            wheels: std::array::from_fn(|_| CachePadded::default()),
            times: CachePadded::new(times),
            is_kept,
            sweeping: AtomicBool::new(false),
        }
    }

    /// When there will be something to sweep.
    #[inline]
    pub(super) fn due(&self) -> Tick {
        // Relaxed: who sees it late, sweeps late.
        self.times.due.load(Ordering::Relaxed)
    }

    /// Up to when an entry may have expired: see `Times`.
    #[inline]
    pub(super) fn horizon(&self) -> Tick {
        // Relaxed: where it is kept, who sees it late finds an entry late. Elsewhere,
        // who has found an entry that expires sees what `expect` did before it came
        // in, through the lock of its shard.
        self.times.horizon.load(Ordering::Relaxed)
    }

    /// Something that expires is about to come in.
    pub(super) fn expect(&self) {
        if !self.is_kept && self.horizon() != NEVER {
            self.times.horizon.store(NEVER, Ordering::Relaxed);
        }
    }

    /// Brings the kept time forward.
    pub(super) fn keep(&self, now: Tick) {
        self.times.horizon.store(now, Ordering::Relaxed);
    }

    /// Notes a deadline. `current` tells the deadline of the entry of a hash.
    pub(super) fn note(&self, hash: u64, expires: Tick, current: impl Fn(u64) -> Option<Tick>) {
        if expires == NEVER {
            return;
        }
        let slot = expires >> SLOT_SHIFT;
        let mut wheel = lock(&self.wheels[hash as usize % WHEELS]);
        wheel.slots.entry(slot).or_default().push(hash);
        wheel.len += 1;
        if wheel.len > wheel.weed_at.max(WEED_FROM) {
            wheel.weed(current);
        }
        drop(wheel);
        let due = end_of(slot);
        if due < self.due() {
            // Relaxed: the wheel's lock orders this against `settle`.
            self.times.due.fetch_min(due, Ordering::Relaxed);
        }
    }

    /// Takes up to `limit` hashes of slots that are over.
    pub(super) fn take_over(&self, now: Tick, limit: usize) -> Vec<u64> {
        let mut taken = Vec::new();
        for wheel in &self.wheels {
            let (mut wheel, before) = (lock(wheel), taken.len());
            while taken.len() < limit
                && let Some(mut slot) = wheel.slots.first_entry()
                && end_of(*slot.key()) <= now
            {
                let rest = slot.get().len().saturating_sub(limit - taken.len());
                taken.extend(slot.get_mut().drain(rest..));
                if rest == 0 {
                    slot.remove();
                }
            }
            wheel.len -= taken.len() - before;
        }
        taken
    }

    /// Takes the hashes of the slot that is going on.
    pub(super) fn take_current(&self, now: Tick) -> Vec<u64> {
        let mut taken = Vec::new();
        for wheel in &self.wheels {
            let mut wheel = lock(wheel);
            if let Some(hashes) = wheel.slots.remove(&(now >> SLOT_SHIFT)) {
                wheel.len -= hashes.len();
                taken.extend(hashes);
            }
        }
        taken
    }

    /// Finds out when there will be something to sweep next.
    pub(super) fn settle(&self) {
        // Relaxed: a deadline noted before this store is in a wheel, which is read
        // below; one noted after it lowers what is stored here.
        self.times.due.store(NEVER, Ordering::Relaxed);
        let first = |wheel: &CachePadded<Mutex<Wheel>>| {
            lock(wheel).slots.first_key_value().map_or(NEVER, |(slot, _)| end_of(*slot))
        };
        let due = self.wheels.iter().map(first).min().unwrap_or(NEVER);
        self.times.due.fetch_min(due, Ordering::Relaxed);
    }

    /// Begins a sweeping step, unless another thread is at it.
    pub(super) fn begin(&self) -> Option<Sweeping<'_>> {
        // Acquire: pairs with the Release of the last step's end.
        let taken = self.sweeping.swap(true, Ordering::Acquire);
        (!taken).then_some(Sweeping(self))
    }
}

/// A sweeping step under way; the next due time is found when it ends.
pub(super) struct Sweeping<'a>(&'a Expiry);

impl Drop for Sweeping<'_> {
    fn drop(&mut self) {
        self.0.settle();
        // Release: pairs with the Acquire in `begin`.
        self.0.sweeping.store(false, Ordering::Release);
    }
}

impl Wheel {
    /// Drops what no entry of this deadline stands behind.
    #[cold]
    fn weed(&mut self, current: impl Fn(u64) -> Option<Tick>) {
        self.slots.retain(|slot, hashes| {
            hashes.sort_unstable();
            hashes.dedup();
            hashes.retain(|hash| {
                current(*hash).is_some_and(|expires| expires >> SLOT_SHIFT == *slot)
            });
            hashes.shrink_to_fit();
            !hashes.is_empty()
        });
        self.len = self.slots.values().map(Vec::len).sum();
        self.weed_at = 3 * self.len;
    }
}

fn end_of(slot: u32) -> Tick {
    slot.saturating_add(1).saturating_mul(1 << SLOT_SHIFT).min(NEVER - 1)
}

fn lock(wheel: &Mutex<Wheel>) -> MutexGuard<'_, Wheel> {
    // A panic under the lock could only be one for want of memory, between changes.
    wheel.lock().unwrap_or_else(PoisonError::into_inner)
}
