//! Hazard 22: tags for names that clients choose.
//!
//! Seen to fail: without the second look at the limit under the lock, and without
//! the refusal of names with levels.

use std::sync::Barrier;

use heapledger::{BoundedTags, Tag, TagError};

#[global_allocator]
static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();

fn tags_in_use() -> usize {
    heapledger::OwnedSnapshot::capture().expect("installed").tags.len()
}

fn id(name: &str) -> heapledger::TagId {
    Tag::register(name).expect("a valid name").id()
}

/// One test: the table is the process's, and in the end it is full.
#[test]
fn whatever_clients_send_the_table_stays_bounded() {
    eight_threads_get_no_more_than_the_limit();
    names_from_clients();
    bad_parents();
    a_full_table();
}

fn eight_threads_get_no_more_than_the_limit() {
    for round in 0..50 {
        let tags = BoundedTags::new(&format!("race {round}"), 3).expect("a valid name");
        let before = tags_in_use();
        let gate = Barrier::new(8);
        std::thread::scope(|threads| {
            for number in 0..8 {
                let (tags, gate) = (&tags, &gate);
                threads.spawn(move || {
                    gate.wait();
                    for name in 0..8 {
                        let _ = tags.get(&format!("{}", (name + number) % 8));
                    }
                });
            }
        });
        assert_eq!((tags.given(), tags_in_use() - before), (3, 3));
    }
}

fn names_from_clients() {
    let tags = BoundedTags::new("tenant", 100).expect("a valid name");
    let other = id("tenant/other");
    let before = tags_in_use();
    let long = "x".repeat(1 << 20);
    let deep = "a/".repeat(50);
    let fits = "y".repeat(120 - "tenant/".len());
    let bad = ["", "/", "a/b", "a/", "/a", "../..", "a\nb", "\0", "\u{85}", "say \"x\"", "`", "\\"];
    for bad in bad.into_iter().chain([&*long, &*deep, &*format!("{fits}z")]) {
        assert_eq!(tags.get(bad).tag_id(), other, "{bad:.100}");
    }
    assert_eq!((tags.given(), tags_in_use() - before), (0, 0));

    assert_eq!(tags.get(&fits).tag_id(), id(&format!("tenant/{fits}")));
    assert_eq!(tags.get("größe 東京").tag_id(), id("tenant/größe 東京"));
    let mut own = 0;
    for number in 0..200_000_u64 {
        let name = format!("{:x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        own += usize::from(tags.get(&name).tag_id() != other);
    }
    assert_eq!((own, tags.given(), tags_in_use() - before), (98, 100, 100));
    assert_eq!(tags.get("größe 東京").tag_id(), id("tenant/größe 東京"), "known names stay");

    let before = heapledger::thread().expect("counted");
    let _ = (tags.get("größe 東京"), tags.get("unknown"), tags.get(&long));
    let during = heapledger::thread().expect("counted").since(&before);
    assert_eq!(during.allocated_blocks, 0);
}

fn bad_parents() {
    assert_eq!(BoundedTags::new("", 1).unwrap_err(), TagError::Empty);
    assert_eq!(BoundedTags::new("a//b", 1).unwrap_err(), TagError::EmptyLevel(2));
    assert_eq!(BoundedTags::new(&"x".repeat(120), 1).unwrap_err(), TagError::TooLong(126));
}

fn a_full_table() {
    let tags = BoundedTags::new("late", usize::MAX).expect("there is room");
    let fill = (0..).map(|number| Tag::register(&format!("fill {number}")));
    let refused = fill.take(heapledger::TAGS_MAX).find_map(Result::err);
    assert_eq!(refused, Some(TagError::TableFull));
    let before = heapledger::faults().tag_table_full;
    assert_eq!(tags.get("comer").tag_id(), id("late/other"));
    assert_eq!((tags.given(), heapledger::faults().tag_table_full - before), (0, 1));
    assert_eq!(BoundedTags::new("later", 1).unwrap_err(), TagError::TableFull);
}
