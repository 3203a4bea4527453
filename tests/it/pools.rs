//! Pools: objects go out and come back, and every number adds up.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use heapledger::{
    LocalPool, Pool, PoolError, PoolGuard, PoolKind, PoolStatistics, Reclaimer,
    ReclaimerStatistics, StaticGuard, Tag,
};

/// What has to hold of every pool that nobody uses at the moment.
#[track_caller]
fn check(it: &PoolStatistics) {
    assert_eq!(it.created, it.dropped + it.in_use + it.retained, "{it:?}");
    assert!(it.high_water >= it.in_use, "{it:?}");
}

#[test]
fn an_object_comes_back_reset() {
    let pool = Pool::builder("it/reset", || String::with_capacity(100))
        .reset(String::clear)
        .build()
        .unwrap();
    let mut first = pool.acquire();
    first.push_str("text");
    let address = first.as_ptr();
    assert_eq!(size_of_val(&first), 16);
    drop(first);
    let again = pool.acquire();
    assert_eq!((again.as_str(), again.as_ptr()), ("", address));
    let it = pool.statistics();
    check(&it);
    assert_eq!((it.created, it.in_use, it.retained, it.hits, it.misses), (1, 1, 0, 1, 1));
}

#[test]
fn any_number_is_live_and_few_are_retained() {
    for max in [0, 1, 2, 3, 10, 100, 1000] {
        let pool = Pool::builder("it/limits", || [0_u8; 100]).retained_max(max).build().unwrap();
        let guards = pool.acquire_many(5000).unwrap();
        let it = pool.statistics();
        check(&it);
        assert_eq!((it.in_use, it.created, it.high_water), (5000, 5000, 5000), "{it:?}");
        drop(guards);
        let it = pool.statistics();
        check(&it);
        assert_eq!(it.in_use, 0);
        let least = (max * 3 / 4) as u64;
        assert!((least..=max as u64).contains(&it.retained), "{max}: {it:?}");
    }
}

/// Whoever keeps them: threads that come and go, or stay, with few objects or many.
#[test]
fn the_limit_holds_for_all_threads_together() {
    for (max, threads, each) in [
        (0, 8, 3),
        (1, 8, 1),
        (2, 8, 2),
        (10, 200, 1),
        (10, 50, 20),
        (100, 50, 150),
        (1000, 50, 150),
    ] {
        let pool = Pool::builder("it/threads", || 0_u64).retained_max(max).build().unwrap();
        // Judged at the end: a panic here would leave the threads waiting.
        let mut seen = Vec::new();
        let (step, go) = (Barrier::new(threads + 1), Barrier::new(threads + 1));
        std::thread::scope(|scope| {
            for number in 0..threads {
                let (pool, step, go) = (&pool, &step, &go);
                scope.spawn(move || {
                    // One after the other, so that early ones have all there is.
                    for turn in 0..threads {
                        if turn == number {
                            drop(pool.acquire_many(each));
                        }
                        step.wait();
                        go.wait();
                    }
                    for _ in 0..2 {
                        drop(pool.acquire_many(each));
                        step.wait();
                        go.wait();
                    }
                });
            }
            for turn in 0..threads + 2 {
                step.wait();
                seen.push((turn, pool.statistics()));
                if turn % 7 == 6 {
                    pool.shrink(8 * (max / 2) as u64);
                }
                if turn == threads {
                    pool.shrink_idle();
                }
                seen.push((turn, pool.statistics()));
                go.wait();
            }
        });
        seen.push((threads, pool.statistics()));
        for (turn, it) in &seen {
            check(it);
            assert!(it.in_use == 0 && it.retained <= max as u64, "{turn} {threads}: {it:?}");
        }
        // At least the common half.
        let least = (max.min(each) / 2) as u64;
        let back = seen.iter().step_by(2).all(|(_, it)| it.retained >= least);
        assert!(back, "{max} {threads}: {seen:?}");
    }
}

/// One that comes when the others have all there is gets a share of it all the same.
#[test]
fn a_late_thread_finds_what_idle_ones_keep() {
    if !cfg!(target_os = "linux") {
        return;
    }
    let pool = Pool::builder("it/late", || 0_u64).retained_max(1000).build().unwrap();
    let done = Barrier::new(31);
    std::thread::scope(|scope| {
        for _ in 0..30 {
            let (kept, keeps) = std::sync::mpsc::channel();
            let (pool, done) = (&pool, &done);
            scope.spawn(move || {
                drop(pool.acquire_many(300));
                kept.send(()).unwrap();
                done.wait();
            });
            keeps.recv().unwrap();
        }
        drop(pool.acquire_many(30));
        let before = pool.statistics();
        for _ in 0..100 {
            drop(pool.acquire_many(10));
        }
        let it = pool.statistics();
        assert_eq!((it.misses, it.dropped), (before.misses, before.dropped), "{it:?}");
        done.wait();
    });
}

#[test]
fn the_most_objects_out_are_seen_across_threads() {
    let pool = Pool::builder("it/high_water", || [0_u8; 100]).build().unwrap();
    for _ in 0..3 {
        let all_out = Barrier::new(4);
        std::thread::scope(|threads| {
            for _ in 0..4 {
                threads.spawn(|| {
                    let objects = [pool.acquire(), pool.acquire()];
                    all_out.wait();
                    drop(objects);
                });
            }
        });
        // All are back: nobody looked while they were out, but those who made them.
        let it = pool.statistics();
        check(&it);
        assert_eq!((it.in_use, it.high_water), (0, 8), "{it:?}");
    }
}

#[test]
fn retention_is_bounded_in_bytes() {
    let make = || Vec::<u8>::new();
    let pool = Pool::builder("it/bytes", make)
        .reset(Vec::clear)
        .retained_bytes_max(1 << 20, Vec::capacity)
        .build()
        .unwrap();
    // One huge buffer is not kept for ever.
    pool.acquire().reserve_exact(4 << 20);
    assert_eq!(pool.statistics().retained, 0);
    // Many are kept up to the limit, and no further.
    let mut guards = pool.acquire_many(100).unwrap();
    guards.iter_mut().for_each(|buffer| buffer.reserve_exact(64 << 10));
    drop(guards);
    let it = pool.statistics();
    check(&it);
    assert!((8..=16).contains(&it.retained), "{it:?}");
    // As the weigher says, whatever tag the buffers were grown under.
    assert!(it.idle_bytes >= it.retained * (64 << 10), "{it:?}");
    assert_eq!(it.used_bytes, 0, "{it:?}");
}

/// Heavy objects, which no thread keeps, leave room for what threads do.
#[test]
fn heavy_and_light_objects_together_stay_below_the_limit() {
    let pool = Pool::builder("it/heavy", Vec::<u8>::new)
        .retained_bytes_max(1000, Vec::capacity)
        .build()
        .unwrap();
    let grown = |bytes: usize| {
        let mut object = pool.acquire_or(Vec::new);
        object.reserve_exact(bytes);
        object
    };
    let objects = [300, 300, 300, 100, 100, 40].map(grown);
    drop(objects);
    let kept: Vec<_> = std::iter::from_fn(|| pool.get()).map(|it| it.capacity()).collect();
    assert!((800..=1000).contains(&kept.iter().sum::<usize>()), "{kept:?}");
    check(&pool.statistics());
}

#[test]
fn factories_may_fail() {
    let ready = Arc::new(AtomicBool::new(false));
    let asked = ready.clone();
    let pool = Pool::try_builder("it/fails", move || {
        if asked.load(Ordering::Relaxed) { Ok(7) } else { Err("not yet") }
    })
    .build()
    .unwrap();
    let error = pool.try_acquire().unwrap_err();
    assert!(matches!(error, PoolError::Create(_)) && error.to_string().contains("not yet"));
    let panic = catch_unwind(|| pool.acquire()).unwrap_err();
    assert!(panic.downcast_ref::<String>().is_some_and(|it| it.contains("try_acquire")));
    ready.store(true, Ordering::Relaxed);
    assert_eq!(*pool.try_acquire().unwrap(), 7);
    check(&pool.statistics());
    assert_eq!(pool.statistics().created, 1);
    let bad = Pool::try_builder("it/fails", || Err::<u8, _>("never")).prefill(1).build();
    assert!(matches!(bad, Err(PoolError::Create(_))));
    assert!(matches!(Pool::builder("a//b", || 1).build(), Err(PoolError::Name(_))));
}

/// Row S12: half of a pool of 50 is made at once.
#[test]
fn a_pool_is_filled_beforehand() {
    let made = Arc::new(AtomicUsize::new(0));
    let count = made.clone();
    let pool = Pool::builder("it/prefill", move || count.fetch_add(1, Ordering::Relaxed))
        .retained_max(50)
        .prefill_fraction(0.5)
        .build()
        .unwrap();
    assert_eq!(made.load(Ordering::Relaxed), 25);
    let it = pool.statistics();
    check(&it);
    assert_eq!((it.created, it.retained), (25, 25));
    // Nobody acquired anything.
    assert_eq!((it.misses, it.hits, it.high_water), (0, 0, 0), "{it:?}");
    // Any thread gets what was made beforehand.
    std::thread::scope(|scope| scope.spawn(|| drop(pool.acquire_many(25).unwrap())).join())
        .unwrap();
    assert_eq!(made.load(Ordering::Relaxed), 25);
}

#[test]
fn a_pool_is_filled_as_far_as_it_retains() {
    let build = |max, of| {
        Pool::builder("it/full", || vec![0_u8; 10]).retained_max(max).prefill_fraction(of).build()
    };
    for max in [0, 1, 3, 10, 64, 1000] {
        let pool = build(max, 1.0).unwrap();
        let it = pool.statistics();
        let max = max as u64;
        assert_eq!((it.created, it.retained, it.dropped, it.misses), (max, max, 0, 0), "{it:?}");
        drop(pool.acquire_many(max as usize).unwrap());
        let it = pool.statistics();
        check(&it);
        assert!((max * 3 / 4..=max).contains(&it.retained), "{it:?}");
        assert_eq!((it.created, it.misses, it.hits), (max, 0, max), "{it:?}");
    }
    let more = Pool::builder("it/full", || 0).retained_max(10).prefill(50).build().unwrap();
    assert_eq!(more.statistics().created, 10);
    let heavy = Pool::builder("it/full", || vec![0_u8; 100])
        .retained_bytes_max(1000, Vec::capacity)
        .prefill(50)
        .build()
        .unwrap();
    assert_eq!(heavy.statistics().retained, 10);
    for fraction in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
        let error = build(10, fraction).unwrap_err();
        assert!(matches!(error, PoolError::Prefill { .. }), "{error}");
        assert!(error.to_string().contains(&fraction.to_string()), "{error}");
    }
    let unlimited = Pool::builder("it/full", || 0).retained_unlimited().prefill_fraction(0.5);
    assert!(matches!(unlimited.build(), Err(PoolError::Prefill { .. })));
}

/// Row S11: put and get by value.
#[test]
fn objects_are_put_and_got() {
    let pool = Pool::builder("it/put", String::new).build().unwrap();
    assert_eq!(pool.get(), None);
    pool.put("one".to_string());
    pool.put("two".to_string());
    let got = [pool.get(), pool.get(), pool.get()];
    assert!(got.contains(&Some("one".into())) && got.contains(&Some("two".into())));
    let it = pool.statistics();
    check(&it);
    assert_eq!((it.created, it.dropped, it.hits, it.misses), (2, 2, 2, 2));
    let (from, object) = PoolGuard::detach(pool.acquire());
    from.put(object);
    assert_eq!(PoolGuard::into_inner(pool.acquire_ready().unwrap()), "");
    check(&pool.statistics());
}

#[test]
fn what_idle_threads_keep_is_reached() {
    let pool = Pool::builder("it/idle_threads", || vec![0_u8; 64 << 10]).build().unwrap();
    let (full, done) = (Barrier::new(5), Barrier::new(5));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                drop(pool.acquire_many(16).unwrap());
                full.wait();
                done.wait();
                // Still in working order.
                drop(pool.acquire_many(16).unwrap());
            });
        }
        full.wait();
        let before = pool.statistics();
        assert!(before.retained >= 32, "{before:?}");
        let freed = pool.shrink_idle();
        let it = pool.statistics();
        if cfg!(target_os = "linux") {
            assert_eq!(it.retained, 0, "{it:?}");
            assert!(freed >= before.retained * (64 << 10), "{freed}");
        }
        done.wait();
    });
    check(&pool.statistics());
}

#[test]
fn shrinking_stops_at_its_target() {
    let pool = Pool::builder("it/target", || vec![0_u8; 10_000]).build().unwrap();
    drop(pool.acquire_many(500).unwrap());
    let before = pool.statistics();
    assert!(before.idle_bytes > 4_500_000, "{before:?}");
    let freed = pool.shrink(1_000_000);
    let it = pool.statistics();
    assert!(freed >= 3_000_000 && it.retained > 30 && it.retained < 120, "{freed} {it:?}");
    check(&it);
}

static MADE: AtomicUsize = AtomicUsize::new(0);

heapledger::pool! {
    /// For the test below.
    static BUFFERS: Vec<u8> = {
        MADE.fetch_add(1, Ordering::Relaxed);
        Vec::with_capacity(64 << 10)
    }, reset = Vec::clear, retained_max = 100, name = "it/static";

    static WEIGHED: Vec<u8> = Vec::new(), reset = Vec::clear, retained_bytes_max = 1000,
        weigher = Vec::capacity;
}

#[test]
fn a_static_pool_has_guards_of_one_word() {
    let mut guard: StaticGuard<BUFFERS> = BUFFERS.acquire();
    guard.push(1);
    assert_eq!(size_of_val(&guard), size_of::<usize>());
    // It is `'static` and `Send`.
    let guard = std::thread::spawn(move || guard).join().unwrap();
    assert_eq!(*guard, [1]);
    drop(guard);
    assert!(BUFFERS.acquire().is_empty());
    assert_eq!(MADE.load(Ordering::Relaxed), 1);
    drop(BUFFERS.acquire_many(500));
    let it = BUFFERS.statistics();
    check(&it);
    assert!(it.retained <= 100 && it.retained_max == Some(100), "{it:?}");
    assert!(heapledger::pools().iter().any(|it| it.name == "it/static"));
    assert!(BUFFERS.shrink_idle() >= 64 << 10);
    assert_eq!(BUFFERS.tag().name(), "pool/it/static");

    WEIGHED.acquire().reserve(5000);
    WEIGHED.acquire().reserve(100);
    assert_eq!(WEIGHED.statistics().retained, 1);
    assert_eq!(WEIGHED.get().unwrap().capacity(), 100);
}

#[test]
fn a_local_pool_takes_what_cannot_leave_its_thread() {
    let pool = LocalPool::new("it/local", || Rc::new(Cell::new(0)))
        .unwrap()
        .with_reset(|it| it.set(0))
        .with_retained_max(3);
    let guards: Vec<_> = (0..5).map(|_| pool.acquire()).collect();
    guards[0].set(1);
    drop(guards);
    let it = pool.statistics();
    check(&it);
    assert_eq!((it.created, it.retained, it.dropped, it.high_water), (5, 3, 2, 5));
    assert!((0..3).all(|_| pool.acquire().get() == 0));
    let freed = pool.shrink(0);
    assert!(freed >= 3 * 16, "{freed}");
    check(&pool.statistics());
}

/// A panic that nobody is told of: what a hook allocates to tell of one, for instance
/// its symbols, would belong to the pool.
#[test]
fn a_pool_that_is_gone_leaves_nothing_on_its_tag() {
    let pool = Pool::builder("it/gone", || vec![0_u8; 100]).build().unwrap();
    let local = LocalPool::new("it/gone_local", || vec![0_u8; 100]).unwrap();
    assert_eq!((local.name(), local.tag().name()), ("it/gone_local", "pool/it/gone_local"));
    drop((pool.acquire(), local.acquire()));
    assert!(local.shrink_idle() >= 100);
    let tags = [pool.tag().clone(), local.tag().clone()];
    drop((pool, local));
    for tag in tags {
        assert_eq!(tag.read().unwrap().own.live_bytes(), 0, "{}", tag.name());
    }
}

/// The table of tags may be full, and that is not the name's fault.
#[test]
fn names_are_blamed_only_where_they_are_to_blame() {
    let [full, bad] = [heapledger::TagError::TableFull, heapledger::TagError::Empty];
    assert!(!PoolError::Name(full).to_string().contains("name cannot"));
    assert!(PoolError::Name(bad).to_string().contains("name needs"));
}

fn silent_panic(message: &'static str) -> ! {
    std::panic::resume_unwind(Box::new(message))
}

/// Panics in one of the user's functions, when it is told to.
struct Fused {
    _owned: Box<u64>,
    in_drop: bool,
}

static FUSED_DROPS: AtomicUsize = AtomicUsize::new(0);

impl Drop for Fused {
    fn drop(&mut self) {
        FUSED_DROPS.fetch_add(1, Ordering::Relaxed);
        if self.in_drop {
            silent_panic("in drop");
        }
    }
}

/// Factory, reset, weigher and destructor that panic at every point: no object is
/// there twice, none is lost, and the numbers add up.
#[test]
fn user_code_may_panic_everywhere() {
    FUSED_DROPS.store(0, Ordering::Relaxed);
    let fuse = Arc::new(AtomicUsize::new(0));
    let burns = |point: usize| {
        let fuse = fuse.clone();
        move || fuse.load(Ordering::Relaxed) == point
    };
    let (factory, reset, weigher, drops) = (burns(1), burns(2), burns(3), burns(4));
    let pool = Pool::builder("it/panics", move || {
        if factory() {
            silent_panic("in factory");
        }
        Fused { _owned: Box::new(1), in_drop: false }
    })
    .reset(move |it| {
        if reset() {
            silent_panic("in reset");
        }
        it.in_drop = drops();
    })
    .retained_bytes_max(1 << 20, move |_| {
        if weigher() {
            silent_panic("in weigher");
        }
        8
    })
    .retained_max(20)
    .build()
    .unwrap();
    for round in 0..400 {
        fuse.store(round % 5, Ordering::Relaxed);
        let result = catch_unwind(AssertUnwindSafe(|| {
            let mut guards = Vec::new();
            for _ in 0..round % 50 {
                let mut guard = pool.acquire();
                // Dropped while another panic unwinds, it would abort.
                guard.in_drop = false;
                guards.push(guard);
            }
            if round % 7 == 0 {
                silent_panic("while objects are out");
            }
            for guard in guards {
                let _ = catch_unwind(AssertUnwindSafe(|| drop(guard)));
            }
        }));
        drop(result);
        let _ = catch_unwind(AssertUnwindSafe(|| pool.shrink((round % 3 * 100) as u64)));
        let it = pool.statistics();
        check(&it);
        assert_eq!(it.in_use, 0, "round {round}: {it:?}");
        assert_eq!(it.dropped as usize, FUSED_DROPS.load(Ordering::Relaxed), "round {round}");
    }
    fuse.store(0, Ordering::Relaxed);
    let created = pool.statistics().created as usize;
    // At most one destructor that panics is left for the pool's own: two at one time
    // would abort, as they do in a `Vec`.
    while pool.statistics().retained > 1 {
        let _ = catch_unwind(|| pool.shrink(0));
    }
    let _ = catch_unwind(AssertUnwindSafe(move || drop(pool)));
    assert_eq!(FUSED_DROPS.load(Ordering::Relaxed), created, "each dropped once");
    // Another test may be reading all pools, and so have a reference to this one.
    let gone_by = Instant::now() + Duration::from_secs(60);
    while crate::live("pool/it/panics") != (0, 0) && Instant::now() < gone_by {
        std::thread::yield_now();
    }
    assert_eq!(crate::live("pool/it/panics"), (0, 0), "nothing is left of it");
}

/// The list of all pools is nobody's, whichever pool makes it grow.
#[test]
fn the_list_of_pools_is_no_pools() {
    struct Nothing;
    static TAG: Tag = Tag::new("pool/it/listed");
    impl Reclaimer for Nothing {
        fn name(&self) -> &str {
            "it/listed"
        }
        fn tag(&self) -> &Tag {
            &TAG
        }
        fn shrink(&self, _: u64) -> u64 {
            0
        }
        fn statistics(&self) -> ReclaimerStatistics {
            let it = PoolStatistics::new("it/listed", TAG.id(), PoolKind::Other);
            ReclaimerStatistics::Pool(it)
        }
    }
    let many: Vec<Arc<dyn Reclaimer>> = (0..300).map(|_| Arc::new(Nothing) as _).collect();
    TAG.run(|| many.iter().for_each(heapledger::register));
    assert_eq!(TAG.read().unwrap().own.allocated_bytes, 0);
    let list = heapledger::Tag::register("heapledger/reclaim").unwrap().read().unwrap();
    assert!(list.own.live_bytes() >= 300 * 16, "{list:?}");
}

#[test]
fn what_comes_back_during_a_panic_is_not_used_again_unless_asked() {
    for (retain, left) in [(false, 0), (true, 1)] {
        let pool = Pool::builder("it/unwinding", || 5).retain_after_panic(retain).build().unwrap();
        let panic = catch_unwind(AssertUnwindSafe(|| {
            let _guard = pool.acquire();
            panic!("with an object out");
        }));
        assert!(panic.is_err());
        let it = pool.statistics();
        check(&it);
        assert_eq!(it.retained, left);
    }
}

#[test]
fn user_code_may_use_the_pool() {
    let pool: Arc<std::sync::OnceLock<Pool<Vec<u8>>>> = Arc::default();
    let (in_factory, in_reset) = (pool.clone(), pool.clone());
    let depth = AtomicUsize::new(0);
    let made = Pool::builder("it/nested", move || {
        if depth.fetch_add(1, Ordering::Relaxed) < 3 {
            drop(in_factory.get().unwrap().acquire());
        }
        Vec::new()
    })
    .reset(move |it| {
        it.clear();
        drop(in_reset.get().unwrap().acquire_ready());
    })
    .build()
    .unwrap();
    pool.set(made).unwrap();
    let pool = pool.get().unwrap();
    drop(pool.acquire());
    pool.shrink(0);
    check(&pool.statistics());
    assert_eq!(pool.statistics().in_use, 0);
}

#[test]
fn slots_are_aligned_as_asked() {
    #[repr(align(4096))]
    struct Page([u8; 4096]);
    let small = Pool::builder("it/aligned", || 1_u8).slot_align(64).build().unwrap();
    let pages = Pool::builder("it/pages", || Page([7; 4096])).build().unwrap();
    let huge = Pool::builder("it/huge", || [0_u8; 300_000]).build().unwrap();
    for guard in small.acquire_many(100).unwrap() {
        assert!((&raw const *guard).addr().is_multiple_of(64));
    }
    for guard in pages.acquire_many(20).unwrap() {
        assert!((&raw const *guard).addr().is_multiple_of(4096) && guard.0[4095] == 7);
    }
    drop(huge.acquire_many(3).unwrap());
    assert_eq!(huge.statistics().retained, 3);
    assert!(huge.shrink(0) >= 900_000);
}

/// Eight threads of a pool that retains nothing, or too little for all of them: no more
/// is ever seen out than there were, and no page stays behind.
#[test]
fn threads_without_a_share_leave_no_pages_and_no_phantoms() {
    const THREADS: u64 = 8;
    const EACH: u64 = 40;
    for retained_max in [0, 10] {
        let name = format!("it/without a share {retained_max}");
        let pool = Pool::builder(&name, || [0_u64; 8]).retained_max(retained_max).build().unwrap();
        std::thread::scope(|threads| {
            for _ in 0..THREADS {
                threads.spawn(|| {
                    for _ in 0..500 {
                        drop(pool.acquire_many(EACH as usize).unwrap());
                    }
                });
            }
            for _ in 0..200 {
                let it = pool.statistics();
                assert!(it.in_use <= THREADS * EACH, "{it:?}");
            }
        });
        let it = pool.statistics();
        assert!((EACH..=THREADS * EACH).contains(&it.high_water), "{it:?}");
        assert!(it.in_use == 0 && it.retained <= retained_max as u64, "{it:?}");
        pool.shrink(0);
        let left = pool.tag().read().unwrap().own.live_bytes();
        assert!(left < 8 << 10, "{left} bytes of an empty pool");
    }
}
