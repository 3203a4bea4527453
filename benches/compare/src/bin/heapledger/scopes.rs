//! What a scope costs: entered and left, around nothing and around a poll.

use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use heapledger::{InScope, Scope, Tag, scope};
use heapledger_bench::micro::{Batches, time, timed};
use heapledger_bench::{Job, Report};

const BATCHES: Batches = Batches { warm_up: 5, measured: 31, operations: 1_000_000 };

/// Enters and leaves a scope, around nothing.
pub fn enter_and_leave(_: &Job) -> Report {
    timed(&mut time(BATCHES, || {
        for _ in 0..BATCHES.operations {
            let _guard = scope!("scope");
            // Somebody might look at the current tag here, for all that is known.
            black_box(&BATCHES);
        }
    }))
}

/// Makes a short-lived tag, enters, leaves and drops it, around nothing.
pub fn ephemeral(_: &Job) -> Report {
    let batches = Batches { operations: 20_000, ..BATCHES };
    timed(&mut time(batches, || {
        for _ in 0..batches.operations {
            if let Ok(tag) = Tag::ephemeral(black_box("query/17")) {
                tag.run(|| black_box(&BATCHES));
            }
        }
    }))
}

/// Enters a short-lived tag and leaves it, by a guard of its own.
pub fn ephemeral_guard(_: &Job) -> Report {
    let tag = Tag::ephemeral("query/17");
    timed(&mut time(BATCHES, || {
        for _ in 0..BATCHES.operations {
            let _guard = tag.as_ref().map(heapledger::EphemeralTag::enter);
            black_box(&BATCHES);
        }
    }))
}

/// Takes the current scope and enters it, as work does that goes elsewhere.
pub fn hand_over(_: &Job) -> Report {
    let _guard = scope!("scope");
    timed(&mut time(BATCHES, || {
        for _ in 0..BATCHES.operations {
            let _guard = black_box(Scope::current()).enter();
            black_box(&BATCHES);
        }
    }))
}

/// A future that has nothing to do, ever.
struct Nothing;

impl Future for Nothing {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        black_box(Poll::Pending)
    }
}

/// What a tag adds to a poll.
pub fn poll_in_tag(_: &Job) -> Report {
    added_to_a_poll(Nothing.in_scope(&Tag::new("poll")))
}

/// What the handle of a short-lived tag adds to a poll.
pub fn poll_in_ephemeral(_: &Job) -> Report {
    let tag = Tag::ephemeral("query/17").unwrap_or_else(|error| panic!("{error}"));
    added_to_a_poll(Nothing.in_scope(tag))
}

/// What the scope adds to a poll of a future that does nothing: batches of polls
/// without and with it, in turns.
fn added_to_a_poll(mut scoped: impl Future<Output = ()> + Unpin) -> Report {
    let batch = Batches { warm_up: 1, measured: 1, ..BATCHES };
    let polls = |future: &mut (dyn Future<Output = ()> + Unpin)| {
        let mut context = Context::from_waker(Waker::noop());
        let times = time(batch, || {
            for _ in 0..batch.operations {
                let _ = black_box(Pin::new(black_box(&mut *future)).poll(&mut context));
            }
        });
        times.into_iter().sum::<f64>()
    };
    let mut added: Vec<f64> = (0..BATCHES.measured)
        .map(|_| {
            let bare = polls(&mut Nothing);
            polls(&mut scoped) - bare
        })
        .collect();
    timed(&mut added)
}
