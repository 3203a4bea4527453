//! The reach: 10,000 tasks on 4 workers × 100 yields, with blocking work, cancelled
//! branches, aborts and panics.

use std::sync::Arc;

use heapledger::{InScope, scope};
use tokio::runtime::Builder;
use tokio::task::{JoinHandle, yield_now};

use super::{Expected, Will, buffer};

const TASKS: usize = 10_000;
const YIELDS: usize = 100;
const TAGS: usize = 1000;
const WORKERS: usize = 4;

#[derive(Clone, Copy, PartialEq)]
enum End {
    Whole,
    Panic,
    Abort,
}

fn end_of(number: usize) -> End {
    match number % 13 {
        5 => End::Panic,
        7 => End::Abort,
        _ => End::Whole,
    }
}

fn bytes(number: usize, step: usize) -> usize {
    1 + (number * 7 + step * 13) % 300
}

#[test]
fn ten_thousand_tasks_are_exact_to_the_byte() {
    // A quarter of the steps keeps a block, and there are wills and blocking work.
    let expected = Arc::new(Expected::new("reach/tokio", TAGS, TASKS * (YIELDS / 4 + 10)));
    let runtime = Builder::new_multi_thread().worker_threads(WORKERS).build().unwrap();
    runtime.block_on(async {
        let spawn = |number: usize| {
            let task = task(expected.clone(), number);
            let handle = expected.tag(number).run(|| heapledger::tokio::spawn(task));
            // Tasks without a scope, on the same workers.
            drop(tokio::spawn(async move {
                let held = buffer(bytes(number, 0));
                yield_now().await;
                drop(held);
            }));
            handle
        };
        let mut handles: Vec<(usize, JoinHandle<usize>)> = Vec::with_capacity(TASKS);
        for number in 0..TASKS {
            handles.push((number, spawn(number)));
            // Somewhere on its way.
            if number >= 100 && end_of(number - 100) == End::Abort {
                handles[number - 100].1.abort();
            }
        }
        let mut ends = [0; 3];
        for (number, handle) in handles {
            let end = end_of(number);
            ends[end as usize] += 1;
            match handle.await {
                Ok(steps) => assert!(end != End::Panic && steps == YIELDS),
                Err(error) if error.is_panic() => assert!(end == End::Panic),
                Err(error) => assert!(end == End::Abort && error.is_cancelled()),
            }
        }
        assert!(ends.iter().all(|count| *count > TASKS / 20), "{ends:?}");
    });
    drop(runtime);
    let blocks = expected.check();
    assert!(blocks > (TASKS * YIELDS / 5) as u64, "only {blocks} blocks were kept");
}

async fn task(expected: Arc<Expected>, number: usize) -> usize {
    let _will = Will { expected: &expected, number, bytes: bytes(number, 1) };
    let mut held = Vec::new();
    for step in 0..YIELDS {
        held.push(buffer(bytes(number, step)));
        match step {
            10 if number.is_multiple_of(10) => blocking(&expected, number).await,
            20 if number.is_multiple_of(7) => cancelled(&expected, number).await,
            30 if number.is_multiple_of(3) => another(&expected, number).await,
            50 if end_of(number) == End::Panic => {
                std::panic::resume_unwind(Box::new(buffer(bytes(number, step))));
            }
            _ if step % 4 == 0 => expected.keep(number, bytes(number, step)),
            _ => drop(held.swap_remove(step / 3)),
        }
        if step % 4 == 1 {
            held.push(buffer(bytes(number, 2)));
        }
        yield_now().await;
    }
    YIELDS
}

/// On a thread of the blocking pool.
async fn blocking(expected: &Arc<Expected>, number: usize) {
    let (inner, will) = (expected.clone(), expected.clone());
    let work = move || {
        let _will = Will { expected: &will, number, bytes: 33 };
        inner.keep(number, bytes(number, 3));
        buffer(100)
    };
    drop(heapledger::tokio::spawn_blocking(work).await.unwrap());
}

/// A branch that holds memory and is dropped as the other one is ready.
async fn cancelled(expected: &Expected, number: usize) {
    let slow = async {
        let _will = Will { expected, number, bytes: bytes(number, 4) };
        let _held = buffer(1000);
        std::future::pending::<()>().await;
    };
    tokio::select! {
        biased;
        () = slow => unreachable!("it is never ready"),
        () = yield_now() => {}
    }
}

/// Parts of the work belong to another component, and a task is spawned from there.
async fn another(expected: &Arc<Expected>, number: usize) {
    let other = number + TAGS / 2;
    let inner = expected.clone();
    async {
        expected.keep(other, 44);
        yield_now().await;
        let task = async move { inner.keep(other, 55) };
        heapledger::tokio::spawn(task).await.unwrap();
    }
    .in_scope(expected.tag(other))
    .await;
    scope!(expected.tag(other), expected.keep(other, 66));
}
