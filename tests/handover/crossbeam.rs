//! crossbeam's scoped threads.

use heapledger::{crossbeam, scope};

use super::{buffer, live};

#[test]
fn scoped_threads_work_in_the_scope_of_each_spawn() {
    let words = ["a", "b"];
    let kept = crossbeam::scope(|s| {
        let first = scope!("crossbeam/first", s.spawn(|_| (buffer(1), words.len())));
        let second = scope!("crossbeam/second", {
            s.spawn(|s| {
                let inner = scope!("crossbeam/third", s.spawn(|_| buffer(4)));
                (buffer(2), inner.join().unwrap())
            })
        });
        let builder = s.builder().name("fourth".into()).stack_size(1 << 20);
        let named = |_: &crossbeam::Scope<'_>| {
            assert_eq!(std::thread::current().name(), Some("fourth"));
            buffer(8)
        };
        let fourth = scope!("crossbeam/fourth", builder.spawn(named).unwrap());
        (first.join().unwrap(), second.join().unwrap(), fourth.join().unwrap())
    })
    .unwrap();
    for (name, bytes) in [("first", 1), ("second", 2), ("third", 4), ("fourth", 8)] {
        assert_eq!(live(&format!("crossbeam/{name}")), (bytes, 1), "{name}");
    }
    drop(kept);
}

#[test]
fn panics_come_back() {
    let result = scope!("crossbeam/panics", {
        crossbeam::scope(|s| {
            s.spawn(|_| std::panic::resume_unwind(Box::new(buffer(7))));
        })
    });
    assert!(result.is_err());
}
