//! Tags: one name is one tag, however it comes about.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use heapledger::{Tag, TagId, scope};

use super::live;

static CONSTANT: Tag = Tag::new("tags/one");

#[test]
fn one_name_is_one_tag() {
    let registered = Tag::register("tags/one").unwrap();
    let copy = registered.clone();
    assert_eq!(registered.id(), CONSTANT.id());
    assert_eq!(copy.id(), CONSTANT.id());
    assert_eq!(registered, CONSTANT);
    assert_eq!(HashSet::from([registered.clone(), copy.clone(), CONSTANT.clone()]).len(), 1);
    let kept = (
        CONSTANT.run(|| vec![0_u8; 1]),
        registered.run(|| vec![0_u8; 20]),
        copy.run(|| vec![0_u8; 300]),
        scope!("tags/one", vec![0_u8; 4000]),
    );
    assert_eq!(live("tags/one"), (4321, 4));
    drop(kept);
}

#[test]
fn different_names_are_different_tags() {
    let names = ["tags/a", "tags/b", "tags", "tags/a/b", "tags/A", "tags/a "];
    let ids: HashSet<TagId> = names.map(|name| Tag::register(name).unwrap().id()).into();
    assert_eq!(ids.len(), names.len());
    assert!(!ids.contains(&TagId::UNTAGGED) && !ids.contains(&TagId::OVERFLOW));
}

#[test]
fn a_tag_shows_its_name() {
    let tag = Tag::register("tags/shown").unwrap();
    assert_eq!(tag.to_string(), "tags/shown");
    assert_eq!(format!("{tag:?}"), "Tag(\"tags/shown\")");
    assert_eq!(tag.name(), "tags/shown");
}

/// The name is copied: the text may go.
#[test]
fn a_registered_name_outlives_its_text() {
    let tag = {
        let text = String::from("tags/gone");
        Tag::register(&text).unwrap()
    };
    assert_eq!(tag.name(), "tags/gone");
}

/// Threads that intern a name at the same moment: it gets one number, and every
/// number one name.
#[test]
fn threads_that_register_one_name_get_one_tag() {
    const THREADS: usize = 4;
    const NAMES: usize = 300;
    let arrived: [AtomicUsize; NAMES] = std::array::from_fn(|_| AtomicUsize::new(0));
    let register = || -> Vec<TagId> {
        let name = |(name, arrived): (usize, &AtomicUsize)| {
            let text = format!("tags/race/{}/{name}", name % 7);
            // A barrier would wake the threads one after another.
            arrived.fetch_add(1, Ordering::Relaxed);
            while arrived.load(Ordering::Relaxed) < THREADS {
                thread::yield_now();
            }
            let tag = Tag::register(&text).unwrap();
            assert_eq!(tag.name(), text);
            tag.id()
        };
        arrived.iter().enumerate().map(name).collect()
    };
    let ids_by_thread: Vec<Vec<TagId>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(register)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(ids_by_thread.iter().all(|ids| *ids == ids_by_thread[0]));
    assert_eq!(ids_by_thread[0].iter().collect::<HashSet<_>>().len(), NAMES);
}

#[test]
fn to_register_allocates_nothing() {
    let (_, during) =
        super::thread_during(|| (Tag::register("tags/new/and/deep"), Tag::register("tags/\n")));
    assert_eq!(during, heapledger::Counts::default());
}
