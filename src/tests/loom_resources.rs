//! Claim: a resource is cleaned up once, and never while it is used.
//!
//! Two threads acquire a resource, waiting for it or not, while another one ends it.
//! The resource is a loom cell, which its users write and its cleanup reads: loom
//! stops where two do so at a time.

use std::sync::Arc;

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use loom::thread::{self, JoinHandle};

use super::explore::Preemptions::AsAsked;
use super::explore::{explore, explore_mutant};
use crate::pool::gate::{Held, Refusal};
use crate::pool::resources::slot::{Cleaned, Slot, held};
use crate::sync::modelled::Change;
use crate::sync::park::block_on;

type Cleanup = Box<dyn FnOnce(UnsafeCell<usize>)>;
type Resource = Cleaned<UnsafeCell<usize>, Cleanup>;

struct Model {
    slot: Slot<Resource>,
    cleaned: Arc<AtomicUsize>,
    ended: AtomicUsize,
}

impl Model {
    fn new() -> Arc<Self> {
        let cleaned = Arc::new(AtomicUsize::new(0));
        let count = cleaned.clone();
        let cleanup = move |resource: UnsafeCell<usize>| {
            // SAFETY: nobody uses it any more; loom stops if somebody does.
            resource.with(|uses| assert!(unsafe { *uses } <= 2));
            count.fetch_add(1, Relaxed);
        };
        let resource = Cleaned::new(UnsafeCell::new(0), Box::new(cleanup) as Cleanup);
        Arc::new(Self { slot: Slot::new(resource), cleaned, ended: AtomicUsize::new(0) })
    }

    fn acquire(&self, waits: bool) -> Result<Held<'_, Resource>, Refusal> {
        match self.slot.try_acquire() {
            Err(Refusal::Exhausted) if waits => {
                block_on(&mut self.slot.wait(), None).expect("no deadline").and_then(held)
            }
            at_once => at_once,
        }
    }

    fn use_once(&self, waits: bool) {
        let Ok(held) = self.acquire(waits) else { return };
        // SAFETY: whoever has acquired it has it alone; loom stops if not.
        held.object().resource().with_mut(|uses| unsafe { *uses += 1 });
        assert_eq!(self.cleaned.load(Relaxed), 0, "cleaned up while it is used");
        held.put_back();
    }

    fn end(&self) {
        self.ended.fetch_add(usize::from(self.slot.end()), Relaxed);
    }
}

fn spawn(model: &Arc<Model>, body: impl FnOnce(&Model) + 'static) -> JoinHandle<()> {
    let model = model.clone();
    thread::spawn(move || body(&model))
}

fn acquire_and_unregister() {
    let model = Model::new();
    let threads =
        [spawn(&model, |model| model.use_once(true)), spawn(&model, |model| model.use_once(false))];
    model.end();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(model.cleaned.load(Relaxed), 1, "cleaned up not once");
    assert!(model.slot.try_acquire().is_err());
}

/// The register gives each resource to one thread to end; even if it did not:
fn unregistered_twice() {
    let model = Model::new();
    let threads =
        [spawn(&model, |model| model.use_once(false)), spawn(&model, |model| model.end())];
    model.end();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(model.cleaned.load(Relaxed), 1, "cleaned up not once");
    assert!(model.ended.load(Relaxed) <= 1, "two say that they ended it");
}

#[test]
fn loom_resources_one_cleanup_and_never_during_use() {
    explore("acquire against unregister", AsAsked, 2_500, acquire_and_unregister);
}

#[test]
fn loom_resources_two_unregister() {
    explore("unregister against unregister", AsAsked, 1_500, unregistered_twice);
}

#[test]
#[should_panic(expected = "cleaned up not once")]
fn loom_resources_mutant_put_back_after_the_end() {
    let text = "if self.closed && !crate::sync::step()";
    explore_mutant("pool/gate/state.rs", text, Change::LeftOut, acquire_and_unregister);
}

#[test]
#[should_panic(expected = "cleaned up not once")]
fn loom_resources_mutant_the_end_leaves_the_shelf() {
    let text =
        "&mut VecDeque<Box<Entry<T>>> {\n        #[cfg(loom)]\n        if !crate::sync::step()";
    explore_mutant("pool/gate/state.rs", text, Change::LeftOut, acquire_and_unregister);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn loom_resources_mutant_the_end_does_not_see_the_last_use() {
    let text = "slot.swap(shut(), Ordering::Acquire)";
    explore_mutant("pool/gate/shelf.rs", text, Change::Relaxed, acquire_and_unregister);
}
