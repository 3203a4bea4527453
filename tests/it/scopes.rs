//! The forms of `scope!`, and what a scope does to the blocks made in it.

use heapledger::{Tag, scope};

use super::{live, own, thread_during};

static TAG: Tag = Tag::new("scopes/static");

fn buffer(bytes: usize) -> Vec<u8> {
    Vec::with_capacity(bytes)
}

#[test]
fn an_expression_has_its_value_and_owns_its_blocks() {
    let value = scope!("scopes/expression", buffer(1000));
    assert_eq!(value.capacity(), 1000);
    assert_eq!(live("scopes/expression"), (1000, 1));
    drop(value);
    assert_eq!(live("scopes/expression"), (0, 0));
}

#[test]
fn a_block_is_an_expression() {
    let (first, second) = scope!("scopes/block", {
        let first = buffer(100);
        let second = buffer(200);
        (first, second)
    });
    let outside = buffer(400);
    assert_eq!(live("scopes/block"), (300, 2));
    drop((first, second, outside));
}

#[test]
fn a_guard_lasts_until_the_end_of_its_block() {
    let kept = {
        let _scope = scope!("scopes/guard");
        buffer(64)
    };
    let outside = buffer(64);
    assert_eq!(live("scopes/guard"), (64, 1));
    drop((kept, outside));
}

/// Also behind what derefs to one, and a handle by reference as a tag.
#[test]
fn a_tag_may_be_lazy_or_borrowed() {
    static LAZY: std::sync::LazyLock<Tag> =
        std::sync::LazyLock::new(|| Tag::register("scopes/lazy").unwrap());
    let kept = scope!(LAZY, buffer(7));
    assert_eq!(live("scopes/lazy"), (7, 1));
    drop(kept);

    let query = Tag::ephemeral("scopes/borrowed/1").unwrap();
    let by_reference = &query;
    let future = scope!(by_reference, async move { buffer(70) });
    let mut future = std::pin::pin!(future);
    let waker = std::task::Waker::noop();
    let polled = future.as_mut().poll(&mut std::task::Context::from_waker(waker));
    assert_eq!(query.read().unwrap().own.live_bytes(), 70);
    drop(polled);
}

#[test]
fn a_tag_stands_in_the_place_of_a_name() {
    struct Component {
        tag: Tag,
    }
    let component = Component { tag: Tag::register("scopes/field").unwrap() };
    let tags = [Tag::register("scopes/first").unwrap(), Tag::register("scopes/second").unwrap()];
    let by_reference = &tags[1];

    let a = scope!(TAG, buffer(1));
    let b = scope!(component.tag, buffer(2));
    let c = scope!(tags[0], buffer(3));
    let d = scope!(by_reference, buffer(4));
    let e = {
        let _scope = scope!(tags[0]);
        buffer(5)
    };
    let f = TAG.run(|| buffer(6));
    let g = {
        let _scope = TAG.enter();
        buffer(7)
    };
    assert_eq!(live("scopes/static"), (1 + 6 + 7, 3));
    assert_eq!(live("scopes/field"), (2, 1));
    assert_eq!(live("scopes/first"), (3 + 5, 2));
    assert_eq!(live("scopes/second"), (4, 1));
    drop((a, b, c, d, e, f, g));
}

#[test]
fn trailing_commas_are_allowed() {
    let a = scope!("scopes/comma", buffer(10),);
    let b = {
        let _scope = scope!("scopes/comma",);
        buffer(10)
    };
    let c = scope!(TAG, 1,);
    assert_eq!(live("scopes/comma"), (20, 2));
    drop((a, b, c));
}

#[test]
fn early_exits_leave_the_scope() {
    fn question_mark(text: &str) -> Result<Box<u64>, std::num::ParseIntError> {
        Ok(scope!("scopes/question", Box::new(text.parse::<u64>()?)))
    }
    fn early_return() -> Vec<u8> {
        scope!("scopes/return", {
            let inside = buffer(8);
            if inside.capacity() == 8 {
                return inside;
            }
        });
        Vec::new()
    }
    let outside_is_untagged = || {
        let (block, during) = thread_during(|| buffer(8));
        assert_eq!(during.allocated_bytes, 8);
        drop(block);
    };

    let number = question_mark("17").unwrap();
    assert_eq!(live("scopes/question"), (8, 1));
    assert!(question_mark("seventeen").is_err());
    outside_is_untagged();
    let returned = early_return();
    assert_eq!(live("scopes/return"), (8, 1));

    let mut kept = Vec::with_capacity(8);
    let found = 'search: loop {
        for size in 1..10 {
            scope!("scopes/loop", {
                if size == 2 {
                    continue;
                }
                kept.push(buffer(size));
                if size == 4 {
                    break 'search size;
                }
            });
        }
    };
    assert_eq!(found, 4);
    let outside = buffer(50);
    assert_eq!(live("scopes/question"), (8, 1));
    assert_eq!(live("scopes/loop"), (1 + 3 + 4, 3));
    drop((number, returned, kept, outside));
}

#[test]
fn the_innermost_scope_owns() {
    let (outer, inner, again) = scope!("scopes/outer", {
        let outer = buffer(100);
        let inner = scope!("scopes/inner", buffer(10));
        (outer, inner, buffer(1))
    });
    assert_eq!(live("scopes/outer"), (101, 2));
    assert_eq!(live("scopes/inner"), (10, 1));
    drop((outer, inner, again));
    assert_eq!(live("scopes/outer"), (0, 0));
    assert_eq!(live("scopes/inner"), (0, 0));
}

#[test]
fn ten_thousand_nested_scopes_each_own_their_block() {
    static TAGS: [Tag; 3] =
        [Tag::new("scopes/deep/a"), Tag::new("scopes/deep/b"), Tag::new("scopes/deep/c")];
    const DEPTH: usize = 10_000;

    /// A block made before the deeper levels, and one after them.
    #[allow(clippy::vec_box)] // The boxes are what is counted.
    fn descend(depth: usize, kept: &mut Vec<Vec<u8>>) {
        if depth == DEPTH {
            return;
        }
        let _scope = TAGS[depth % 3].enter();
        kept.push(buffer(24));
        descend(depth + 1, kept);
        kept.push(buffer(24));
    }

    let mut kept = Vec::with_capacity(2 * DEPTH);
    // A sanitizer's frames are larger than the stack of a test.
    std::thread::scope(|threads| {
        let deep = std::thread::Builder::new().stack_size(64 << 20);
        deep.spawn_scoped(threads, || descend(0, &mut kept)).unwrap();
    });
    let outside = buffer(24);
    for (index, tag) in TAGS.iter().enumerate() {
        let levels = (DEPTH + 2 - index) / 3;
        assert_eq!(live(tag.name()), (48 * levels as u64, 2 * levels as u64));
    }
    drop((kept, outside));
    for tag in &TAGS {
        assert_eq!(live(tag.name()), (0, 0));
    }
}

/// A `static` in a generic function is one for all its instances.
#[test]
fn a_scope_in_a_generic_function_is_one_tag() {
    fn boxed<T>(value: T) -> Box<T> {
        scope!("scopes/generic", Box::new(value))
    }
    let kept = (boxed(1_u8), boxed(2_u64), boxed([3_u32; 8]));
    assert_eq!(live("scopes/generic"), (1 + 8 + 32, 3));
    drop(kept);
}

#[test]
fn a_new_thread_begins_outside_any_scope() {
    let _scope = scope!("scopes/spawner");
    let thread = std::thread::spawn(|| {
        let before = own("scopes/spawner");
        let kept = buffer(100);
        assert_eq!(own("scopes/spawner"), before);
        drop(kept);
    });
    thread.join().unwrap();
}

/// Every regime, tagged: bytes are what was asked for, not size classes.
#[test]
fn bytes_are_what_the_program_asked_for() {
    for size in [1, 3, 6, 7, 8, 9, 16, 100, 511, 512, 513, 5000, 1 << 20] {
        let kept = scope!("scopes/exact", buffer(size));
        assert_eq!(live("scopes/exact"), (size as u64, 1));
        drop(kept);
        assert_eq!(live("scopes/exact"), (0, 0));
    }
}
