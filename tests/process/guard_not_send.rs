//! Hazard 31: tasks that move between threads.
//!
//! A scope is a thread's, so its guard must not be held across an `.await` of a
//! future that moves. Shown by the compiler: the guard is neither `Send` nor
//! `Sync`, a future that holds one is not `Send`, one that does not is. And at run
//! time, with a small executor that moves every task to another thread at each
//! step: tasks that enter their scope within a step own what they allocate, to the
//! byte, whichever thread they were on and whoever else ran there in between.
//!
//! Not here: futures that carry their scope (`tests/it/futures.rs`).
//!
//! Seen to fail: without `Stays` in `scope/guard.rs`, and without its notes.

mod support;

use std::collections::VecDeque;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Waker};

use heapledger::{ScopeGuard, Tag, scope};
use support::{build, say, watchdog};

#[global_allocator]
static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();

/// Asks the compiler whether a type is `Send` or `Sync`: the methods that hold for
/// such types are found before those that hold for all.
struct Ask<T>(PhantomData<T>);

fn ask<T>(_: &T) -> Ask<T> {
    Ask(PhantomData)
}

impl<T: Send> Ask<T> {
    fn is_send(&self) -> bool {
        true
    }
}
impl<T: Sync> Ask<T> {
    fn is_sync(&self) -> bool {
        true
    }
}

trait Otherwise {
    fn is_send(&self) -> bool {
        false
    }
    fn is_sync(&self) -> bool {
        false
    }
}
impl<T> Otherwise for Ask<T> {}

/// Comes back once, as anything that waits does.
struct Pause(bool);

impl Future for Pause {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) { Poll::Ready(()) } else { Poll::Pending }
    }
}

#[test]
fn a_guard_stays_on_its_thread() {
    assert!(ask(&1_u8).is_send() && ask(&1_u8).is_sync(), "the question is asked right");
    assert!(!ask(&std::rc::Rc::new(1)).is_send(), "the question is asked right");

    let guard: ScopeGuard = scope!("guard");
    assert!(!ask(&guard).is_send());
    assert!(!ask(&guard).is_sync());
    drop(guard);

    // A tag goes anywhere.
    assert!(ask(&Tag::new("tag")).is_send() && ask(&Tag::new("tag")).is_sync());
}

/// The compiler decides late about a future, so it is asked from outside: the same
/// code with the guard held across the `.await`, and not.
#[test]
fn a_future_that_holds_a_guard_does_not_compile() {
    let fine = build::check("heapledger-process-held-guard", &[]);
    assert!(fine.status.success(), "{}", String::from_utf8_lossy(&fine.stderr));
    let held = build::check("heapledger-process-held-guard", &["--features", "held"]);
    let why = String::from_utf8_lossy(&held.stderr);
    assert!(!held.status.success(), "a guard held across an await was accepted");
    assert!(why.contains("future cannot be sent between threads safely"), "{why}");
    assert!(why.contains("has type `ScopeGuard` which is not `Send`"), "{why}");
    assert!(why.contains("`future.in_scope(&TAG)`"), "it has to say what to do instead: {why}");
}

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

const TASKS: usize = 500;
const STEPS: usize = 100;

async fn task(tag: Tag, number: usize) {
    let mut kept = tag.run(|| Vec::with_capacity(STEPS));
    for step in 0..STEPS {
        let bytes = 1 + (number * 7 + step * 13) % 900;
        kept.push(tag.run(|| vec![0_u8; bytes]));
        Pause(false).await;
    }
    // Grown elsewhere, outside any scope: still the tag's.
    kept.reserve_exact(STEPS);
    KEPT.lock().expect("nobody panics").push(kept);
}

static KEPT: Mutex<Vec<Vec<Vec<u8>>>> = Mutex::new(Vec::new());

#[test]
fn tasks_that_move_own_what_they_allocate() {
    watchdog(300);
    let tags: Vec<Tag> =
        (0..TASKS).map(|n| Tag::register(&format!("task {n}")).expect("there is room")).collect();
    let queue: Mutex<VecDeque<Task>> = Mutex::new(VecDeque::new());
    for (number, tag) in tags.iter().enumerate() {
        queue.lock().expect("nobody panics").push_back(Box::pin(task(tag.clone(), number)));
    }
    let left = AtomicUsize::new(TASKS);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while left.load(SeqCst) != 0 {
                    let Some(mut task) = queue.lock().expect("nobody panics").pop_front() else {
                        continue;
                    };
                    match task.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                        Poll::Ready(()) => drop(left.fetch_sub(1, SeqCst)),
                        Poll::Pending => queue.lock().expect("nobody panics").push_back(task),
                    }
                }
            });
        }
    });
    let live = |tag: &Tag| tag.read().expect("installed").own.live_bytes();
    for (number, tag) in tags.iter().enumerate() {
        let blocks: usize = (0..STEPS).map(|step| 1 + (number * 7 + step * 13) % 900).sum();
        let list = 2 * STEPS * size_of::<Vec<u8>>();
        assert_eq!(live(tag), (blocks + list) as u64, "{tag}");
    }
    KEPT.lock().expect("nobody panics").clear();
    assert!(tags.iter().all(|tag| live(tag) == 0), "I1");
    say(format_args!("guard_not_send: {TASKS} tasks of {STEPS} steps on 4 threads, exact"));
}
