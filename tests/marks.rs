//! Marks and the whole process: nobody else may allocate, so this is a program of
//! its own and one test.

use std::hint::black_box;

use heapledger::{MARKS_MAX, MarkErrorKind, Tag, TagError, delta, mark, marks, scope, unmark};

#[path = "support/harness.rs"]
mod harness;

#[global_allocator]
static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();

/// Nobody but marks can name their tag.
fn kept_by_marks() -> u64 {
    assert_eq!(Tag::register("(marks)").unwrap_err(), TagError::Parenthesis);
    let tags = heapledger::OwnedSnapshot::capture().expect("installed").tags;
    let own = tags.iter().find(|tag| &*tag.name == "(marks)").expect("marks were made");
    own.own.live_bytes()
}

#[test]
fn marks_show_everything_but_themselves() {
    harness::wait_for_the_harness();
    nothing_happened_between_two_marks();
    the_process_is_the_sum_of_its_tags();
    there_is_room_for_a_number_of_marks();
}

/// However much the marks hold by then.
fn nothing_happened_between_two_marks() {
    mark("first").unwrap();
    for n in 0..50 {
        mark(&format!("more {n}")).unwrap();
    }
    mark("last").unwrap();
    assert!(kept_by_marks() > 10_000, "{}", kept_by_marks());
    let nothing = delta("first", "last").unwrap();
    let process = &nothing.process;
    // The names that this test formats are gone again.
    assert_eq!((process.live_bytes(), process.live_blocks()), (0, 0));
    assert_eq!(nothing.tag("(marks)"), None);
    drop(nothing);
    marks().iter().for_each(|name| unmark(name).unwrap());
    assert_eq!(marks(), [""; 0]);
    // An empty map keeps its root.
    assert!(kept_by_marks() < 1024, "{} bytes leaked", kept_by_marks());
}

fn the_process_is_the_sum_of_its_tags() {
    mark("before").unwrap();
    let alike = scope!("heapledger/marks", black_box(vec![1_u8; 300]));
    mark("after").unwrap();
    assert_eq!(delta("before", "after").unwrap().process.live_bytes(), 300);
    drop(alike);

    let before = scope!("sum/before", black_box(vec![1_u8; 5000]));
    mark("a").unwrap();
    let tagged = scope!("sum/tagged", black_box(vec![1_u8; 1000]));
    let untagged = black_box(vec![1_u8; 200]);
    drop(before);
    mark("b").unwrap();
    let between = delta("a", "b").unwrap();
    assert_eq!(between.process.live_bytes(), 1000 + 200 - 5000);
    let sum: i64 = between.tags.iter().map(|tag| tag.own_live_bytes).sum();
    assert_eq!(sum, between.process.live_bytes());
    assert_eq!(between.tag("(untagged)").unwrap().own_live_bytes, 200);
    drop((tagged, untagged));
}

fn there_is_room_for_a_number_of_marks() {
    let mut made = marks().len();
    while made < MARKS_MAX {
        mark(&format!("mark {made}")).unwrap();
        made += 1;
    }
    let held = kept_by_marks();
    let error = mark("one more").unwrap_err();
    assert_eq!(error.kind(), &MarkErrorKind::Full);
    assert!(error.to_string().contains("1024 marks already: unmark some"), "{error}");
    drop(error);
    assert_eq!(kept_by_marks(), held, "a refused mark holds nothing");
    // A known name is replaced all the same, and a forgotten one makes room.
    mark("a").unwrap();
    unmark("b").unwrap();
    mark("one more").unwrap();
    assert_eq!(marks().len(), MARKS_MAX);

    let text = delta("a", "?").unwrap_err().to_string();
    assert!(text.ends_with(" and 1004 more"), "{text}");
}
