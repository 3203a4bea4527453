//! `watch`: which objects are still alive. The list is the process's, and the tests
//! run beside each other: each looks for names of its own.

use std::cell::RefCell;
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use heapledger::lifecycle::{
    Watched, survivors, sweep, unwatch, watch, watch_rc, watch_rc_with, watch_with,
};
use heapledger::scope;

use super::live;

/// The survivors whose name begins so.
fn named(name: &str) -> Vec<Watched> {
    survivors().into_iter().filter(|it| it.name.starts_with(name)).collect()
}

#[test]
fn a_survivor_tells_where_it_comes_from() {
    let object = scope!("watching/birth", {
        let object = Arc::new([7_u16; 3]);
        watch(&object, "watching/told");
        object
    });
    let second = Arc::clone(&object);
    std::thread::sleep(Duration::from_millis(2));
    let [it] = &named("watching/told")[..] else { panic!("it is listed once") };
    assert_eq!((it.type_name, it.strong_count), ("[u16; 3]", 2));
    assert_eq!(it.tag, "watching/birth");
    assert!(it.site.file().ends_with("watching.rs") && it.site.line() > 20, "{it:?}");
    assert!(it.age >= Duration::from_millis(2) && it.age < Duration::from_secs(60), "{it:?}");
    drop(object);
    assert_eq!(named("watching/told")[0].strong_count, 1);
    drop(second);
    assert_eq!(named("watching/told"), []);
}

#[test]
fn survivors_are_listed_oldest_first() {
    let objects: Vec<_> = (0..5).map(Arc::new).collect();
    let held = Rc::new("on this thread");
    for (n, object) in objects.iter().enumerate() {
        watch(object, &format!("watching/order {n}"));
        if n == 2 {
            watch_rc(&held, "watching/order rc").unwrap();
        }
    }
    let names: Vec<_> = named("watching/order").into_iter().map(|it| it.name).collect();
    let expected = ["0", "1", "2", "rc", "3", "4"].map(|n| format!("watching/order {n}"));
    assert_eq!(names, expected);
}

struct Node {
    next: Mutex<Option<Arc<Node>>>,
}

/// Row S9 and A34: what a cycle keeps alive is listed, what was dropped is not.
#[test]
fn a_leaked_cycle_is_listed() {
    let nodes: Vec<_> = (0..3).map(|_| Arc::new(Node { next: Mutex::new(None) })).collect();
    for (n, node) in nodes.iter().enumerate() {
        watch(node, &format!("watching/cycle {n}"));
    }
    // The first two keep each other; the third only points at the first.
    *nodes[0].next.lock().unwrap() = Some(Arc::clone(&nodes[1]));
    *nodes[1].next.lock().unwrap() = Some(Arc::clone(&nodes[0]));
    *nodes[2].next.lock().unwrap() = Some(Arc::clone(&nodes[0]));
    let first = Arc::downgrade(&nodes[0]);
    drop(nodes);
    let names: Vec<_> = named("watching/cycle").into_iter().map(|it| it.name).collect();
    assert_eq!(names, ["watching/cycle 0", "watching/cycle 1"]);
    assert!(named("watching/cycle").iter().all(|it| it.strong_count == 1));
    // The cycle is broken: a sanitizer that looks for leaks finds none.
    first.upgrade().unwrap().next.lock().unwrap().take();
    assert_eq!(named("watching/cycle"), []);
}

#[test]
fn a_leaked_rc_cycle_is_listed_on_its_thread() {
    struct Local {
        next: RefCell<Option<Rc<Local>>>,
    }
    let cycle = Rc::new(Local { next: RefCell::new(None) });
    *cycle.next.borrow_mut() = Some(Rc::clone(&cycle));
    let dropped = Rc::new(17);
    let id = watch_rc(&cycle, "watching/rc cycle").unwrap();
    watch_rc(&dropped, "watching/rc dropped").unwrap();
    let leaked = Rc::downgrade(&cycle);
    drop((cycle, dropped));
    let listed = named("watching/rc");
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].name.as_str(), listed[0].id), ("watching/rc cycle", id));
    std::thread::spawn(move || {
        assert_eq!(named("watching/rc"), []);
        assert!(!unwatch(id), "it is another thread's");
    })
    .join()
    .unwrap();
    assert!(unwatch(id));
    assert_eq!(named("watching/rc"), []);
    leaked.upgrade().unwrap().next.take();
}

#[test]
fn a_drop_is_told_once() {
    static TOLD: AtomicUsize = AtomicUsize::new(0);
    let told = Rc::new(RefCell::new(Vec::new()));
    let object: Arc<str> = "unsized, too".into();
    watch_with(&object, "watching/event", |it| {
        assert_eq!((it.name.as_str(), it.type_name, it.strong_count), ("watching/event", "str", 0));
        TOLD.fetch_add(1, Relaxed);
    });
    let local = Rc::new(17);
    let list = Rc::clone(&told);
    watch_rc_with(&local, "watching/event rc", move |it| list.borrow_mut().push(it.name)).unwrap();
    sweep();
    assert_eq!((TOLD.load(Relaxed), told.borrow().len()), (0, 0));
    drop((object, local));
    for _ in 0..3 {
        sweep();
        drop(survivors());
    }
    // Another test's thread may have swept it, and be telling it now.
    while TOLD.load(Relaxed) == 0 {
        std::thread::yield_now();
    }
    assert_eq!(
        (TOLD.load(Relaxed), &told.borrow()[..]),
        (1, &["watching/event rc".to_owned()][..])
    );
}

#[test]
fn an_ended_watch_tells_nothing() {
    let object = Rc::new(17);
    let id = watch_rc_with(&object, "watching/ended", |_| panic!("nobody watches")).unwrap();
    assert!(unwatch(id));
    assert!(!unwatch(id));
    drop(object);
    sweep();
}

/// A callback may do what it likes: watch, sweep, panic. The others are told.
#[test]
fn a_callback_may_watch_sweep_and_panic() {
    let told = Rc::new(RefCell::new(0));
    let objects: Vec<_> = (0..4).map(|_| Rc::new(17)).collect();
    for (n, object) in objects.iter().enumerate() {
        let told = Rc::clone(&told);
        let tell = move |_: Watched| {
            *told.borrow_mut() += 1;
            sweep();
            watch_rc(&Rc::new(1), "watching/within").unwrap();
            if n % 2 == 0 {
                std::panic::resume_unwind(Box::new("thrown by the callback"));
            }
        };
        watch_rc_with(object, "watching/callback", tell).unwrap();
    }
    drop(objects);
    let panic = catch_unwind(AssertUnwindSafe(sweep)).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"thrown by the callback"));
    assert_eq!(*told.borrow(), 4);
    assert!(sweep() >= 1, "what the last callback watched is gone, too");
    assert_eq!(*told.borrow(), 4);
}

/// A watch holds back a dropped object's block until the drop is noticed: the list
/// looks by itself whenever it has doubled.
#[test]
fn a_list_that_nobody_asks_stays_short() {
    std::thread::spawn(|| {
        let before = live("watching/short").1;
        let kept: Vec<_> = (0..10).map(Rc::new).collect();
        for object in &kept {
            watch_rc(object, "watching/kept").unwrap();
        }
        let mut most = 0;
        for _ in 0..10_000 {
            let object = scope!("watching/short", Rc::new([0_u8; 100]));
            watch_rc(&object, "watching/short").unwrap();
            drop(object);
            most = most.max(live("watching/short").1 - before);
        }
        assert!(most <= 64, "{most} blocks were held back");
        assert_eq!(named("watching/kept").len(), 10);
        drop(kept);
    })
    .join()
    .unwrap();
}

#[test]
fn what_the_list_takes_is_its_own() {
    let object = Arc::new(17);
    let _scope = scope!("watching/memory");
    let id = watch(&object, "watching/a name of some length");
    let listed = black_box(survivors());
    assert_eq!(live("watching/memory"), (0, 0));
    drop(listed);
    assert!(unwatch(id));
}

/// Late in a thread's life there is no list of its own any more.
#[test]
fn at_the_end_of_a_thread_an_rc_is_refused_and_an_arc_is_not() {
    struct Late(Arc<Mutex<Option<(bool, bool)>>>);
    impl Drop for Late {
        fn drop(&mut self) {
            let refused = watch_rc(&Rc::new(17), "watching/late rc").is_none();
            let object = Arc::new(17);
            let id = watch(&object, "watching/late");
            let listed = survivors().iter().any(|it| it.id == id);
            *self.0.lock().unwrap() = Some((refused, listed));
        }
    }
    thread_local! {
        static LATE: RefCell<Option<Late>> = const { RefCell::new(None) };
    }
    let seen = Arc::new(Mutex::new(None));
    let late = Late(Arc::clone(&seen));
    std::thread::spawn(move || {
        // Registered before the list, so dropped after it.
        LATE.with_borrow_mut(|slot| *slot = Some(late));
        watch_rc(&Rc::new(17), "watching/early rc").unwrap();
    })
    .join()
    .unwrap();
    assert_eq!(*seen.lock().unwrap(), Some((true, true)));
}

#[test]
fn threads_that_watch_and_drop_lose_nobody() {
    let gone = Arc::new(AtomicUsize::new(0));
    std::thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                for _ in 0..500 {
                    let gone = Arc::clone(&gone);
                    let object = Arc::new(17);
                    watch_with(&object, "watching/threads", move |_| {
                        gone.fetch_add(1, Relaxed);
                    });
                    drop(object);
                }
                sweep();
            });
        }
    });
    sweep();
    assert_eq!(named("watching/threads"), []);
    while gone.load(Relaxed) < 2000 {
        // Another test's thread may be telling the last ones now.
        std::thread::yield_now();
    }
    assert_eq!(gone.load(Relaxed), 2000);
}
