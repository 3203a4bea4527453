//! Futures that carry their scope: each poll and the drop are in it, nothing else.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use heapledger::{InScope, Scope, Scoped, Tag, scope};

use super::{live, thread_during};

fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Polls until it is ready, as an executor of one thread does.
fn run<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = poll(future.as_mut()) {
            return value;
        }
    }
}

/// Waits once, so that whoever polls has the thread in between.
async fn pause() {
    let mut paused = false;
    poll_fn(|_| if std::mem::replace(&mut paused, true) { Poll::Ready(()) } else { Poll::Pending })
        .await;
}

fn buffer(bytes: usize) -> Vec<u8> {
    Vec::with_capacity(bytes)
}

#[test]
fn each_poll_is_in_the_scope_and_nothing_between_is() {
    static TAG: Tag = Tag::new("futures/polls");
    let before = Scope::current();
    let mut task = pin!(
        async {
            let first = buffer(100);
            pause().await;
            (first, buffer(20))
        }
        .in_scope(&TAG)
    );
    assert_eq!(Scope::current(), before);
    assert!(poll(task.as_mut()).is_pending());
    assert_eq!(Scope::current(), before);
    let between = buffer(1000);
    assert_eq!(live(TAG.name()), (100, 1));
    let Poll::Ready(kept) = poll(task.as_mut()) else { panic!("it pauses once") };
    assert_eq!(Scope::current(), before);
    assert_eq!(live(TAG.name()), (120, 2));
    drop((kept, between));
    assert_eq!(live(TAG.name()), (0, 0));
}

#[test]
fn every_form_carries_the_tag() {
    static TAG: Tag = Tag::new("futures/forms");
    struct Component {
        tag: Tag,
    }
    let by_reference = &TAG;
    let scope = Scope::from(&TAG);
    let component = Component { tag: Tag::register("futures/forms").unwrap() };
    let bytes = 1;
    let kept = (
        run(scope!("futures/forms", async { buffer(bytes) })),
        run(scope!("futures/forms", async move { buffer(2 * bytes) })),
        run(scope!(TAG, async { buffer(4) })),
        run(scope!(by_reference, async move { buffer(8) })),
        run(scope!(scope, async { buffer(16) },)),
        run(scope!(component.tag, async { buffer(32) })),
        run(async { buffer(64) }.in_scope(TAG.clone())),
        run(async { buffer(128) }.in_scope(scope)),
        run(async { buffer(256) }.in_scope(&component.tag)),
    );
    let outside = run(async { buffer(512) });
    assert_eq!(live(TAG.name()), (511, 9));
    drop((kept, outside));
}

/// Spawners ask for `Send` and `'static`: it keeps no reference to the tag.
/// The names of items in a macro are not the macro's own.
#[test]
fn the_body_sees_no_name_of_the_macro() {
    const SITE: usize = 17;
    let moved = run(scope!("futures/hygiene", async move { SITE }));
    assert_eq!((moved, run(scope!("futures/hygiene", async { SITE }))), (17, 17));
}

#[test]
fn it_can_be_spawned() {
    fn spawn<F: Future<Output: Send> + Send + 'static>(future: F) -> F::Output {
        std::thread::spawn(|| run(future)).join().unwrap()
    }
    let by_tag = {
        let tag = Tag::register("futures/spawned").unwrap();
        async { buffer(1) }.in_scope(&tag)
    };
    let kept = (spawn(by_tag), spawn(scope!("futures/spawned", async { buffer(2) })));
    assert_eq!(live("futures/spawned"), (3, 2));
    drop(kept);
}

#[test]
fn scopes_nest_and_the_innermost_owns() {
    let kept = run(scope!("futures/outer", async {
        let before = buffer(1);
        let inner = scope!("futures/inner", async {
            pause().await;
            buffer(10)
        })
        .await;
        let plain = scope!("futures/plain", buffer(100));
        (before, inner, plain, buffer(1000))
    }));
    assert_eq!(live("futures/outer"), (1001, 2));
    assert_eq!(live("futures/inner"), (10, 1));
    assert_eq!(live("futures/plain"), (100, 1));
    drop(kept);
}

#[test]
fn it_may_change_threads_between_polls() {
    let mut task = Box::pin(scope!("futures/threads", async {
        let mut kept = Vec::with_capacity(8);
        for bytes in 1..=8 {
            kept.push(buffer(bytes));
            pause().await;
        }
        kept
    }));
    let kept = loop {
        let next = std::thread::spawn(move || (poll(task.as_mut()), task)).join().unwrap();
        task = next.1;
        if let Poll::Ready(kept) = next.0 {
            break kept;
        }
    };
    assert_eq!(live("futures/threads"), (36 + 8 * size_of::<Vec<u8>>() as u64, 9));
    drop((task, kept));
    assert_eq!(live("futures/threads"), (0, 0));
}

/// Allocates when it is dropped, and leaves the block behind.
struct Will<'a>(&'a Cell<Vec<u8>>, usize);

impl Drop for Will<'_> {
    fn drop(&mut self) {
        self.0.set(buffer(self.1));
    }
}

#[test]
fn dropped_half_way_it_is_dropped_in_its_scope() {
    let left = Cell::new(Vec::new());
    let before = Scope::current();
    {
        let mut task = pin!(scope!("futures/dropped", async {
            let _will = Will(&left, 50);
            let _held = buffer(7);
            pause().await;
            panic!("polled once only")
        }));
        assert!(poll(task.as_mut()).is_pending());
        assert_eq!(live("futures/dropped"), (7, 1));
    }
    assert_eq!(Scope::current(), before);
    assert_eq!(live("futures/dropped"), (50, 1));
    drop(left);
    assert_eq!(live("futures/dropped"), (0, 0));
}

/// What an `async` block has captured is dropped with it, never polled or not.
#[test]
fn dropped_before_its_first_poll_it_is_dropped_in_its_scope() {
    let left = Cell::new(Vec::new());
    let will = Will(&left, 30);
    drop(scope!("futures/unpolled", async move {
        let _will = will;
    }));
    assert_eq!(live("futures/unpolled"), (30, 1));
}

#[test]
fn after_a_panic_the_scope_before_is_current() {
    let left = Cell::new(Vec::new());
    let _outer = scope!("futures/panic/outer");
    let before = Scope::current();

    let mut task = Box::pin(scope!("futures/panic", async {
        let _will = Will(&left, 11);
        pause().await;
        std::panic::resume_unwind(Box::new(()))
    }));
    assert!(poll(task.as_mut()).is_pending());
    assert!(catch_unwind(AssertUnwindSafe(|| poll(task.as_mut()))).is_err());
    assert_eq!(Scope::current(), before);
    assert_eq!(live("futures/panic"), (11, 1));
    drop(task);

    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            std::panic::resume_unwind(Box::new(()));
        }
    }
    let bomb = Bomb;
    let task = scope!("futures/panic", async move {
        let _bomb = bomb;
    });
    assert!(catch_unwind(AssertUnwindSafe(|| drop(task))).is_err());
    assert_eq!(Scope::current(), before);
}

#[test]
fn it_is_one_word_more_outside_tests_and_never_allocates() {
    async fn work() -> u64 {
        pause().await;
        7
    }
    fn grows_by<T>(_: &T, scoped: usize) -> usize {
        scoped - size_of::<T>()
    }
    let plain = work();
    // Half a word more tells whose test the work is.
    let words = if cfg!(feature = "testing") { 2 } else { 1 };
    assert!(
        grows_by(&plain, size_of_val(&work().in_scope(Scope::current())))
            <= words * size_of::<usize>()
    );
    assert_eq!(size_of::<Scoped<Box<u64>>>(), (1 + words) * size_of::<usize>());
    let task = scope!("futures/free of cost", async { 7 });

    let (value, during) = thread_during(|| {
        let mut dropped = pin!(work().in_scope(Scope::current()));
        let pending = poll(dropped.as_mut()).is_pending();
        (pending, run(work().in_scope(Scope::current())), run(task))
    });
    assert_eq!((value, during.allocated_blocks), ((true, 7, 7), 0));
    drop(plain);
}

#[test]
fn what_is_inside_comes_out_whole() {
    let mut task = std::future::ready(buffer(5)).in_scope(&Tag::new("futures/inner"));
    assert_eq!(task.scope().tag_id(), Tag::new("futures/inner").id());
    assert_eq!(task.get_ref().clone().into_inner().len(), 0);
    *task.get_mut() = std::future::ready(vec![1]);
    *Pin::new(&mut task).get_pin_mut() = std::future::ready(vec![1, 2]);
    assert_eq!(task.into_inner().into_inner(), [1, 2]);
}

#[test]
fn ten_thousand_deep_each_level_owns_its_block() {
    const DEPTH: usize = 10_000;
    fn level(depth: usize, tags: &'static [Tag; 2]) -> Pin<Box<dyn Future<Output = usize>>> {
        Box::pin(
            async move {
                if depth == DEPTH {
                    return 0;
                }
                let block = buffer(24);
                pause().await;
                let deeper = level(depth + 1, tags).await;
                deeper + block.capacity()
            }
            .in_scope(&tags[depth % 2]),
        )
    }
    static TAGS: [Tag; 2] = [Tag::new("futures/deep/even"), Tag::new("futures/deep/odd")];
    // Half-way down, then dropped: every level in its own scope.
    let work = || {
        let mut task = level(0, &TAGS);
        for _ in 0..DEPTH / 2 {
            assert!(poll(task.as_mut()).is_pending());
        }
        // A buffer a level, and the box of each level but the first.
        assert_eq!(live(TAGS[0].name()).1, DEPTH as u64 / 2);
        assert_eq!(live(TAGS[1].name()).1, DEPTH as u64 / 2 - 1);
        let before = Scope::current();
        drop(task);
        assert_eq!(Scope::current(), before);
        assert_eq!(run(level(0, &TAGS)), 24 * DEPTH);
    };
    std::thread::Builder::new().stack_size(256 << 20).spawn(work).unwrap().join().unwrap();
    assert_eq!((live(TAGS[0].name()), live(TAGS[1].name())), ((0, 0), (0, 0)));
}
