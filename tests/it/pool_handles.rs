//! Guards without a lifetime: the pool is there for as long as one is.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};

use heapledger::{OwnedGuard, Pool, PoolError, PoolHandle, Tag};

/// Counts how many of it there are.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(number: &Arc<AtomicUsize>) -> Self {
        number.fetch_add(1, Ordering::Relaxed);
        Self(number.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn counted(name: &str) -> (Pool<Counted>, Arc<AtomicUsize>) {
    let number = Arc::new(AtomicUsize::new(0));
    let there = number.clone();
    (Pool::builder(name, move || Counted::new(&there)).build().unwrap(), number)
}

#[test]
fn what_a_handle_gives_goes_anywhere() {
    fn is_send<T: Send + 'static>() {}
    fn is_sync<T: Sync + 'static>() {}
    is_send::<OwnedGuard<Cell<u8>>>();
    is_sync::<OwnedGuard<u8>>();
    is_send::<PoolHandle<Cell<u8>>>();
    is_sync::<PoolHandle<Cell<u8>>>();
    assert_eq!(size_of::<OwnedGuard<[u8; 100]>>(), 16);
}

#[test]
fn the_last_guard_ends_the_pool() {
    let (pool, number) = counted("it/handle_last");
    let tag: Tag = pool.tag().clone();
    let handle = pool.handle();
    let [first, second] = [handle.acquire(), handle.acquire()];
    drop(handle.acquire());
    drop(pool);
    drop(handle);
    assert_eq!(number.load(Ordering::Relaxed), 3);
    drop(first);
    assert_eq!(number.load(Ordering::Relaxed), 3, "one is out, so the pool is there");
    let is_listed = || heapledger::pools().iter().any(|it| it.name == "it/handle_last");
    assert!(is_listed());
    // By another thread, which never knew the pool.
    std::thread::spawn(move || drop(second)).join().unwrap();
    assert_eq!(number.load(Ordering::Relaxed), 0);
    assert!(!is_listed());
    assert_eq!(tag.read().unwrap().own.live_bytes(), 0);
}

#[test]
fn an_object_that_is_taken_out_leaves_its_handle() {
    let (pool, number) = counted("it/handle_detach");
    let (handle, object) = OwnedGuard::detach(pool.handle().acquire());
    let it = pool.statistics();
    assert_eq!((it.created, it.dropped, it.in_use), (1, 1, 0));
    drop(pool);
    // The pool's last.
    let other = OwnedGuard::into_inner(handle.acquire());
    assert_eq!(handle.pool().statistics().created, 2);
    drop(handle);
    assert_eq!(number.load(Ordering::Relaxed), 2);
    drop((object, other));
    assert_eq!(number.load(Ordering::Relaxed), 0);
    // A guard that knows of the pool last, and is taken apart.
    let (pool, number) = counted("it/handle_detach_last");
    let guard = pool.handle().acquire();
    drop(pool);
    let object = OwnedGuard::into_inner(guard);
    assert!(!heapledger::pools().iter().any(|it| it.name == "it/handle_detach_last"));
    assert_eq!(number.load(Ordering::Relaxed), 1);
    drop(object);
    assert_eq!(number.load(Ordering::Relaxed), 0);
}

#[test]
fn a_handle_does_what_its_pool_does() {
    let may = Arc::new(AtomicUsize::new(1));
    let there = may.clone();
    let make = move || match there.load(Ordering::Relaxed) {
        0 => Err("no more"),
        left => {
            there.store(left - 1, Ordering::Relaxed);
            Ok(vec![0_u8; 10])
        }
    };
    let pool = Pool::try_builder("it/handle_like", make).reset(Vec::clear).build().unwrap();
    let handle = pool.handle();
    assert!(handle.acquire_ready().is_none());
    let guard = handle.try_acquire().unwrap();
    assert_eq!(format!("{guard:?}"), "[0, 0, 0, 0, 0, 0, 0, 0, 0, 0]");
    assert!(matches!(handle.try_acquire(), Err(PoolError::Create(_))));
    drop(guard);
    assert!(handle.acquire_ready().is_some_and(|it| it.is_empty() && it.capacity() == 10));
    let [_ready, made] = [handle.acquire_or(Vec::new), handle.acquire_or(|| vec![1])];
    assert_eq!(*made, [1]);
    assert_eq!(format!("{handle:?}"), "PoolHandle { name: \"it/handle_like\", .. }");
    assert_eq!(pool.statistics().in_use, 2);
}

/// A reset that panics: the object ends, the count goes back, the pool can end.
#[test]
fn a_panic_costs_the_object_and_no_more() {
    let number = Arc::new(AtomicUsize::new(0));
    let there = number.clone();
    let pool = Pool::builder("it/handle_panic", move || Counted::new(&there))
        .reset(|_| std::panic::resume_unwind(Box::new("reset")))
        .build()
        .unwrap();
    let handle = pool.handle();
    drop(pool);
    let guard = handle.acquire();
    drop(handle);
    assert!(catch_unwind(AssertUnwindSafe(|| drop(guard))).is_err());
    assert_eq!(number.load(Ordering::Relaxed), 0);
    assert!(!heapledger::pools().iter().any(|it| it.name == "it/handle_panic"));
}

/// Threads that each have a handle, give away what it gave, and end in any order.
#[test]
fn guards_cross_threads_while_handles_come_and_go() {
    const THREADS: usize = 4;
    let (pool, number) = counted("it/handle_threads");
    let start = Arc::new(Barrier::new(THREADS));
    let (senders, receivers): (Vec<_>, Vec<_>) =
        (0..THREADS).map(|_| mpsc::channel::<OwnedGuard<Counted>>()).unzip();
    let threads: Vec<_> = (receivers.into_iter().enumerate())
        .map(|(thread, receiver)| {
            let mut handle = pool.handle();
            let next = senders[(thread + 1) % THREADS].clone();
            let start = start.clone();
            std::thread::spawn(move || {
                start.wait();
                for round in 0..2000 {
                    // The next thread may have ended.
                    let _ = next.send(handle.acquire());
                    let _own = handle.acquire();
                    if round % 100 == thread {
                        handle = handle.clone();
                    }
                    drop(receiver.try_recv());
                }
            })
        })
        .collect();
    drop((pool, senders));
    threads.into_iter().for_each(|it| it.join().unwrap());
    // Nobody knows of the pool any more.
    assert_eq!(number.load(Ordering::Relaxed), 0);
    assert!(!heapledger::pools().iter().any(|it| it.name == "it/handle_threads"));
}
