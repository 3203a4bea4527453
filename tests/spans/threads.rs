//! Spans on several threads, at a thread's end, and what the layer itself needs.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::mpsc::channel;
use std::task::{Context, Poll, Waker};

use heapledger::tracing::{SpanRule, SpanTags};
use tracing::span::EnteredSpan;
use tracing::{Instrument, dispatcher, info_span};

use super::{by_name, current, live_bytes, subscribe};

const THREADS: usize = 4;

/// One span, entered by four threads at once, each in a scope of its own.
#[test]
fn a_span_is_entered_on_several_threads() {
    let (dispatch, _guard) = subscribe(by_name(["everywhere"]));
    let span = info_span!("everywhere");
    let gate = std::sync::Barrier::new(THREADS);
    let own: [heapledger::Tag; THREADS] =
        std::array::from_fn(|n| heapledger::Tag::register(&format!("spans/own {n}")).unwrap());
    let kept: Vec<Vec<Vec<u8>>> = std::thread::scope(|threads| {
        let run = |own: heapledger::Tag| {
            let (dispatch, span, gate) = (dispatch.clone(), span.clone(), &gate);
            move || {
                let mut kept = Vec::with_capacity(200);
                dispatcher::with_default(&dispatch, || {
                    // The registry makes its list of a thread's spans now.
                    span.in_scope(|| ());
                    let _own = own.enter();
                    gate.wait();
                    for _ in 0..100 {
                        kept.push(span.in_scope(|| vec![0_u8; 50]));
                        kept.push(vec![0_u8; 7]);
                    }
                });
                kept
            }
        };
        let threads: Vec<_> = own.iter().map(|own| threads.spawn(run(own.clone()))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(live_bytes("spans/everywhere"), 4 * 100 * 50);
    for own in &own {
        assert_eq!(live_bytes(own.name()), 100 * 7, "{own}");
    }
    drop(kept);
    assert_eq!(live_bytes("spans/everywhere"), 0);
}

/// A raw exit can come from anywhere.
#[test]
fn an_exit_on_another_thread_changes_nothing_there_or_here() {
    let (dispatch, _guard) = subscribe(by_name(["mine", "theirs"]));
    let (mine, theirs) = (info_span!("mine"), info_span!("theirs"));
    let mine = mine.id().expect("enabled");
    dispatch.enter(&mine);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            let _theirs = theirs.enter();
            dispatch.exit(&mine);
            assert_eq!(current(), "theirs");
        });
    });
    assert_eq!(current(), "mine");
    dispatch.exit(&mine);
    assert_eq!(current(), "(untagged)");
}

/// A future whose span `tracing` enters for each poll, polled by four threads.
#[test]
fn an_instrumented_future_is_booked_to_its_span() {
    struct Yield(bool);
    impl Future for Yield {
        type Output = ();
        fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            if std::mem::replace(&mut self.0, true) { Poll::Ready(()) } else { Poll::Pending }
        }
    }

    let _subscriber = subscribe(by_name(["future"]));
    let steps = async {
        let mut kept = Vec::with_capacity(40);
        for _ in 0..40 {
            kept.push(vec![0_u8; 100]);
            Yield(false).await;
        }
        kept
    };
    let mut task = Box::pin(steps.instrument(info_span!("future")));
    let list = 40 * size_of::<Vec<u8>>() as u64;
    for step in 1..=40 {
        let (to_us, from_it) = channel();
        std::thread::spawn(move || {
            let poll = task.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(poll.is_pending());
            assert_eq!(current(), "(untagged)");
            to_us.send(task).unwrap();
        })
        .join()
        .unwrap();
        task = from_it.recv().unwrap();
        assert_eq!(live_bytes("spans/future"), list + 100 * step);
    }
    drop(task);
    assert_eq!(live_bytes("spans/future"), 0);
}

/// Destructors of thread-locals run in the reverse order of their first use, so one
/// of these two exits its span before the thread has given back its counters, and
/// the other after `tracing` itself is gone from the thread.
#[test]
fn spans_that_end_with_their_thread() {
    struct Late(Option<EnteredSpan>);
    impl Drop for Late {
        fn drop(&mut self) {
            drop(std::hint::black_box(vec![0_u8; 10]));
            drop(self.0.take());
            drop(std::hint::black_box(vec![0_u8; 10]));
        }
    }
    thread_local! {
        static FIRST: RefCell<Late> = const { RefCell::new(Late(None)) };
        static LAST: RefCell<Late> = const { RefCell::new(Late(None)) };
    }
    let (dispatch, _guard) = subscribe(by_name(["late/first", "late/last"]));
    for _ in 0..20 {
        let dispatch = dispatch.clone();
        let thread = std::thread::spawn(move || {
            FIRST.with(|_| ());
            dispatcher::with_default(&dispatch, || {
                let first = info_span!("late/first").entered();
                let last = info_span!("late/last").entered();
                FIRST.with_borrow_mut(|late| late.0 = Some(first));
                LAST.with_borrow_mut(|late| late.0 = Some(last));
            });
        });
        // Unlike the end of a `thread::scope`, this waits for the destructors.
        thread.join().expect("no panic");
    }
    // Each span owns what was allocated before its exit: the last one's block is
    // its own, then one belongs to the first, as does the first's own.
    for (tag, bytes) in [("spans/late/last", 20 * 10), ("spans/late/first", 20 * (10 + 10))] {
        let own = heapledger::Tag::register(tag).unwrap().read().unwrap().own;
        assert_eq!((own.allocated_bytes, own.live_bytes()), (bytes, 0), "{tag}");
    }
}

#[test]
fn enters_and_exits_allocate_nothing_and_the_layer_owns_its_rules() {
    let ever = || {
        let tag = heapledger::Tag::register("heapledger/tracing").unwrap();
        tag.read().unwrap().own.allocated_bytes
    };
    let before = (ever(), heapledger::thread().expect("counted"));
    let tags = SpanTags::new(by_name(["counted"])).expect("good rules");
    let own = heapledger::thread().expect("counted").since(&before.1).live_bytes();
    assert!((8 << 10..9 << 10).contains(&own), "{own} bytes");
    // Other tests have layers, too: they only add to it.
    assert!(ever() >= before.0 + own, "{own} bytes of the layer are not the layer's");
    drop(tags);

    let _subscriber = subscribe([SpanRule::new("spans/counted").name("counted")]);
    let (matched, unmatched) = (info_span!("counted"), info_span!("free"));
    // The registry makes its own list of the spans of a thread at the first enter.
    matched.in_scope(|| unmatched.in_scope(|| ()));
    let before = heapledger::thread().expect("counted");
    for _ in 0..1000 {
        matched.in_scope(|| unmatched.in_scope(|| ()));
    }
    let during = heapledger::thread().expect("counted").since(&before);
    assert_eq!((during.allocated_blocks, during.freed_blocks), (0, 0));
}
