//! Guards that are dropped out of order, forgotten, or dropped by a panic: the
//! tag that was current when the guard was made is current again (hazards 32, 33).

use std::cell::RefCell;
use std::hint::black_box;
use std::mem::forget;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use heapledger::{ScopeGuard, Tag, scope};

use super::random::{Random, env_number};
use super::{live, own};

/// Tags, of which the first stands for no scope; and which one is current, found
/// out by allocating a block.
struct Tags(Vec<Tag>);

impl Tags {
    fn new(test: &str, count: usize) -> Self {
        Self((0..count).map(|n| Tag::register(&format!("{test}/{n}")).unwrap()).collect())
    }

    fn blocks(&self, index: usize) -> u64 {
        self.0[index].read().unwrap().own.allocated_blocks
    }

    /// Panics unless `expected` is current; 0 is none of them.
    fn assert_current(&self, expected: usize) {
        let before: [u64; 8] = std::array::from_fn(|index| self.blocks(index % self.0.len()));
        drop(black_box(Box::new([0_u8; 40])));
        for (index, before) in before.into_iter().enumerate().take(self.0.len()) {
            let rise = u64::from(index == expected && index != 0);
            assert_eq!(self.blocks(index) - before, rise, "tag {index}, current {expected}");
        }
    }
}

#[test]
fn a_guard_puts_back_what_it_found_in_any_order() {
    let tags = Tags::new("guards/order", 3);
    let first = tags.0[1].enter();
    let second = tags.0[2].enter();
    drop(first);
    tags.assert_current(0);
    drop(second);
    // The second found the first one's tag, and puts it back; every test has a
    // thread of its own, so it ends there.
    tags.assert_current(1);
    let third = tags.0[2].enter();
    drop(third);
    tags.assert_current(1);
}

/// The others of these tests count, too.
#[test]
#[cfg(debug_assertions)]
fn guards_dropped_outermost_first_are_counted() {
    let tags = Tags::new("guards/counted", 3);
    let before = heapledger::faults().guards_out_of_order;
    drop((tags.0[1].enter(), tags.0[2].enter()));
    tags.assert_current(1);
    assert!(heapledger::faults().guards_out_of_order > before);
}

/// Random guards dropped in random order, 10^5 times (longer by
/// `HEAPLEDGER_PROPERTY_OPS`): what a guard saved when it was made is the model.
#[test]
fn random_orders_of_drops_follow_the_saved_tag() {
    let tags = Tags::new("guards/random", 8);
    let mut random = Random::new(33);
    let mut open: Vec<(ScopeGuard, usize)> = Vec::with_capacity(64);
    let mut current = 0;
    for step in 0..env_number("HEAPLEDGER_PROPERTY_OPS", 10_000_000) / 100 {
        if open.is_empty() || (open.len() < 64 && random.chance(1, 2)) {
            let next = random.within(1, 7);
            open.push((tags.0[next].enter(), current));
            current = next;
        } else {
            let (guard, saved) = open.swap_remove(random.below(open.len()));
            drop(guard);
            current = saved;
        }
        if step % 16 == 0 {
            tags.assert_current(current);
        }
    }
}

#[test]
fn a_forgotten_guard_lasts_until_an_outer_one_is_dropped() {
    let tags = Tags::new("guards/forgotten", 4);
    let outer = tags.0[1].enter();
    let middle = tags.0[2].enter();
    forget(tags.0[3].enter());
    tags.assert_current(3);
    drop(middle);
    tags.assert_current(1);
    forget(tags.0[2].enter());
    tags.assert_current(2);
    drop(outer);
    tags.assert_current(0);
}

#[test]
fn a_guard_forgotten_for_good_ends_with_its_thread() {
    let thread = std::thread::spawn(|| {
        forget(scope!("guards/for_good"));
        Box::new([0_u8; 40])
    });
    let kept = thread.join().unwrap();
    // The thread's own things (its name, its result) may count here as well.
    assert!(live("guards/for_good").0 >= 40);
    let before = own("guards/for_good");
    let here = Box::new([0_u8; 40]);
    assert_eq!(own("guards/for_good").allocated_bytes, before.allocated_bytes);
    drop((kept, here));
}

#[test]
fn a_guard_in_a_thread_local_is_dropped_with_the_thread() {
    thread_local! {
        static KEPT: RefCell<Option<ScopeGuard>> = const { RefCell::new(None) };
    }
    let thread = std::thread::spawn(|| {
        KEPT.with_borrow_mut(|kept| *kept = Some(scope!("guards/thread_local")));
        Box::new([0_u8; 40])
    });
    let kept = thread.join().unwrap();
    assert!(live("guards/thread_local").0 >= 40);
    drop(kept);
    assert_eq!(heapledger::thread().map(|_| ()), Ok(()));
}

/// Panics at random depths through random scopes, 10^4 times (longer by
/// `HEAPLEDGER_PROPERTY_OPS`). Thrown without the hook, which would print.
#[test]
fn a_panic_puts_back_what_was_current() {
    fn descend(tags: &Tags, random: &mut Random, depth: usize) {
        if depth == 0 {
            resume_unwind(Box::new("thrown by the test"));
        }
        let next = random.within(1, 7);
        let _scope = tags.0[next].enter();
        if random.chance(1, 8) {
            let inner = random.below(depth);
            let caught =
                catch_unwind(AssertUnwindSafe(|| descend(tags, &mut Random::new(7), inner)));
            assert!(caught.is_err());
            tags.assert_current(next);
        }
        descend(tags, random, depth - 1);
    }
    let tags = Tags::new("guards/panic", 8);
    let mut random = Random::new(32);
    for _ in 0..env_number("HEAPLEDGER_PROPERTY_OPS", 10_000_000) / 1000 {
        let depth = random.within(1, 6);
        let caught = catch_unwind(AssertUnwindSafe(|| descend(&tags, &mut random, depth)));
        assert!(caught.is_err());
        tags.assert_current(0);
    }
    let caught = catch_unwind(|| tags.0[1].run(|| resume_unwind(Box::new(()))));
    assert!(caught.is_err());
    tags.assert_current(0);
}

/// The current tag is a thread's, so a guard must stay on its thread.
#[test]
fn a_guard_is_not_send() {
    trait IsSend<Marker> {
        fn told() {}
    }
    struct Sendable;
    impl<T: ?Sized> IsSend<()> for T {}
    impl<T: ?Sized + Send> IsSend<Sendable> for T {}
    // Does not compile if `ScopeGuard` is `Send`: then two implementations fit.
    <ScopeGuard as IsSend<_>>::told();
}
