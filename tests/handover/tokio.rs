//! tokio: every way to spawn, what tokio keeps for a task, and the runtime's threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use heapledger::tokio::{JoinSet, ThreadsInScope};
use heapledger::{InScope, Scope, Tag, scope};
use tokio::runtime::{Builder, Runtime};
use tokio::task::{LocalSet, yield_now};

use super::{Expected, Will, buffer, live};

fn runtime(workers: usize) -> Runtime {
    Builder::new_multi_thread().worker_threads(workers).build().unwrap()
}

#[test]
fn every_way_to_spawn_takes_the_scope_along() {
    let runtime = runtime(2);
    let set = LocalSet::new();
    let kept = set.block_on(&runtime, async {
        let handle = runtime.handle();
        let tasks = scope!("tokio/spawn", {
            [
                heapledger::tokio::spawn(async { buffer(1) }),
                heapledger::tokio::spawn_blocking(|| buffer(2)),
                heapledger::tokio::spawn_local(async { buffer(4) }),
                handle.spawn(async { buffer(8) }.in_scope(Scope::current())),
                handle.spawn_blocking(Scope::current().wrap(|| buffer(16))),
            ]
        });
        let mut kept = Vec::new();
        for task in tasks {
            kept.push(task.await.unwrap());
        }
        kept
    });
    drop((set, runtime));
    assert_eq!(live("tokio/spawn"), (31, 5));
    drop(kept);
}

#[test]
fn every_way_to_spawn_into_a_set_takes_the_scope_along() {
    let runtime = runtime(2);
    let local = LocalSet::new();
    let kept = local.block_on(&runtime, async {
        let mut set = JoinSet::new();
        scope!("tokio/set", {
            set.spawn(async { buffer(1) });
            set.spawn_on(async { buffer(2) }, runtime.handle());
            set.spawn_local(async { buffer(4) });
            set.spawn_local_on(async { buffer(8) }, &local);
            set.spawn_blocking(|| buffer(16));
            set.spawn_blocking_on(|| buffer(32), runtime.handle());
        });
        assert_eq!(set.len(), 6);
        let first = set.join_next().await.unwrap().unwrap();
        let collected: JoinSet<_> = scope!(
            "tokio/set",
            [64, 128].map(|bytes| async move { buffer(bytes) }).into_iter().collect()
        );
        (first, set.join_all().await, collected.into_inner().join_all().await)
    });
    drop((local, runtime));
    // The blocks, and nothing that the set needed.
    assert_eq!(live("tokio/set"), (255, 8));
    drop(kept);
}

/// tokio's own memory for a task, with the future in it, belongs to the spawner; and
/// goes with the task, whoever drops it.
#[test]
fn the_memory_of_a_task_belongs_to_its_spawner() {
    let runtime = Builder::new_current_thread().build().unwrap();
    let large = async |_: [u8; 3000]| {
        yield_now().await;
        buffer(1)
    };
    let (before_its_end, after_its_end, kept) = runtime.block_on(async {
        let task = scope!("tokio/cell", heapledger::tokio::spawn(large([0; 3000])));
        let before_its_end = live("tokio/cell");
        let kept = task.await.unwrap();
        (before_its_end, live("tokio/cell"), kept)
    });
    assert!(before_its_end.0 > 3000, "{before_its_end:?}");
    // The first to wait makes tokio's list of who waits.
    assert!(after_its_end.0 < 200, "{after_its_end:?}");

    // Left behind in a runtime that ends: dropped half-way, in its scope.
    let expected = Arc::new(Expected::new("tokio/left", 1, 1));
    let in_task = expected.clone();
    runtime.block_on(async {
        let task = async move {
            let _will = Will { expected: &in_task, number: 0, bytes: 50 };
            large([0; 3000]).await;
            std::future::pending::<()>().await;
        };
        drop(expected.tag(0).run(|| heapledger::tokio::spawn(task)));
        yield_now().await;
        assert!(live("tokio/left/0").0 > 3000);
    });
    drop(runtime);
    assert_eq!(expected.check(), 1);
    assert_eq!(live("tokio/cell"), (1, 1));
    drop(kept);
}

/// R2: a hook that runs as threads start cannot tell workers from the others. So what
/// it sets is for all of them, and work that brings its own scope is not affected.
#[test]
fn the_scope_of_a_runtimes_threads_is_that_of_work_without_one() {
    static RUNTIME: Tag = Tag::new("tokio/threads");
    let runtime =
        Builder::new_multi_thread().worker_threads(2).threads_in_scope(&RUNTIME).build().unwrap();
    let of_runtime = RUNTIME.id();
    let own = Tag::register("tokio/threads/own").unwrap();
    let seen = Arc::new(AtomicU64::new(0));
    runtime.block_on(async {
        assert_ne!(
            Scope::current().tag_id(),
            of_runtime,
            "the caller of block_on is no thread of it"
        );
        for _ in 0..100 {
            let tasks = own.run(|| {
                [
                    heapledger::tokio::spawn(async { Scope::current().tag_id() }),
                    heapledger::tokio::spawn_blocking(move || Scope::current().tag_id()),
                ]
            });
            let past = own.run(|| {
                [
                    tokio::spawn(async { Scope::current().tag_id() }),
                    tokio::task::spawn_blocking(move || Scope::current().tag_id()),
                ]
            });
            for task in tasks {
                assert_eq!(task.await.unwrap(), own.id());
            }
            for task in past {
                assert_eq!(task.await.unwrap(), of_runtime);
                seen.fetch_add(1, SeqCst);
            }
        }
    });
    assert_eq!(seen.load(SeqCst), 200);
    let kept = runtime.block_on(async { tokio::spawn(async { buffer(5000) }).await.unwrap() });
    drop(runtime);
    assert_eq!(live(RUNTIME.name()), (5000, 1));
    drop(kept);
}
