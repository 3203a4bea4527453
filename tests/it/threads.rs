//! `heapledger::thread`, closures that carry their scope, and scopes at the end of a
//! thread.

use std::cell::{Cell, RefCell};
use std::future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;

use heapledger::{InScope, Scope, ScopeGuard, Tag, scope, thread};

use super::live;

fn buffer(bytes: usize) -> Vec<u8> {
    Vec::with_capacity(bytes)
}

#[test]
fn a_spawned_thread_works_in_the_scope_of_its_spawner() {
    let kept = scope!("threads/spawned", {
        let plain = thread::spawn(|| buffer(100));
        let built = thread::Builder::new().name("built".into()).stack_size(1 << 20);
        let built = built.spawn(|| (buffer(20), thread::current().name() == Some("built")));
        let handles = (plain, built.unwrap());
        (handles.0.join().unwrap(), handles.1.join().unwrap())
    });
    assert!(kept.1.1, "the builder is asked for its thread");
    assert_eq!(live("threads/spawned"), (120, 2));
    drop(kept);
    assert_eq!(live("threads/spawned"), (0, 0));
}

#[test]
fn scoped_threads_work_in_the_scope_of_each_spawn() {
    let words = ["a", "b"];
    let kept = thread::scope(|s| {
        let first = scope!("threads/first", s.spawn(|| (buffer(1), words.len())));
        let second = scope!("threads/second", {
            s.spawn(|| {
                let inner = scope!("threads/third", s.spawn(|| buffer(4)));
                (buffer(2), inner.join().unwrap())
            })
        });
        let builder = thread::Builder::from(std::thread::Builder::new());
        let fourth = scope!("threads/fourth", builder.spawn_scoped(s, || buffer(8)).unwrap());
        (first.join().unwrap(), second.join().unwrap(), fourth.join().unwrap())
    });
    for (name, bytes) in [("first", 1), ("second", 2), ("third", 4), ("fourth", 8)] {
        assert_eq!(live(&format!("threads/{name}")), (bytes, 1), "{name}");
    }
    drop(kept);
}

/// 10,000 threads that keep a block each, 8 at a time, some of which panic.
#[test]
fn ten_thousand_scoped_threads_are_exact_to_the_byte() {
    const TAGS: usize = 100;
    const THREADS: usize = 10_000;
    let tags: Vec<Tag> =
        (0..TAGS).map(|number| Tag::register(&format!("threads/many/{number}")).unwrap()).collect();
    let mut kept = Vec::with_capacity(THREADS);
    let mut expected = vec![(0, 0); TAGS];
    for batch in 0..THREADS / 8 {
        thread::scope(|s| {
            let spawn = |place: usize| {
                let number = batch * 8 + place;
                let tag = &tags[number % TAGS];
                let work = move || {
                    let block = buffer(1 + number % 700);
                    if number.is_multiple_of(13) {
                        std::panic::resume_unwind(Box::new(block));
                    }
                    block
                };
                (number, tag.run(|| s.spawn(work)))
            };
            for (number, thread) in [0, 1, 2, 3, 4, 5, 6, 7].map(spawn) {
                match thread.join() {
                    Ok(block) => {
                        let (bytes, blocks) = &mut expected[number % TAGS];
                        *bytes += block.capacity() as u64;
                        *blocks += 1;
                        kept.push(block);
                    }
                    Err(panic) => assert!(number % 13 == 0 && panic.is::<Vec<u8>>()),
                }
            }
        });
    }
    for (tag, expected) in tags.iter().zip(expected) {
        assert_eq!(live(tag.name()), expected, "{tag}");
    }
    drop(kept);
    for tag in &tags {
        assert_eq!(live(tag.name()), (0, 0), "{tag}");
    }
}

/// Allocates when it is dropped, and sends the block.
struct Will(mpsc::Sender<Vec<u8>>, usize);

impl Drop for Will {
    fn drop(&mut self) {
        drop(self.0.send(buffer(self.1)));
    }
}

#[test]
fn a_wrapped_closure_runs_or_is_dropped_in_its_scope() {
    let (sender, receiver) = mpsc::channel();
    let will = |bytes| Will(sender.clone(), bytes);
    let wrap = |bytes| {
        let will = will(bytes);
        let work = move || {
            let _will = will;
            buffer(1)
        };
        scope!("threads/wrapped", Scope::current().wrap(work))
    };
    let before = Scope::current();
    // What a channel allocates to send is the tag's, too: so make it now.
    drop(will(0));
    drop(receiver.recv());

    let run = wrap(10)();
    let left = receiver.recv().unwrap();
    assert_eq!(live("threads/wrapped"), (11, 2));
    drop(wrap(100));
    let dropped = receiver.recv().unwrap();
    assert_eq!(live("threads/wrapped"), (111, 3));

    let panics = scope!("threads/wrapped", Scope::current().wrap(|| panic_with(buffer(1000))));
    let caught = catch_unwind(AssertUnwindSafe(panics)).unwrap_err();
    assert_eq!(Scope::current(), before);
    drop((run, left, dropped, caught));
    assert_eq!(live("threads/wrapped"), (0, 0));
}

fn panic_with(block: Vec<u8>) {
    std::panic::resume_unwind(Box::new(block));
}

#[test]
fn a_thread_may_stay_in_a_scope() {
    static TAG: Tag = Tag::new("threads/for good");
    let (kept, ended_in) = std::thread::spawn(|| {
        Scope::from(&TAG).enter_thread();
        let first = buffer(1);
        let other = scope!("threads/for a while", buffer(100));
        ((first, other, buffer(2)), Scope::current())
    })
    .join()
    .unwrap();
    assert_eq!(ended_in, Scope::from(&TAG));
    assert_eq!(live(TAG.name()), (3, 2));
    drop(kept);
}

/// Runs its closure when the thread ends.
struct AtExit(Cell<Option<Box<dyn FnOnce()>>>);

impl Drop for AtExit {
    fn drop(&mut self) {
        if let Some(work) = self.0.take() {
            work();
        }
    }
}

thread_local! {
    static BEFORE: AtExit = const { AtExit(Cell::new(None)) };
    static AFTER: AtExit = const { AtExit(Cell::new(None)) };
    static LEFT_OPEN: RefCell<Option<ScopeGuard>> = const { RefCell::new(None) };
}

/// A thread's destructors run after its work, and after heapledger has taken its
/// counters back. Registered first and last, to run on both sides of that.
#[test]
fn scopes_work_while_a_thread_ends() {
    static KEPT: std::sync::Mutex<Vec<Vec<u8>>> = std::sync::Mutex::new(Vec::new());
    KEPT.lock().unwrap().reserve(16);
    let keep = |bytes| KEPT.lock().unwrap().push(buffer(bytes));

    let work = move || {
        let before = Scope::current();
        scope!("threads/exit", keep(1));
        let carried = scope!("threads/exit", Scope::current());
        carried.run(|| keep(2));
        drop(future::ready(()).in_scope(carried));
        carried.wrap(move || keep(4))();
        assert_eq!(Scope::current(), before);
    };
    std::thread::spawn(move || {
        BEFORE.with(|at_exit| at_exit.0.set(Some(Box::new(work))));
        drop(buffer(1));
        AFTER.with(|at_exit| at_exit.0.set(Some(Box::new(work))));
        // A guard that the end of the thread drops.
        LEFT_OPEN.with(|guard| *guard.borrow_mut() = Some(scope!("threads/left open")));
        keep(1000);
    })
    .join()
    .unwrap();
    assert_eq!(live("threads/exit"), (2 * (1 + 2 + 4), 6));
    assert_eq!(live("threads/left open").0, 1000);
    KEPT.lock().unwrap().clear();
    assert_eq!(live("threads/exit"), (0, 0));
}
