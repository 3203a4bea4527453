//! Pools at their ends, user code that panics there, and limits that are odd.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use heapledger::{
    BoundedPool, Lease, LocalGuard, LocalPool, OwnedGuard, Pool, PoolError, PoolGuard, StaticGuard,
};
use static_assertions::{assert_impl_all, assert_not_impl_any};

// Hazard 34: what a guard of an object may do is what the object may.
assert_impl_all!(PoolGuard<'static, Cell<u8>>: Send);
assert_impl_all!(PoolGuard<'static, u8>: Send, Sync);
assert_impl_all!(OwnedGuard<Cell<u8>>: Send);
assert_impl_all!(StaticGuard<FRAIL>: Send);
assert_not_impl_any!(PoolGuard<'static, Cell<u8>>: Sync);
assert_not_impl_any!(OwnedGuard<Cell<u8>>: Sync);
assert_not_impl_any!(StaticGuard<FRAIL>: Sync);
assert_not_impl_any!(LocalPool<u8>: Send, Sync);
assert_not_impl_any!(LocalGuard<'static, u8>: Send, Sync);
assert_not_impl_any!(Lease<'static, Cell<u8>>: Sync);
// And as a `Box` of it, in a panic.
assert_impl_all!(OwnedGuard<Cell<u8>>: UnwindSafe);
assert_not_impl_any!(OwnedGuard<&'static mut u8>: UnwindSafe);
assert_impl_all!(Pool<Cell<u8>>: UnwindSafe, RefUnwindSafe);
assert_impl_all!(PoolGuard<'static, Vec<u8>>: UnwindSafe);
assert_impl_all!(BoundedPool<Cell<u8>>: UnwindSafe, RefUnwindSafe);
assert_impl_all!(Lease<'static, Vec<u8>>: UnwindSafe);
assert_impl_all!(LocalPool<Cell<u8>>: UnwindSafe, RefUnwindSafe);

/// Panics when it is dropped, if it is armed; counts itself before.
struct Bomb {
    is_armed: Cell<bool>,
    ended: Arc<AtomicUsize>,
    _owned: Box<u64>,
}

impl Bomb {
    fn new(ended: &Arc<AtomicUsize>) -> Self {
        Self { is_armed: Cell::new(false), ended: ended.clone(), _owned: Box::new(7) }
    }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        self.ended.fetch_add(1, Ordering::Relaxed);
        if self.is_armed.get() {
            silent_panic();
        }
    }
}

fn silent_panic() -> ! {
    resume_unwind(Box::new("as it should"))
}

fn panics<R>(body: impl FnOnce() -> R) -> bool {
    catch_unwind(AssertUnwindSafe(body)).is_err()
}

type Frail = (bool, Box<Cell<u64>>);

heapledger::pool! {
    static FRAIL: Frail = (false, Box::default()),
        reset = |frail: &mut Frail| if frail.0 { silent_panic() };
}

/// A pool of some objects that are ready, of which these are armed.
fn bombs(name: &str, all: usize, armed: &[usize], ended: &Arc<AtomicUsize>) -> Pool<Bomb> {
    let make = ended.clone();
    let pool = Pool::builder(name, move || Bomb::new(&make)).build().unwrap();
    let guards = pool.acquire_many(all).unwrap();
    armed.iter().for_each(|bomb| guards[*bomb].is_armed.set(true));
    drop(guards);
    pool
}

#[test]
fn a_pool_ends_whole_whatever_its_destructors_do() {
    for (all, armed) in [(3, &[1][..]), (3, &[0, 1, 2]), (500, &[0, 250, 499])] {
        let ended = Arc::default();
        let pool = bombs("edges/ends", all, armed, &ended);
        assert!(panics(|| drop(pool)));
        assert_eq!(ended.load(Ordering::Relaxed), all, "each dropped once");
        assert_eq!(crate::live("pool/edges/ends"), (0, 0), "nothing is left of it");
        assert!(!heapledger::pools().iter().any(|it| it.name == "edges/ends"));
    }
}

#[test]
fn a_local_pool_ends_whole_whatever_its_destructors_do() {
    let ended = Arc::<AtomicUsize>::default();
    let make = ended.clone();
    let pool = LocalPool::new("edges/local_ends", move || Bomb::new(&make)).unwrap();
    let guards: Vec<_> = (0..5).map(|_| pool.acquire()).collect();
    [1, 3].iter().for_each(|bomb| guards[*bomb].is_armed.set(true));
    drop(guards);
    assert!(panics(|| drop(pool)));
    assert_eq!(ended.load(Ordering::Relaxed), 5, "each dropped once");
    assert_eq!(crate::live("pool/edges/local_ends"), (0, 0), "nothing is left of it");
}

#[test]
fn a_pool_that_cannot_be_filled_leaves_nothing() {
    for panicking in [false, true] {
        let ended = Arc::<AtomicUsize>::default();
        let (make, made) = (ended.clone(), AtomicUsize::new(0));
        let factory = move || match made.fetch_add(1, Ordering::Relaxed) {
            9 if panicking => silent_panic(),
            9 => Err("no more"),
            number => {
                let bomb = Bomb::new(&make);
                bomb.is_armed.set(number == 3 && !panicking);
                Ok(bomb)
            }
        };
        let build = || Pool::try_builder("edges/unfilled", factory).prefill(20).build();
        // The factory's panic, or that of a destructor on the way out.
        assert!(panics(build));
        assert_eq!(ended.load(Ordering::Relaxed), 9);
        assert_eq!(crate::live("pool/edges/unfilled"), (0, 0));
    }
}

#[test]
fn what_was_acquired_of_many_goes_back_when_one_cannot_be_made() {
    let made = Arc::new(AtomicUsize::new(0));
    let count = made.clone();
    let make = move || match count.fetch_add(1, Ordering::Relaxed) {
        5 => Err("no more"),
        8 => silent_panic(),
        number => Ok(number),
    };
    let pool = Pool::try_builder("edges/many", make).build().unwrap();
    assert!(matches!(pool.acquire_many(10), Err(PoolError::Create(_))));
    assert_eq!((pool.statistics().retained, pool.statistics().in_use), (5, 0));
    assert!(panics(|| pool.acquire_many(10).map(drop)));
    // What comes back during a panic is not used again.
    assert_eq!((pool.statistics().dropped, pool.statistics().in_use), (7, 0));
    assert_eq!(pool.handle().acquire_many(8).unwrap().len(), 8);
}

#[test]
fn an_object_that_is_taken_out_is_dropped_if_its_pool_panics_as_it_ends() {
    let ended = Arc::default();
    let pool = bombs("edges/into_inner", 2, &[1], &ended);
    let handle = pool.handle();
    // The last in is the first out: the armed one stays.
    let (spare, guard) = (handle.acquire(), handle.acquire());
    let (armed, guard) = if spare.is_armed.get() { (spare, guard) } else { (guard, spare) };
    drop((pool, handle, armed));
    assert!(panics(|| OwnedGuard::into_inner(guard)));
    assert_eq!(ended.load(Ordering::Relaxed), 2);
    assert_eq!(crate::live("pool/edges/into_inner"), (0, 0));
}

/// Row A16: what cannot be reset is not used again.
#[test]
fn an_object_that_says_it_cannot_be_reset_is_dropped() {
    let pool = Pool::builder("edges/try_reset", || vec![0_u8; 10])
        .try_reset(|buffer| {
            buffer.clear();
            buffer.capacity() <= 1000
        })
        .build()
        .unwrap();
    drop(pool.acquire());
    assert_eq!((pool.statistics().retained, pool.statistics().dropped), (1, 0));
    pool.acquire().reserve(5000);
    let it = pool.statistics();
    assert_eq!((it.retained, it.dropped, it.in_use, it.created), (0, 1, 0, 1));
    pool.put(Vec::with_capacity(5000));
    assert_eq!((pool.statistics().retained, pool.statistics().dropped), (0, 2));
}

#[test]
fn a_static_pool_does_without_what_panics() {
    let mut guards = FRAIL.acquire_many(3);
    guards[1].0 = true;
    for guard in guards {
        let breaks = guard.0;
        assert_eq!(panics(|| drop(guard)), breaks);
    }
    let it = FRAIL.statistics();
    assert_eq!((it.created, it.dropped, it.in_use, it.retained), (3, 1, 0, 2));
    assert!(panics(|| FRAIL.acquire_or(|| silent_panic()).0) == (it.retained == 0));
    let _both = FRAIL.acquire_many(2);
    assert!(panics(|| FRAIL.acquire_or(|| silent_panic()).0));
    let it = FRAIL.statistics();
    assert_eq!((it.created, it.dropped, it.in_use, it.retained), (3, 1, 2, 0));
}

/// A weight that no object can have is no reason for other pools' readers to panic.
#[test]
fn weights_beyond_all_measure_are_cut() {
    let pool = Pool::builder("edges/heavy", || 1_u8)
        .retained_bytes_max(usize::MAX, |_| usize::MAX)
        .prefill(2)
        .build()
        .unwrap();
    drop(pool.acquire_many(300));
    let bounded =
        BoundedPool::builder("edges/bounded_heavy", 4, || 1_u8).weigher(|_| usize::MAX).prefill(4);
    let bounded = bounded.build().unwrap();
    drop(bounded.acquire());
    let it = pool.statistics();
    assert!(it.retained == 300 && it.idle_bytes >= 300 << 40, "{it:?}");
    let it = bounded.statistics();
    assert!(it.retained == 4 && it.idle_bytes >= 4 << 40, "{it:?}");
    assert!(heapledger::pools().iter().any(|it| it.name == "edges/heavy"));
    bounded.shrink(3 << 40);
    assert_eq!(bounded.statistics().retained, 2);
    pool.shrink_idle();
    assert!(pool.statistics().idle_bytes < 1 << 20);
}

#[test]
fn a_pool_is_not_filled_with_what_it_would_not_keep() {
    let build = |bytes, weight| {
        let pool = Pool::builder("edges/prefill", || 1).retained_bytes_max(bytes, move |_| weight);
        pool.prefill(3).build().unwrap()
    };
    for (bytes, weight, filled) in [(0, 0, 0), (100, 90, 0), (100, 75, 1), (100, 25, 3)] {
        let pool = build(bytes, weight);
        assert_eq!(pool.statistics().retained, filled, "{bytes}, {weight}");
        drop(pool.acquire_many(filled as usize).unwrap());
        let kept = pool.statistics().retained;
        assert!(kept == filled.min(1) || kept >= 2, "{bytes}, {weight}: {kept}");
    }
}

/// No lock is held, and nothing borrowed, while user code runs: each kind of it uses the
/// pool that calls it.
#[test]
fn every_kind_of_user_code_may_use_the_pool() {
    type Own = std::sync::OnceLock<Pool<Uses>>;
    struct Uses(Arc<Own>);
    fn use_pool(own: &Own) {
        thread_local!(static DEPTH: Cell<u32> = const { Cell::new(0) });
        let Some(pool) = own.get() else { return };
        if DEPTH.replace(DEPTH.get() + 1) == 0 {
            drop(pool.acquire());
            let _many = pool.acquire_many(70).map(drop);
            let _ = pool.statistics();
            pool.shrink(100);
        }
        DEPTH.set(DEPTH.get() - 1);
    }
    impl Drop for Uses {
        fn drop(&mut self) {
            use_pool(&self.0);
        }
    }
    let own = Arc::<Own>::default();
    let (make, weigh) = (own.clone(), own.clone());
    let pool = Pool::builder("edges/uses", move || {
        use_pool(&make);
        Uses(make.clone())
    })
    .reset(|uses| use_pool(&uses.0))
    .retained_bytes_max(1000, move |_| {
        use_pool(&weigh);
        10
    })
    .build()
    .unwrap();
    assert!(own.set(pool).is_ok());
    let pool = own.get().unwrap();
    for _ in 0..20 {
        drop(pool.acquire_many(100).unwrap());
        drop(PoolGuard::into_inner(pool.acquire()));
        pool.shrink_idle();
    }
    let it = pool.statistics();
    assert_eq!(it.created, it.dropped + it.in_use + it.retained, "{it:?}");
    assert!(it.dropped > 2000 && it.in_use == 0, "{it:?}");
}

#[test]
fn a_local_pool_shares_bytes_evenly_and_shrinks_by_them() {
    const MIB: u64 = 1 << 20;
    let pool = LocalPool::new("edges/local_bytes", || vec![0_u8; MIB as usize]).unwrap();
    let guards: Vec<_> = (0..50).map(|_| pool.acquire()).collect();
    drop(guards);
    let out = pool.acquire();
    let it = pool.statistics();
    assert!((MIB..MIB + 4096).contains(&it.used_bytes), "{it:?}");
    assert!((49 * MIB..50 * MIB).contains(&it.idle_bytes), "{it:?}");
    assert!(pool.shrink(10 * MIB) >= 39 * MIB);
    let it = pool.statistics();
    assert!((8..=10).contains(&it.retained) && it.idle_bytes <= 10 * MIB, "{it:?}");
    // Asked from elsewhere it shrinks at its next release, and only if it has to.
    let ask = |bytes| {
        let pools = heapledger::reclaimers();
        let own = pools.iter().find(|it| it.name() == "edges/local_bytes").expect("it is listed");
        assert_eq!(own.shrink(bytes), 0, "its objects are its thread's");
    };
    ask(1 << 30);
    drop(out);
    assert!((9..=11).contains(&pool.statistics().retained));
    std::thread::scope(|scope| scope.spawn(|| ask(5 * MIB)).join()).unwrap();
    drop(pool.acquire());
    assert!((3..=5).contains(&pool.statistics().retained), "{:?}", pool.statistics());
    assert!(!pool.statistics().utilisation().is_nan());
    // What another thread asked for is not forgotten when its own asks for less, nor if
    // what comes back is one too many.
    std::thread::scope(|scope| scope.spawn(|| ask(0)).join()).unwrap();
    assert!(pool.shrink(u64::MAX) >= 3 * MIB);
    assert_eq!(pool.statistics().retained, 0);
    let pool = pool.with_retained_max(2);
    let mut guards: Vec<_> = (0..3).map(|_| pool.acquire()).collect();
    guards.truncate(1);
    std::thread::scope(|scope| scope.spawn(|| ask(0)).join()).unwrap();
    drop(guards);
    assert_eq!(pool.statistics().retained, 0);
}

#[test]
fn a_local_pool_does_without_what_panics() {
    let point = Rc::new(RefCell::new(""));
    let told = |name: &'static str| {
        let point = point.clone();
        move || {
            if *point.borrow() == name {
                silent_panic();
            }
        }
    };
    let (make, reset) = (told("factory"), told("reset"));
    let pool = LocalPool::new("edges/local_panics", move || {
        make();
        [0_u8; 100]
    });
    let pool = pool.unwrap().with_reset(move |_| reset());
    for name in ["factory", "reset", "none"] {
        *point.borrow_mut() = "none";
        let guard = pool.acquire();
        *point.borrow_mut() = name;
        assert_eq!(panics(|| drop(guard)), name == "reset");
        let _ = catch_unwind(AssertUnwindSafe(|| drop((pool.acquire(), pool.acquire()))));
        let it = pool.statistics();
        assert_eq!((it.created, it.in_use), (it.dropped + it.retained, 0), "{name}: {it:?}");
    }
}

/// Which part of the objects is out, and of the acquisitions was a hit.
#[test]
fn ratios_are_of_what_there_is() {
    let pool = Pool::builder("edges/ratios", || 1).build().unwrap();
    assert_eq!((pool.statistics().utilisation(), pool.statistics().hit_rate()), (0.0, 0.0));
    let guards = pool.acquire_many(4).unwrap();
    assert_eq!(pool.statistics().utilisation(), 1.0);
    drop(guards);
    let _one = pool.acquire();
    let it = pool.statistics();
    assert_eq!((it.utilisation(), it.hit_rate()), (0.25, 0.2));
    let bounded = BoundedPool::new("edges/bounded_ratios", 8, || 1).unwrap();
    let _two = (bounded.acquire(), bounded.acquire());
    assert_eq!(bounded.statistics().utilisation(), 0.25);
}
