//! `#[heapledger::test]`: these tests pass, and those that have to fail say why.

use std::hint::black_box;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll};

use super::panic_of;
use heapledger::testing::{Budget, run};
use heapledger::{InScope, Scope, Tag, scope};

static TAG: Tag = Tag::new("testing/attribute");

/// Comes back once. (tokio's own `yield_now` allocates where it is polled.)
struct Pause(bool);

impl Future for Pause {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

#[heapledger::test(max_live = "1KiB", max_bytes = 2048, max_allocs = 2, no_leaks)]
fn within_the_budget() {
    for _ in 0..2 {
        drop(black_box(vec![0_u8; 1024]));
    }
}

#[heapledger::test(allocs = 3)]
fn exactly_so_many() {
    drop(black_box(vec![Box::new(1), Box::new(2)]));
}

#[heapledger::test(max_live = "1KiB")]
#[should_panic = "max_live: expected at most 1024 B, actual 1025 B"]
fn one_byte_too_many() {
    drop(black_box(vec![0_u8; 1025]));
}

#[heapledger::test(max_bytes = "2_000")]
#[should_panic = "max_bytes: expected at most 2000 B, actual 2048 B"]
fn too_many_bytes() {
    for _ in 0..2 {
        drop(black_box(vec![0_u8; 1024]));
    }
}

#[heapledger::test(max_allocs = 1)]
#[should_panic = "max_allocs: expected at most 1, actual 2"]
fn one_allocation_too_many() {
    drop(black_box(vec![Box::new(1)]));
}

#[heapledger::test(allocs = 1)]
#[should_panic = "allocations: expected exactly 1, actual 0"]
fn one_allocation_too_few() {}

#[heapledger::test(no_leaks)]
#[should_panic = "no_leaks: expected 0 B live at the end, actual +40 B in +1 blocks"]
fn a_leak() {
    static KEPT: OnceLock<Box<[u64; 5]>> = OnceLock::new();
    KEPT.set(TAG.run(|| black_box(Box::new([0; 5])))).unwrap();
}

/// What is spawned in the test's scope is the test's.
#[heapledger::test(no_leaks)]
#[should_panic = "testing/attribute"]
fn a_leak_on_another_thread() {
    static KEPT: OnceLock<Box<u64>> = OnceLock::new();
    let scope = Scope::current();
    let leak = move || scope.run(|| KEPT.set(TAG.run(|| black_box(Box::new(1)))).unwrap());
    std::thread::spawn(leak).join().unwrap();
}

#[heapledger::test(max_allocs = 0)]
#[should_panic = "the body's own"]
fn a_panic_is_the_bodys_own() {
    let _over_the_budget = black_box(vec![1]);
    panic!("the body's own");
}

#[heapledger::test(max_allocs = 2, no_leaks)]
fn a_test_may_return_a_result() -> Result<(), std::num::ParseIntError> {
    let sum: i32 = "1 2".split(' ').map(str::parse::<i32>).sum::<Result<_, _>>()?;
    if sum == 3 {
        return Ok(());
    }
    let words: Vec<&str> = "1 2 3".split(' ').collect();
    assert_eq!(words.len(), 3);
    Ok(())
}

/// An `Err` is the test's own failure; with an `Ok` the budget is looked at.
#[test]
fn what_a_test_returns_comes_first() {
    let budget = Budget::new().max_allocs(0);
    let test = |outcome| {
        run::test(&budget, || {
            drop(black_box(vec![1]));
            outcome
        })
    };
    assert_eq!(test(Err("its own")), Err("its own"));
    let message = panic_of(|| test(Ok(())));
    assert!(message.starts_with("the test is over its budget\n  max_allocs:"), "{message}");
}

/// Other attributes stay, whatever their order.
#[should_panic = "max_allocs"]
#[heapledger::test(max_allocs = 0)]
#[allow(clippy::useless_vec)]
#[test]
fn with_a_test_attribute_of_its_own() {
    drop(black_box(vec![1]));
}

#[heapledger::test(max_live = "10KiB", no_leaks)]
#[tokio::test]
async fn an_async_test() {
    let kept = scope!("testing/attribute/async", vec![0_u8; 10_000]);
    Pause(false).await;
    drop(kept);
}

/// Between two polls the thread is not the test's: other tasks run on it.
#[tokio::test]
async fn other_tasks_on_the_thread_are_not_counted() {
    let other = tokio::spawn(async { drop(black_box(vec![0_u8; 10_000])) });
    let body = async {
        while !other.is_finished() {
            Pause(false).await;
        }
    };
    run::AsyncTest::begin().run(body).await.end(&Budget::new().max_allocs(0));
}

/// On several threads; what is spawned in the test's scope is counted where it runs.
#[heapledger::test(max_live = "100KiB")]
#[should_panic = "testing/attribute/task"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spawned_task_in_scope() {
    let task = async {
        Pause(false).await;
        drop(scope!("testing/attribute/task", vec![0_u8; 200_000]));
    };
    tokio::spawn(task.in_scope(Scope::current())).await.unwrap();
}

#[heapledger::test(max_allocs = 1)]
#[tokio::test]
async fn an_async_test_with_a_result() -> Result<(), std::num::ParseIntError> {
    let number: usize = "7".parse()?;
    Pause(false).await;
    if number == 7 {
        return Ok(());
    }
    drop(black_box(vec![0_u8; number]));
    Ok(())
}

const OVER: &str = "HEAPLEDGER_TESTING_OVER";

fn over_the_budget_in_the_child() {
    if std::env::var_os(OVER).is_some() {
        drop(black_box(vec![0_u8; 10_000]));
    }
}

#[heapledger::test(max_bytes = 10_000)]
fn fails_in_the_child() {
    over_the_budget_in_the_child();
}

#[heapledger::test(max_bytes = 10_000)]
#[tokio::test]
async fn fails_in_the_child_async() {
    over_the_budget_in_the_child();
}

#[test]
fn a_failing_test_panics_where_it_is_written() {
    for test in ["attribute::fails_in_the_child", "attribute::fails_in_the_child_async"] {
        let output = super::child(test, OVER);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("max_bytes: expected at most 10000 B"), "{said}");
        assert!(said.contains("panicked at tests/testing/attribute.rs:"), "{said}");
    }
}
