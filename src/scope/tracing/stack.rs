//! The matched spans that a thread is in.

use core::cell::Cell;

use crate::alloc::local::{Saved, local};
use crate::ledger::fault::FAULTS;

/// How many matched spans a thread may be in; those beyond change no tag.
pub const ENTERED_SPANS_MAX: usize = 64;

/// A span that was entered and not yet exited.
#[derive(Clone, Copy)]
struct Entered {
    span: u64,
    /// Numbers of spans are a subscriber's, and a thread may use several.
    layer: u32,
    /// Its tag, as the offset of a cell.
    tag: u32,
    /// What was current before it.
    before: Saved,
}

/// Two KiB a thread. No destructor and a constant initialiser: spans may be exited
/// by the last of a thread's destructors.
struct Stack {
    depth: Cell<usize>,
    entered: [Cell<Entered>; ENTERED_SPANS_MAX],
}

const EMPTY: Entered = Entered { span: 0, layer: 0, tag: 0, before: Saved::UNTAGGED };

thread_local! {
    static STACK: Stack = const {
        Stack { depth: Cell::new(0), entered: [const { Cell::new(EMPTY) }; ENTERED_SPANS_MAX] }
    };
}

/// Makes the tag of a span current.
#[inline]
pub(super) fn enter(layer: u32, span: u64, tag: u32) {
    STACK.with(|stack| match stack.entered.get(stack.depth.get()) {
        Some(place) => {
            place.set(Entered { span, layer, tag, before: local().enter(tag) });
            stack.depth.set(stack.depth.get() + 1);
        }
        None => FAULTS.spans_too_deep.raise(),
    });
}

/// Takes a span out, if this thread entered it: the last time it did, where there
/// were several.
#[inline]
pub(super) fn exit(layer: u32, span: u64) {
    STACK.with(|stack| {
        let entered = &stack.entered[..stack.depth.get()];
        let is_it = |place: &Cell<Entered>| place.get().span == span && place.get().layer == layer;
        let Some(at) = entered.iter().rposition(is_it) else { return };
        let gone = entered[at].get();
        match &entered[at + 1..] {
            [] => local().leave(gone.before),
            later @ [next, ..] => {
                // What the next one puts back is no longer ours, unless a scope was
                // entered in between: then it puts back that scope.
                let mut inherits = next.get();
                if inherits.before.tag() == gone.tag {
                    inherits.before = gone.before;
                    next.set(inherits);
                }
                for (place, moved) in entered[at..].iter().zip(later) {
                    place.set(moved.get());
                }
            }
        }
        stack.depth.set(entered.len() - 1);
    });
}
