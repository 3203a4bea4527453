//! What a scope costs: entered and left, around nothing and around a poll.

use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use heapledger::{InScope, Tag, scope};
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

/// A future that has nothing to do, ever.
struct Nothing;

impl Future for Nothing {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        black_box(Poll::Pending)
    }
}

/// What the scope adds to a poll of a future that does nothing: batches of polls
/// without and with it, in turns.
pub fn poll_of_nothing(_: &Job) -> Report {
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
    let mut scoped = Nothing.in_scope(&Tag::new("poll"));
    let mut added: Vec<f64> = (0..BATCHES.measured)
        .map(|_| {
            let bare = polls(&mut Nothing);
            polls(&mut scoped) - bare
        })
        .collect();
    timed(&mut added)
}
