//! Claims: no more objects are alive than the limit says, none is in two hands, and
//! nobody waits for ever while there is something to be had (loom stops where all
//! threads are blocked: "deadlock").
//!
//! Threads take objects through a gate, waiting for them, and put them back or
//! discard them; waiters leave the queue, the gate is closed or resized meanwhile.
//! An object counts itself, from before it is made to after its destructor.

use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use loom::thread::{self, JoinHandle};

use super::explore::Preemptions::AsAsked;
use super::explore::{explore, explore_mutant};
use crate::pool::gate::{Claim, Gate, Held, Refusal, Wait};
use crate::sync::home::set_home;
use crate::sync::modelled::Change;
use crate::sync::park::block_on;

/// How many objects there are, and how many there have been.
#[derive(Default)]
struct Census {
    alive: AtomicUsize,
    made: AtomicUsize,
    gone: AtomicUsize,
}

struct Object {
    census: Arc<Census>,
    /// A loom cell: it stops where two threads use the object at a time.
    used: loom::cell::UnsafeCell<usize>,
}

impl Object {
    fn new(census: &Arc<Census>, limit: usize) -> Self {
        assert!(census.alive.fetch_add(1, Relaxed) < limit, "more objects than the limit");
        census.made.fetch_add(1, Relaxed);
        Self { census: census.clone(), used: loom::cell::UnsafeCell::new(0) }
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        self.census.alive.fetch_sub(1, Relaxed);
        self.census.gone.fetch_add(1, Relaxed);
    }
}

struct Model {
    gate: Gate<Object>,
    census: Arc<Census>,
    limit: usize,
}

impl Model {
    fn new(limit: usize, slots: usize) -> Arc<Self> {
        Self::resized(limit, limit, slots)
    }

    /// The gate begins with a limit that is to become another one.
    fn resized(first: usize, limit: usize, slots: usize) -> Arc<Self> {
        Arc::new(Self { gate: Gate::new(first, slots), census: Arc::default(), limit })
    }

    /// An object, made if there is none.
    fn held<'g>(&'g self, claim: Claim<'g, Object>) -> Held<'g, Object> {
        let held = match claim {
            Claim::Object(held) => held,
            Claim::Permit(permit) => permit.hold(Object::new(&self.census, self.limit)),
        };
        // SAFETY: whoever holds an object holds it alone; loom stops if not.
        held.object().used.with_mut(|used| unsafe { *used += 1 });
        held
    }

    fn acquire(&self) -> Result<Held<'_, Object>, Refusal> {
        let claim = block_on(&mut self.wait(), None).expect("no deadline");
        claim.map(|claim| self.held(claim))
    }

    fn wait(&self) -> Waits<'_> {
        Waits(ManuallyDrop::new(self.gate.claim()))
    }

    /// Everything is idle or gone, and everything that is gone is gone once.
    fn check_at_rest(&self) {
        let standing = self.gate.standing();
        let alive = self.census.alive.load(Relaxed);
        assert_eq!((standing.live, standing.idle), (alive, alive), "a permit is lost");
        assert_eq!(standing.waiting, 0);
        let (made, gone) = (self.census.made.load(Relaxed), self.census.gone.load(Relaxed));
        assert_eq!(made, gone + alive);
    }
}

/// A claim that leaves the queue, but not when loom has stopped the model: there is
/// no lock to be had any more.
struct Waits<'g>(ManuallyDrop<Wait<'g, Object>>);

impl<'g> Future for Waits<'g> {
    type Output = Result<Claim<'g, Object>, Refusal>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut *self.0).poll(context)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: dropped once, here.
            unsafe { ManuallyDrop::drop(&mut self.0) }
        }
    }
}

/// A thread with a slot of the shelf.
fn spawn(model: &Arc<Model>, home: usize, body: impl FnOnce(&Model) + 'static) -> JoinHandle<()> {
    let model = model.clone();
    thread::spawn(move || {
        set_home(home);
        body(&model);
    })
}

/// One object for three threads, one of which discards it.
fn permit_and_notify() {
    let model = Model::new(1, 1);
    let keeps = spawn(&model, 0, |model| {
        model.acquire().unwrap().put_back();
        model.acquire().unwrap().put_back();
    });
    let discards = spawn(&model, 0, |model| drop(model.acquire().unwrap()));
    model.acquire().unwrap().put_back();
    keeps.join().unwrap();
    discards.join().unwrap();
    model.check_at_rest();
}

/// A waiter goes away just when its turn comes; somebody else still waits.
fn a_waiter_leaves() {
    let model = Model::new(1, 1);
    let held = model.acquire().unwrap();
    let leaves = spawn(&model, 0, |model| {
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..2 {
            drop(Pin::new(&mut model.wait()).poll(&mut context));
        }
    });
    let waits = spawn(&model, 0, |model| model.acquire().unwrap().put_back());
    held.put_back();
    leaves.join().unwrap();
    waits.join().unwrap();
    model.check_at_rest();
}

/// The gate is closed while an object is out and somebody waits for it.
fn close_against_the_last_release() {
    let model = Model::new(1, 1);
    let held = model.acquire().unwrap();
    let waits = spawn(&model, 0, |model| {
        for _ in 0..2 {
            match model.acquire() {
                Ok(held) => held.put_back(),
                Err(refusal) => assert_eq!(refusal, Refusal::Closed),
            }
        }
    });
    let closes = spawn(&model, 0, |model| drop(model.gate.close()));
    held.put_back();
    waits.join().unwrap();
    closes.join().unwrap();
    assert_eq!(model.census.alive.load(Relaxed), 0, "an object outlived the close");
    assert!(matches!(model.gate.try_claim(), Err(Refusal::Closed)));
    model.check_at_rest();
}

/// The limit rises from none while two threads wait.
fn resize_against_waiting() {
    let model = Model::resized(0, 2, 1);
    let first = spawn(&model, 0, |model| model.acquire().unwrap().put_back());
    let second = spawn(&model, 0, |model| drop(model.acquire().unwrap()));
    assert!(model.gate.resize(2).is_empty());
    first.join().unwrap();
    second.join().unwrap();
    model.check_at_rest();
}

/// Two threads that share a slot, and an object that both use.
fn one_slot() {
    let model = Model::new(1, 1);
    let other = spawn(&model, 0, |model| {
        model.acquire().unwrap().put_back();
        model.acquire().unwrap().put_back();
    });
    model.acquire().unwrap().put_back();
    model.acquire().unwrap().put_back();
    other.join().unwrap();
    model.check_at_rest();
}

/// Two threads with slots of their own, which take what the other put back.
fn shelf_and_queue() {
    let model = Model::new(1, 2);
    let other = spawn(&model, 1, |model| {
        model.acquire().unwrap().put_back();
        model.acquire().unwrap().put_back();
    });
    model.acquire().unwrap().put_back();
    model.acquire().unwrap().put_back();
    other.join().unwrap();
    model.check_at_rest();
}

#[test]
fn loom_gate_nobody_waits_for_ever() {
    explore("permit and notify", AsAsked, 35_000, permit_and_notify);
}

#[test]
fn loom_gate_a_waiter_that_leaves_loses_nothing() {
    explore("cancelled waiters", AsAsked, 7_000, a_waiter_leaves);
}

#[test]
fn loom_gate_close_against_the_last_release() {
    explore("close against the last release", AsAsked, 3_000, close_against_the_last_release);
}

#[test]
fn loom_gate_resize_against_waiting() {
    explore("resize against waiting", AsAsked, 4_000, resize_against_waiting);
}

#[test]
fn loom_gate_objects_on_the_shelf_are_found() {
    explore("shelf and queue", AsAsked, 1_500, shelf_and_queue);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn loom_gate_mutant_relaxed_put_on_the_shelf() {
    let text = "slot.compare_exchange(empty, word, Ordering::Release";
    explore_mutant("pool/gate/shelf.rs", text, Change::Relaxed, shelf_and_queue);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn loom_gate_mutant_relaxed_take_from_the_shelf() {
    let text = "slot.compare_exchange(word, ptr::null_mut(), Ordering::Acquire";
    explore_mutant("pool/gate/shelf.rs", text, Change::Relaxed, one_slot);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn loom_gate_mutant_relaxed_gather() {
    let text = "slot.swap(shut(), Ordering::Acquire)";
    explore_mutant("pool/gate/shelf.rs", text, Change::Relaxed, shelf_and_queue);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn loom_gate_mutant_relaxed_open() {
    let text = "slot.store(Box::into_raw(object), Ordering::Release)";
    explore_mutant("pool/gate/shelf.rs", text, Change::Relaxed, one_slot);
}

#[test]
#[should_panic(expected = "deadlock")]
fn loom_gate_mutant_the_shelf_is_not_gathered() {
    let text =
        "&mut VecDeque<Box<Entry<T>>> {\n        #[cfg(loom)]\n        if !crate::sync::step()";
    explore_mutant("pool/gate/state.rs", text, Change::LeftOut, shelf_and_queue);
}

#[test]
#[should_panic(expected = "deadlock")]
fn loom_gate_mutant_release_looks_for_nobody() {
    let text = "if !self.queue.is_empty() && !crate::sync::step()";
    explore_mutant("pool/gate/state.rs", text, Change::LeftOut, permit_and_notify);
}

#[test]
#[should_panic(expected = "deadlock")]
fn loom_gate_mutant_permit_comes_back_unheard() {
    let text = "self.live -= 1;\n        #[cfg(loom)]\n        if !crate::sync::step()";
    explore_mutant("pool/gate/state.rs", text, Change::LeftOut, permit_and_notify);
}

#[test]
#[should_panic(expected = "deadlock")]
fn loom_gate_mutant_queues_without_looking_again() {
    let text =
        "state = self.gate.state.lock();\n        #[cfg(loom)]\n        if !crate::sync::step()";
    explore_mutant("pool/gate/wait.rs", text, Change::LeftOut, permit_and_notify);
}

#[test]
#[should_panic(expected = "a permit is lost")]
fn loom_gate_mutant_cancelled_waiter_keeps_its_grant() {
    let text = "else { return };\n        #[cfg(loom)]\n        if !crate::sync::step()";
    explore_mutant("pool/gate/wait.rs", text, Change::LeftOut, a_waiter_leaves);
}

#[test]
#[should_panic(expected = "an object outlived the close")]
fn loom_gate_mutant_release_after_close_stays() {
    let text = "if self.closed && !crate::sync::step()";
    explore_mutant("pool/gate/state.rs", text, Change::LeftOut, close_against_the_last_release);
}
