//! The numbers behind the attributes, to the byte: on one thread, and on four tokio
//! workers that pass tasks around.

#[path = "support/pause.rs"]
mod pause;

use std::collections::HashSet;
use std::hint::black_box;
use std::sync::Mutex;
use std::thread::ThreadId;

use heapledger::{Counts, Tag, scoped};
use pause::pause;

#[global_allocator]
static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();

fn own(name: &str) -> Counts {
    Tag::register(name).expect("a valid name").read().expect("installed").own
}

/// Live bytes and blocks of a tag itself.
fn live(name: &str) -> (u64, u64) {
    (own(name).live_bytes(), own(name).live_blocks())
}

static INDEX: Tag = Tag::new("figures/index");

#[test]
fn a_function_owns_what_it_allocates() {
    #[scoped("figures/plain")]
    fn keep(bytes: usize) -> Vec<u8> {
        drop(black_box(Vec::<u8>::with_capacity(7)));
        if bytes > 500 {
            return Vec::with_capacity(bytes);
        }
        let early: Result<u8, _> = "17".parse();
        let Ok(_) = early else { return Vec::new() };
        Vec::with_capacity(bytes)
    }
    #[scoped(INDEX)]
    fn index<T>(value: T) -> Box<T> {
        Box::new(value)
    }

    let kept = (keep(1000), keep(100), index([1_u8; 40]), index(2_u64));
    let outside = black_box(vec![1_u8; 64]);
    assert_eq!(live("figures/plain"), (1100, 2));
    assert_eq!(own("figures/plain").allocated_blocks, 4);
    assert_eq!(live("figures/index"), (48, 2));
    drop((kept, outside));
    assert_eq!(live("figures/plain"), (0, 0));
}

#[test]
fn a_method_and_what_it_calls_own_theirs() {
    struct Store(Vec<Vec<u8>>);
    impl Store {
        #[scoped("figures/method")]
        fn add(&mut self, bytes: usize) -> &Vec<u8> {
            let added = Self::block(bytes);
            self.0.push(added);
            &self.0[self.0.len() - 1]
        }

        #[scoped("figures/method/block")]
        fn block(bytes: usize) -> Vec<u8> {
            Vec::with_capacity(bytes)
        }
    }
    let mut store = Store(Vec::new());
    let added = store.add(300).capacity();
    assert_eq!((added, live("figures/method/block")), (300, (300, 1)));
    assert_eq!(live("figures/method"), (4 * size_of::<Vec<u8>>() as u64, 1));
}

#[test]
fn a_panic_leaves_the_scope() {
    #[scoped("figures/panic")]
    fn fails() -> Vec<u8> {
        let _held = black_box(vec![1_u8; 100]);
        std::panic::resume_unwind(Box::new(()));
    }
    assert!(std::panic::catch_unwind(fails).is_err());
    let outside = black_box(vec![1_u8; 100]);
    assert_eq!(live("figures/panic"), (0, 0));
    drop(outside);
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().expect("a runtime")
}

/// All workers at once, so that tasks do not stay where they began.
static WORKERS: Mutex<Option<HashSet<ThreadId>>> = Mutex::new(None);

fn note_worker() {
    let mut workers = WORKERS.lock().expect("nobody panics");
    workers.get_or_insert_default().insert(std::thread::current().id());
}

const TASKS: usize = 200;
const YIELDS: usize = 50;

#[scoped("figures/async")]
async fn work(number: usize) -> Vec<Vec<u8>> {
    let mut kept = Vec::with_capacity(YIELDS);
    for step in 0..YIELDS {
        kept.push(Vec::with_capacity(1 + (number * 7 + step * 13) % 900));
        pause().await;
        drop(black_box(Box::new(step)));
        inner(number).await;
    }
    kept
}

#[scoped("figures/async/inner")]
async fn inner(number: usize) {
    let held = black_box(vec![1_u8; 1 + number]);
    pause().await;
    drop(held);
}

#[test]
fn tasks_on_four_workers_own_what_they_allocate() {
    let kept: Vec<_> = runtime().block_on(async {
        let tasks: Vec<_> = (0..TASKS)
            .map(|number| {
                tokio::spawn(async move {
                    note_worker();
                    let outside = black_box(vec![1_u8; 33]);
                    let kept = work(number).await;
                    note_worker();
                    drop(outside);
                    kept
                })
            })
            .collect();
        let mut kept = Vec::new();
        for task in tasks {
            kept.push(task.await.expect("nobody panics"));
        }
        kept
    });
    let blocks: usize = (0..TASKS)
        .flat_map(|number| (0..YIELDS).map(move |step| 1 + (number * 7 + step * 13) % 900))
        .sum();
    let lists = TASKS * YIELDS * size_of::<Vec<u8>>();
    assert_eq!(live("figures/async"), ((blocks + lists) as u64, (TASKS * (YIELDS + 1)) as u64));
    let inner = own("figures/async/inner");
    let bytes: usize = (0..TASKS).map(|number| YIELDS * (1 + number)).sum();
    assert_eq!(
        (inner.allocated_bytes, inner.allocated_blocks),
        (bytes as u64, (TASKS * YIELDS) as u64)
    );
    assert_eq!(inner.live_bytes(), 0);
    let workers = WORKERS.lock().expect("nobody panics").as_ref().map_or(0, HashSet::len);
    assert!(workers > 1, "all tasks were on one worker: nothing was shown");
    drop(kept);
    assert_eq!(live("figures/async"), (0, 0));
}
