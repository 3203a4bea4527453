//! `Tracked`: how many instances of a type there are, by type and by tag.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

use heapledger::lifecycle::{
    InstanceCounts, Tracked, assert_singleton, check_singleton, instances, instances_by_tag,
};
use heapledger::{Tag, scope};

use super::{live, random::Random};

fn counts<T: 'static>() -> (u64, u64) {
    let InstanceCounts { created, dropped, .. } = instances::<T>();
    (created, dropped)
}

#[test]
fn an_instance_counts_while_it_lives() {
    #[derive(Clone, Default, Debug)]
    struct One(u8);
    assert_eq!(counts::<One>(), (0, 0));
    let mut first = Tracked::new(One(1));
    first.0 += 1;
    let second = first.clone();
    let third: Tracked<One> = One(3).into();
    let fourth = Tracked::<One>::default();
    assert_eq!((second.0, third.0, fourth.0), (2, 3, 0));
    assert_eq!(format!("{third:?}"), "One(3)");
    assert_eq!((counts::<One>(), instances::<One>().live()), ((4, 0), 4));
    drop(second);
    assert_eq!(third.into_inner().0, 3);
    assert_eq!((counts::<One>(), instances::<One>().live()), ((4, 2), 2));
    // Replaced in place: the old one is dropped, the new one was made before.
    first = Tracked::new(One(9));
    assert_eq!(counts::<One>(), (5, 3));
    std::mem::forget(fourth);
    drop(first);
    assert_eq!(instances::<One>().live(), 1, "a forgotten one is not dropped");
}

/// Types of one name, of one layout, and with parameters are types of their own.
#[test]
fn types_do_not_share_counters() {
    struct Of<T>(T);
    mod other {
        pub struct Of<T>(pub T);
    }
    let kept = (Tracked::new(Of(1_u8)), Tracked::new(Of(2_u16)), Tracked::new(other::Of(3_u8)));
    assert_eq!(instances::<Of<u8>>().live(), 1);
    assert_eq!(instances::<Of<u16>>().live(), 1);
    assert_eq!(instances::<other::Of<u8>>().live(), 1);
    assert_eq!(instances::<Of<u32>>().live(), 0);
    assert_eq!((kept.0.0, kept.1.0, kept.2.0), (1, 2, 3));
    drop(kept);
}

/// So many types that some share a list.
#[test]
fn many_types_have_counters_of_their_own() {
    struct Numbered<const N: usize>;
    let mut kept: Vec<Box<dyn std::any::Any>> = Vec::new();
    let mut live: Vec<(u64, fn() -> InstanceCounts)> = Vec::new();
    macro_rules! each {
        ($($n:literal)*) => {$(
            kept.extend((0..$n).map(|_| Box::new(Tracked::new(Numbered::<$n>)) as _));
            live.push(($n, instances::<Numbered<$n>>));
            kept.push(Box::new(Tracked::new([0_u8; $n])));
            live.push((1, instances::<[u8; $n]>));
        )*};
    }
    each!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32
        33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60);
    assert!(live.iter().all(|(expected, counts)| counts().live() == *expected));
    drop(kept);
    assert!(live.iter().all(|(_, counts)| counts().live() == 0));
}

#[test]
fn the_tag_at_birth_counts_whoever_drops() {
    struct Page;
    static CACHE: Tag = Tag::new("instances/cache");
    let by_tag = || -> BTreeMap<String, (u64, u64)> {
        let tags = instances_by_tag::<Page>().into_iter();
        tags.map(|one| (one.tag, (one.counts.created, one.counts.dropped))).collect()
    };
    assert!(by_tag().is_empty());
    let mut cached: Vec<_> = CACHE.run(|| (0..3).map(|_| Tracked::new(Page)).collect());
    let loaded = scope!("instances/loader", Tracked::new(Page));
    let outside = Tracked::new(Page);
    let of = |name: &str| by_tag()[name];
    assert_eq!(
        (of("instances/cache"), of("instances/loader"), of("(untagged)")),
        ((3, 0), (1, 0), (1, 0))
    );

    let last = cached.pop();
    std::thread::spawn(move || scope!("instances/elsewhere", drop(last))).join().unwrap();
    scope!("instances/loader", drop(cached));
    assert_eq!((of("instances/cache"), of("instances/loader")), ((3, 3), (1, 0)));
    assert!(!by_tag().contains_key("instances/elsewhere"));
    drop((loaded, outside));
    assert_eq!(instances::<Page>().live(), 0);
}

#[test]
fn what_counting_takes_is_its_own() {
    struct Here(#[expect(dead_code, reason = "as large as a page")] [u8; 4000]);
    let here = scope!("instances/memory", Tracked::new(Here([0; 4000])));
    assert_eq!(live("instances/memory"), (0, 0));
    assert_eq!(size_of_val(&here), 4000 + size_of::<usize>());
    assert!(live("heapledger/lifecycle").0 >= 2048);
}

#[test]
fn a_panicking_drop_counts() {
    struct Fails;
    impl Drop for Fails {
        fn drop(&mut self) {
            std::panic::resume_unwind(Box::new(()));
        }
    }
    let value = Tracked::new(Fails);
    assert!(catch_unwind(AssertUnwindSafe(|| drop(value))).is_err());
    assert_eq!(counts::<Fails>(), (1, 1));
}

#[test]
fn two_instances_are_not_a_singleton() {
    struct Service;
    assert!(check_singleton::<Service>().is_ok());
    let first = Tracked::new(Service);
    assert_singleton::<Service>();
    let second = Tracked::new(Service);
    let error = check_singleton::<Service>().unwrap_err();
    assert_eq!(error.live, 2);
    assert!(error.type_name.ends_with("Service"), "{error:?}");
    assert!(error.to_string().contains("make it once and share it"), "{error}");
    let panics = catch_unwind(assert_singleton::<Service>);
    assert_eq!(panics.is_err(), cfg!(debug_assertions));
    drop(first);
    assert_singleton::<Service>();
    drop(second);
}

#[test]
fn it_is_send_and_sync_as_the_value_is() {
    trait Ask<Marker> {
        fn told() {}
    }
    struct Yes;
    struct No<T>(std::marker::PhantomData<T>);
    impl<T> Ask<()> for No<T> {}
    impl<T: Send> Ask<Yes> for No<T> {}
    fn is_both<T: Send + Sync>(_: &T) {}
    fn is_send<T: Send>(_: &T) {}
    is_both(&Tracked::new(1_u8));
    is_send(&Tracked::new(Cell::new(1_u8)));
    // Does not compile if it is `Send`: then two implementations fit.
    <No<Tracked<std::rc::Rc<u8>>> as Ask<_>>::told();
}

/// Eight threads make, pass on and drop; the counts are exact when they rest, and
/// never negative while a reader looks.
#[test]
fn counts_are_exact_at_rest_and_sound_before() {
    struct Item(#[expect(dead_code, reason = "something to move")] u64);
    let tags: Vec<Tag> =
        (0..8).map(|n| Tag::register(&format!("instances/thread {n}")).unwrap()).collect();
    let stop = AtomicBool::new(false);
    let (pass, passed) = std::sync::mpsc::channel();
    let passed = std::sync::Mutex::new(passed);
    let kept: Vec<Vec<Tracked<Item>>> = std::thread::scope(|threads| {
        let reader = threads.spawn(|| {
            let mut readings = 0_u64;
            while !stop.load(Ordering::Relaxed) || readings == 0 {
                let InstanceCounts { created, dropped, .. } = instances::<Item>();
                assert!(dropped <= created, "{dropped} of {created} dropped");
                for tag in instances_by_tag::<Item>() {
                    assert!(tag.counts.dropped <= tag.counts.created, "{tag:?}");
                }
                readings += 1;
            }
        });
        let workers: Vec<_> = tags
            .iter()
            .enumerate()
            .map(|(number, tag)| {
                let (pass, passed) = (pass.clone(), &passed);
                threads.spawn(move || {
                    let mut random = Random::new(number as u64 + 1);
                    let mut kept = Vec::new();
                    for step in 0..20_000 {
                        kept.push(tag.run(|| Tracked::new(Item(step))));
                        match random.below(4) {
                            0 => pass.send(kept.swap_remove(random.below(kept.len()))).unwrap(),
                            1 => kept.extend(passed.lock().unwrap().try_recv()),
                            _ => drop(kept.swap_remove(random.below(kept.len()))),
                        }
                    }
                    kept
                })
            })
            .collect();
        let kept = workers.into_iter().map(|worker| worker.join().unwrap()).collect();
        stop.store(true, Ordering::Relaxed);
        reader.join().unwrap();
        kept
    });
    // Nobody takes what was passed on last.
    drop(passed);
    let live: usize = kept.iter().map(Vec::len).sum();
    assert!(live > 0, "nothing was kept");
    assert_eq!(instances::<Item>(), {
        let mut sum = instances::<Item>();
        (sum.created, sum.dropped) = (8 * 20_000, 8 * 20_000 - live as u64);
        sum
    });
    let by_tag = instances_by_tag::<Item>();
    assert!(by_tag.len() == 8 && by_tag.iter().all(|tag| tag.counts.created == 20_000));
    drop(kept);
    assert_eq!(instances::<Item>().live(), 0);
}
