//! `#[measured]`: what the event of a call says, exactly.

#[path = "support/pause.rs"]
mod pause;
mod support;

use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use heapledger::{Tag, measured, scope};
use pause::pause;
use support::{Fields, events, listen};

#[global_allocator]
static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();

/// The only event about a function.
fn event_of(function: &str) -> Fields {
    let found = events(|event| event.get("function").is_some_and(|name| name == function));
    assert_eq!(found.len(), 1, "events of {function}: {found:?}");
    found[0].clone()
}

fn number(event: &Fields, field: &str) -> i64 {
    event[field].parse().unwrap_or_else(|_| panic!("{field} of {event:?}"))
}

/// Live delta, peak, bytes and blocks allocated.
fn figures(event: &Fields) -> [i64; 4] {
    ["live_bytes_delta", "peak_live_bytes", "allocated_bytes", "allocated_blocks"]
        .map(|field| number(event, field))
}

fn live_bytes(name: &str) -> u64 {
    Tag::register(name).expect("a valid name").read().expect("installed").own.live_bytes()
}

#[test]
fn an_event_says_what_a_call_did() {
    #[measured]
    fn keeps_a_quarter(bytes: usize) -> Vec<u8> {
        drop(black_box(Vec::<u8>::with_capacity(3 * bytes)));
        Vec::with_capacity(bytes)
    }
    listen();
    let kept = keeps_a_quarter(100 << 10);
    let event = event_of("measured::keeps_a_quarter");
    assert_eq!(figures(&event), [100 << 10, 300 << 10, 400 << 10, 2]);
    assert_eq!((event["level"].as_str(), event["finished"].as_str()), ("INFO", "true"));

    // `measured::keeps_a_quarter: 0.0001 s, +100.0 KiB live`
    let message = event["message"].as_str();
    let seconds = message.strip_prefix("measured::keeps_a_quarter: ").expect("the name first");
    let seconds = seconds.strip_suffix(" s, +100.0 KiB live").expect("what it kept last");
    let (whole, digits) = seconds.split_once('.').expect("a fraction");
    assert_eq!((whole, digits.len()), ("0", 4), "{message}");
    assert!(number(&event, "elapsed_us") < 1_000_000, "{event:?}");
    drop(kept);
}

#[test]
fn a_name_and_a_level_can_be_chosen() {
    #[measured(level = "debug", name = "measured/chosen")]
    fn chosen() -> Vec<u8> {
        Vec::with_capacity(10)
    }
    listen();
    let kept = chosen();
    assert_eq!(event_of("measured/chosen")["level"], "DEBUG");
    assert_eq!(live_bytes("measured/chosen"), 10);
    drop(kept);
}

#[test]
fn where_nobody_listens_the_tag_still_owns() {
    #[measured(name = "measured/trace", level = "trace")]
    fn unheard() -> Vec<u8> {
        Vec::with_capacity(10)
    }
    listen();
    let kept = unheard();
    assert_eq!(events(|event| event["function"] == "measured/trace"), []);
    assert_eq!(live_bytes("measured/trace"), 10);
    drop(kept);
}

#[test]
fn what_a_log_takes_is_in_no_measurement() {
    #[measured(name = "measured/outer")]
    fn outer() -> [Vec<u8>; 2] {
        [inner(), Vec::with_capacity(1000)]
    }
    // A child, so that the outer one sees it; and the event in between it does not.
    #[measured(name = "measured/outer/inner")]
    fn inner() -> Vec<u8> {
        let _elsewhere = scope!("measured/elsewhere", black_box(vec![1_u8; 5000]));
        Vec::with_capacity(100)
    }
    listen();
    let kept = outer();
    assert_eq!(figures(&event_of("measured/outer/inner")), [100, 100, 100, 1]);
    assert_eq!(figures(&event_of("measured/outer")), [1100, 1100, 1100, 2]);
    drop(kept);
}

#[test]
fn a_panic_is_an_event_too() {
    #[measured(name = "measured/panic")]
    fn fails() {
        let _held = black_box(vec![1_u8; 1 << 20]);
        std::panic::resume_unwind(Box::new(()));
    }
    listen();
    assert!(std::panic::catch_unwind(fails).is_err());
    let event = event_of("measured/panic");
    assert_eq!(event["finished"], "false");
    // What carries the panic is the function's, too, and is still on its way.
    let [live, peak, ..] = figures(&event);
    assert!((1..1000).contains(&live) && peak >= 1 << 20, "{event:?}");
}

static WAITING: Mutex<Option<Waker>> = Mutex::new(None);

/// Waits until it is polled on another thread; who wakes it is no worker, so that any
/// that is free may take it.
async fn move_on() {
    let here = std::thread::current().id();
    std::future::poll_fn(|context| {
        if std::thread::current().id() == here {
            *WAITING.lock().expect("nobody panics") = Some(context.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(())
    })
    .await;
}

#[measured(name = "measured/workers")]
async fn over_workers(steps: usize) -> Vec<Vec<u8>> {
    let mut kept = Vec::with_capacity(steps);
    let held = black_box(vec![1_u8; 1 << 20]);
    for step in 0..steps {
        kept.push(Vec::with_capacity(100 + step));
        move_on().await;
    }
    drop(held);
    kept
}

#[test]
fn an_async_call_is_exact_on_four_workers() {
    const STEPS: usize = 100;
    listen();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build();
    let runtime = runtime.expect("a runtime");
    let task = Watched { future: Box::pin(over_workers(STEPS)), seen: Vec::new() };
    let task = runtime.spawn(task);
    while !task.is_finished() {
        if let Some(waker) = WAITING.lock().expect("nobody panics").take() {
            // Something for the others to do, so that they do not all sleep.
            runtime.spawn(async { drop(black_box(vec![1_u8; 3000])) });
            waker.wake();
        }
        std::thread::yield_now();
    }
    let (kept, moves) = runtime.block_on(task).expect("nobody panics");
    assert_eq!(moves, STEPS);
    let blocks: usize = (0..STEPS).map(|step| 100 + step).sum();
    let kept_bytes = (blocks + STEPS * size_of::<Vec<u8>>()) as i64;
    let all = kept_bytes + (1 << 20);
    let event = event_of("measured/workers");
    assert_eq!(figures(&event), [kept_bytes, all, all, STEPS as i64 + 2]);
    assert_eq!(live_bytes("measured/workers") as i64, kept_bytes);
    drop(kept);
}

/// Counts the moves of a future between threads.
struct Watched<F> {
    future: std::pin::Pin<Box<F>>,
    seen: Vec<std::thread::ThreadId>,
}

impl<F: Future> Future for Watched<F> {
    type Output = (F::Output, usize);

    fn poll(mut self: std::pin::Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let here = std::thread::current().id();
        if self.seen.last() != Some(&here) {
            self.seen.push(here);
        }
        let moves = self.seen.len() - 1;
        self.future.as_mut().poll(context).map(|value| (value, moves))
    }
}

#[test]
fn a_call_that_is_dropped_half_way_is_logged_when_its_memory_is_gone() {
    #[measured(name = "measured/dropped")]
    async fn waits() {
        let held = black_box(vec![1_u8; 100]);
        std::future::pending::<()>().await;
        drop(held);
    }
    listen();
    let mut context = Context::from_waker(Waker::noop());
    let mut future = Box::pin(waits());
    assert_eq!(live_bytes("measured/dropped"), 0, "it begins with its first poll");
    assert!(future.as_mut().poll(&mut context).is_pending());
    assert_eq!(live_bytes("measured/dropped"), 100);
    drop(future);
    let event = event_of("measured/dropped");
    assert_eq!((event["finished"].as_str(), figures(&event)), ("false", [0, 100, 100, 1]));

    // Never polled: there was no call.
    drop(Box::pin(waits()));
    event_of("measured/dropped");
}

/// The numbers of `measure_async`, of which the attribute's are a part.
#[test]
fn a_future_can_be_measured_by_hand() {
    let work = async {
        let kept = vec![1_u8; 1000];
        pause().await;
        drop(black_box(scope!("measured/by_hand/other/child", vec![1_u8; 1 << 20])));
        let other = scope!("measured/somewhere", vec![1_u8; 10]);
        (kept, other)
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build();
    let (kept, m) = runtime
        .expect("a runtime")
        .block_on(async { pin!(heapledger::measure_async("measured/by_hand", work)).await })
        .expect("installed");
    assert_eq!((m.live_bytes_delta, m.peak_live_bytes), (1000, (1 << 20) + 1000));
    assert_eq!((m.allocated_bytes, m.allocated_blocks), ((1 << 20) + 1000, 2));
    assert_eq!(m.thread.allocated_bytes, (1 << 20) + 1010);
    assert!(m.elapsed.as_secs() < 60);
    drop(kept);

    let mut refused =
        pin!(heapledger::measure_async("a//b", async { unreachable!("it is not polled") }));
    let polled = refused.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    let Poll::Ready(Err::<((), _), _>(error)) = polled else { panic!("a bad name was accepted") };
    assert!(error.to_string().contains("parent/child"), "{error}");
}
