//! The typed part that all pools share: objects come to life in slots, go out, come
//! back, and end.
//!
//! Here user code runs (factory, reset, weigher, `Drop`), and whatever it does, a
//! slot goes back once: what is in a thread's hands meanwhile is guarded.

use core::iter;
use core::ptr::NonNull;

use crate::each::each;

use super::hands::{EmptySlot, Stock, Surplus};
use super::shard::Shard;
use super::store::Store;
use super::terms::heaviest;

/// What a kind of pool knows about its objects.
pub(crate) trait Objects {
    type Object;

    fn store(&self) -> &Store;

    /// The calling thread's shard of the store; `None`, or one that never opens, where it
    /// has none.
    #[inline(always)]
    fn own_shard(&self) -> Option<&Shard> {
        Some(self.store().shard_at_hand())
    }

    /// Comes before the first object does.
    fn begin(&self) {}

    /// Takes an object back, by `check_in` with the pool's reset.
    ///
    /// # Safety
    ///
    /// - As for `check_in`.
    unsafe fn check_in(&self, object: NonNull<Self::Object>);
    /// The bytes that an idle object keeps beyond its slot, as the program says.
    fn weigh(&self, object: &Self::Object) -> u64;
    /// Whether an object that comes back while its thread panics is used again.
    fn retains_after_panic(&self) -> bool;
}

/// Takes an object, or makes one.
#[inline(always)]
pub(crate) fn acquire<O: Objects + ?Sized, E>(
    objects: &O,
    make: impl FnOnce() -> Result<O::Object, E>,
) -> Result<NonNull<O::Object>, E> {
    match pop(objects) {
        Some(object) => Ok(object),
        None => acquire_slow(objects, make),
    }
}

/// Takes the object that is nearest, if the thread has one ready.
#[inline(always)]
fn pop<O: Objects + ?Sized>(objects: &O) -> Option<NonNull<O::Object>> {
    let shard = objects.own_shard()?;
    if !shard.turn.begin() {
        return None;
    }
    let object = shard.pop();
    shard.turn.end();
    object.map(NonNull::cast)
}

/// Puts an object where it is nearest; false if that takes the slow way.
///
/// # Safety
///
/// - As for `Store::put`.
#[inline(always)]
unsafe fn push<O: Objects + ?Sized>(objects: &O, object: NonNull<O::Object>) -> bool {
    let Some(shard) = objects.own_shard() else { return false };
    if !shard.turn.begin() {
        return false;
    }
    let is_in = shard.push(object.cast());
    shard.turn.end();
    is_in
}

#[cold]
#[inline(never)]
fn acquire_slow<O: Objects + ?Sized, E>(
    objects: &O,
    make: impl FnOnce() -> Result<O::Object, E>,
) -> Result<NonNull<O::Object>, E> {
    objects.begin();
    let store = objects.store();
    let nearest =
        if store.weights().are_kept() { store.pop_weighed() } else { store.pop_previous() };
    if let Some(slot) = nearest {
        return Ok(slot.cast());
    }
    match store.find() {
        Ok(slot) => Ok(slot.cast()),
        Err(empty) => {
            store.count(Shard::count_miss);
            let scope = store.tag().enter();
            let object = make()?;
            drop(scope);
            let slot = bring_in::<O>(empty, object);
            store.note_growth();
            Ok(slot)
        }
    }
}

/// Takes an object, if one is ready anywhere.
pub(crate) fn acquire_ready<O: Objects + ?Sized>(objects: &O) -> Option<NonNull<O::Object>> {
    objects.begin();
    let store = objects.store();
    let object = pop(objects).or_else(|| store.find_ready().map(NonNull::cast));
    if object.is_none() {
        store.count(Shard::count_miss);
    }
    object
}

fn bring_in<O: Objects + ?Sized>(empty: EmptySlot<'_>, object: O::Object) -> NonNull<O::Object> {
    empty.store.count(Shard::count_created);
    let slot = empty.fill().cast();
    // SAFETY: a slot of the store has the size and alignment of its objects, and is
    // this thread's.
    unsafe { slot.write(object) };
    slot
}

/// Takes an object in that was made elsewhere.
pub(crate) fn put<O: Objects + ?Sized>(objects: &O, object: O::Object) {
    objects.begin();
    let slot = bring_in::<O>(objects.store().empty_slot(), object);
    // SAFETY: a complete object in a slot of the store, and this thread's.
    unsafe { objects.check_in(slot) };
}

/// Makes so many objects, or as many as the limits allow, for whoever comes first; in
/// a pool that nobody uses yet.
pub(crate) fn prefill<O: Objects + ?Sized, E>(
    objects: &O,
    number: u64,
    make: impl Fn() -> Result<O::Object, E>,
) -> Result<(), E> {
    let store = objects.store();
    let limits = store.limits();
    let mut bytes_left = limits.retained_bytes_max;
    let number = if bytes_left == 0 { 0 } else { number };
    // Whatever `make` does, what was made until then is kept.
    let mut stock = Stock::new(store);
    for _ in 0..number.min(limits.retained_max) {
        let empty = store.empty_slot();
        let scope = store.tag().enter();
        let object = make()?;
        drop(scope);
        let object = bring_in::<O>(empty, object);
        // Ends it if the weigher panics, or if it is too heavy.
        let end = End { objects, object };
        if store.weights().are_kept() {
            // SAFETY: complete, and this thread's.
            let weight = weight(objects, unsafe { object.as_ref() });
            match bytes_left.checked_sub(weight) {
                Some(left) if weight <= heaviest(limits.retained_bytes_max) => bytes_left = left,
                _ => break,
            }
            // SAFETY: weights are kept, and the slot is this thread's.
            unsafe { store.weights().set(object.cast(), weight) };
        }
        core::mem::forget(end);
        stock.push(object.cast());
    }
    Ok(())
}

/// What an object weighs: no more than anything can, so that sums of weights are exact.
fn weight<O: Objects + ?Sized>(objects: &O, object: &O::Object) -> u64 {
    objects.weigh(object).min(WEIGHT_MAX)
}

/// A TiB.
pub(crate) const WEIGHT_MAX: u64 = 1 << 40;

/// Takes an object out for good.
///
/// # Safety
///
/// - The object is complete, and the caller's, who does not use it afterwards.
pub(crate) unsafe fn take_out<O: Objects + ?Sized>(
    objects: &O,
    object: NonNull<O::Object>,
) -> O::Object {
    let store = objects.store();
    let _empty = EmptySlot { store, slot: object.cast() };
    store.count(Shard::count_dropped);
    // SAFETY: complete, and nobody uses it afterwards (caller).
    unsafe { object.read() }
}

/// Takes an object back.
///
/// # Safety
///
/// - The object is complete, and the caller's, who does not use it afterwards.
#[inline(always)]
pub(crate) unsafe fn check_in<O: Objects + ?Sized>(
    objects: &O,
    object: NonNull<O::Object>,
    reset: impl FnOnce(&mut O::Object) -> bool,
) {
    if is_spoilt(objects) {
        // SAFETY: the caller's promise.
        return unsafe { end(objects, object) };
    }
    // SAFETY: the caller's promise.
    unsafe { check_in_sound(objects, object, reset) };
}

/// Whether the thread panics, and the objects that it gives back are not kept.
#[inline(always)]
pub(crate) fn is_spoilt<O: Objects + ?Sized>(objects: &O) -> bool {
    std::thread::panicking() && !objects.retains_after_panic()
}

/// Takes an object back that is not spoilt; ends it if the reset says false.
///
/// # Safety
///
/// - As for [`check_in`].
#[inline(always)]
pub(crate) unsafe fn check_in_sound<O: Objects + ?Sized>(
    objects: &O,
    mut object: NonNull<O::Object>,
    reset: impl FnOnce(&mut O::Object) -> bool,
) {
    // Ends it if user code panics.
    let end = End { objects, object };
    // SAFETY: complete, and the caller's.
    if !reset(unsafe { object.as_mut() }) {
        return drop(end);
    }
    core::mem::forget(end);
    // SAFETY: complete, weighed, and nobody else's.
    if !unsafe { push(objects, object) } {
        // SAFETY: as above.
        unsafe { put_slow(objects, object) };
    }
}

/// # Safety
///
/// - The object is complete, reset, and the caller's.
#[cold]
#[inline(never)]
unsafe fn put_slow<O: Objects + ?Sized>(objects: &O, object: NonNull<O::Object>) {
    let store = objects.store();
    if store.weights().are_kept() {
        // Ends it if the weigher panics.
        let end = End { objects, object };
        // SAFETY: complete, and the caller's.
        let weight = weight(objects, unsafe { object.as_ref() });
        core::mem::forget(end);
        // SAFETY: weights are kept, and the slot is the caller's.
        unsafe { store.weights().set(object.cast(), weight) };
        // SAFETY: complete and weighed, and the caller's.
        if unsafe { store.push_weighed(object.cast()) } {
            return;
        }
    // SAFETY: complete, and the caller's.
    } else if unsafe { store.push_previous(object.cast()) } {
        return;
    }
    // SAFETY: as above.
    if let Some(surplus) = unsafe { store.put(object.cast()) } {
        end_all(objects, surplus);
    }
}

/// Ends an object when dropped.
struct End<'o, O: Objects + ?Sized> {
    objects: &'o O,
    object: NonNull<O::Object>,
}

impl<O: Objects + ?Sized> Drop for End<'_, O> {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: whoever makes this value has a complete object to itself.
        unsafe { end(self.objects, self.object) };
    }
}

/// Ends an object; its slot goes home even if the object's own destructor panics.
///
/// # Safety
///
/// - The object is complete, and the caller's, who does not use it afterwards.
#[cold]
#[inline(never)]
pub(crate) unsafe fn end<O: Objects + ?Sized>(objects: &O, object: NonNull<O::Object>) {
    let store = objects.store();
    let _empty = EmptySlot { store, slot: object.cast() };
    store.count(Shard::count_dropped);
    // SAFETY: complete, and the caller's.
    unsafe { object.drop_in_place() };
}

fn end_all<O: Objects + ?Sized>(objects: &O, surplus: Surplus<'_>) {
    for slot in surplus {
        // SAFETY: complete, and from the surplus only once.
        unsafe { end(objects, slot.cast()) };
    }
}

/// Drops objects that are ready until at most so many bytes are idle, then returns
/// all memory that nothing is in.
pub(crate) fn shrink<O: Objects + ?Sized>(objects: &O, target_bytes: u64) {
    let store = objects.store();
    let _to_the_system = store.discards();
    store.gather();
    while target_bytes == 0 || store.idle_bytes() > target_bytes || store.is_too_full() {
        let Some(surplus) = store.take_surplus() else { break };
        end_all(objects, surplus);
    }
    store.gather_slots();
    store.shrink();
}

/// Drops every object that is ready, whatever some of their destructors do; for
/// the end of a pool. Then panics as the first of them did.
pub(crate) fn end_ready<O: Objects + ?Sized>(objects: &O) {
    let ready = iter::from_fn(|| objects.store().take_surplus()).flatten();
    // SAFETY: complete, and from the store only once.
    each(ready, |slot| unsafe { end(objects, slot.cast()) });
}
