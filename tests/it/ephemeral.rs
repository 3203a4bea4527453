//! Short-lived tags: whose bytes are whose while numbers change hands.

use std::collections::HashSet;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};
use std::thread;

use heapledger::{
    EphemeralTag, InScope, OwnedSnapshot, Scope, ScopeGuard, Scoped, Tag, TagError, TagLife,
    TagReading, faults, orphans, read_tag, report, top_children, top_of, top_tags,
};

use super::random::Random;
use super::{live, thread_during};

fn query(name: &str) -> EphemeralTag {
    Tag::ephemeral(name).expect("a valid name")
}

fn with_children(name: &str) -> heapledger::Counts {
    Tag::register(name).unwrap().read().unwrap().with_children
}

fn buffer(bytes: usize) -> Vec<u8> {
    Vec::with_capacity(bytes)
}

fn live_bytes(tag: &EphemeralTag) -> u64 {
    tag.read().unwrap().own.live_bytes()
}

#[test]
fn more_tags_than_numbers_one_after_the_other() {
    let before = faults().ephemeral_tags_without_id;
    for n in 0..10_000 {
        let tag = query(&format!("e-many/{n}"));
        let block = tag.run(|| buffer(10 + n));
        assert_eq!(live_bytes(&tag), 10 + n as u64);
        assert_eq!(tag.name(), *format!("e-many/{n}"));
        drop(block);
    }
    assert_eq!(faults().ephemeral_tags_without_id, before);
    let all = with_children("e-many");
    assert_eq!((all.allocated_blocks, all.live_blocks()), (10_000, 0));
    assert_eq!(all.allocated_bytes, (0..10_000).map(|n| 10 + n).sum::<u64>());
}

#[test]
fn two_of_one_name_are_two_tags() {
    let (one, two) = (query("e-name/x"), query("e-name/x"));
    let permanent = Tag::register("e-name/x").unwrap();
    assert_eq!(HashSet::from([one.id(), two.id(), permanent.id()]).len(), 3);
    let kept = (one.run(|| buffer(1)), two.run(|| buffer(20)), permanent.run(|| buffer(300)));
    assert_eq!((live_bytes(&one), live_bytes(&two), live("e-name/x").0), (1, 20, 300));
    assert_eq!(with_children("e-name").live_bytes(), 321);
    assert_eq!(one.read().unwrap().life, TagLife::Ephemeral);
    assert_eq!(one.read().unwrap().parent, Some(Tag::register("e-name").unwrap().id()));
    drop(kept);
}

#[test]
fn a_bad_name_is_refused() {
    assert_eq!(Tag::ephemeral("e/").unwrap_err(), TagError::EmptyLevel(2));
    assert_eq!(Tag::ephemeral(&"x".repeat(121)).unwrap_err(), TagError::TooLong(121));
}

#[test]
fn making_and_dropping_allocates_nothing() {
    query("e-quiet/warm").run(|| ());
    let (_, during) = thread_during(|| {
        let tag = query("e-quiet/x");
        let copy = tag.clone();
        drop(tag);
        let _scope = copy.enter();
        assert_eq!(copy.name(), "e-quiet/x");
    });
    assert_eq!(during, heapledger::Counts::ZERO);
}

/// The handle may go first; the guard keeps the tag.
#[test]
fn what_is_current_is_nobody_elses() {
    let tag = query("e-current/x");
    let id = tag.id();
    let mut others = Vec::with_capacity(50);
    let guard = tag.enter();
    drop(tag);
    others.extend((0..50).map(|_| query("e-current/other")));
    assert!(others.iter().all(|other: &EphemeralTag| other.id() != id));
    let block = buffer(77);
    assert_eq!(Scope::current().tag_id(), id);
    drop(guard);
    assert_eq!(read_tag(id).unwrap().name(), "e-current/x");
    assert_eq!(read_tag(id).unwrap().own.live_bytes(), 77);
    assert_eq!(read_tag(id).unwrap().life, TagLife::Orphaned);
    drop(block);
}

#[test]
fn orphans_are_listed_with_the_name_they_had() {
    let small = query("e-orphan/small").run(|| buffer(100));
    let tag = query("e-orphan/large");
    let large = tag.run(|| (buffer(3000), buffer(4000)));
    let in_use = query("e-orphan/in use");
    let kept = in_use.run(|| buffer(9000));
    drop(tag);
    let ours = || {
        let list = orphans().unwrap().into_iter();
        list.filter(|tag| tag.name().starts_with("e-orphan/")).collect::<Vec<_>>()
    };
    let found = ours();
    let shown: Vec<_> = found.iter().map(|tag| (tag.name(), tag.own.live_bytes())).collect();
    assert_eq!(shown, [("e-orphan/large", 7000), ("e-orphan/small", 100)]);
    assert_eq!(found[0].own.live_blocks(), 2);
    assert_eq!(found[0].parent, Some(Tag::register("e-orphan").unwrap().id()));

    let report = report().unwrap();
    let row = report.rows.iter().find(|row| row.name == "e-orphan/large (orphaned)").unwrap();
    assert_eq!((row.bytes, row.depth), (7000, 1));
    assert!(format!("{report:#}").contains("  large (orphaned)"));
    let snapshot = OwnedSnapshot::capture().unwrap();
    let read = snapshot.tags.iter().find(|tag| tag.name == "e-orphan/small").unwrap();
    assert_eq!(read.life, TagLife::Orphaned);

    // Freed by a thread that knows nothing of tags.
    thread::spawn(move || drop(large)).join().unwrap();
    assert_eq!(ours().len(), 1);
    drop(small);
    assert_eq!(ours(), []);
    assert_eq!(with_children("e-orphan").live_bytes(), 9000);
    drop(kept);
}

/// A block keeps its owner through `realloc`, and the owner its number.
#[test]
fn an_orphan_may_grow() {
    let mut block = query("e-grow/x").run(|| buffer(100));
    for bytes in [200, 700, 5000, 100_000] {
        block.reserve_exact(bytes);
        let list = orphans().unwrap();
        let found = list.iter().find(|tag| tag.name() == "e-grow/x").unwrap();
        assert_eq!(found.own.live_bytes(), bytes as u64);
    }
    drop(block);
    assert_eq!(with_children("e-grow").allocated_bytes, 100 + 200 + 700 + 5000 + 100_000);
}

#[test]
fn a_peak_is_not_inherited() {
    for bytes in [1_000_000, 10] {
        for _ in 0..20 {
            let tag = query("e-peak/x");
            let block = tag.run(|| buffer(bytes));
            assert_eq!(tag.read().unwrap().peak_live_bytes, bytes as u64);
            drop(block);
        }
    }
}

#[test]
fn a_measurement_is_of_the_tag() {
    let tag = query("e-measure/x");
    let before = tag.run(|| buffer(50));
    let (kept, m) = tag.measure(|| drop(buffer(5000))).unwrap();
    assert_eq!((m.live_bytes_delta, m.allocated_bytes, m.peak_live_bytes), (0, 5000, 5050));
    drop((kept, before));
    // Around whole lives: what ended lives booked is still in the parent's totals.
    let parent = Tag::register("e-measure").unwrap();
    let (_, m) = parent.measure(|| drop(query("e-measure/y").run(|| buffer(9000)))).unwrap();
    assert_eq!((m.allocated_bytes, m.freed_bytes, m.peak_live_bytes), (9000, 9000, 9000));
}

#[test]
fn a_scope_finds_the_tag_while_it_lives_and_then_its_parent() {
    let handed_on = |_: usize| {
        let tag = query("e-scope/x");
        let (id, scope) = (tag.id(), tag.run(Scope::current));
        assert_eq!(scope, tag.scope());
        let kept = thread::spawn(move || scope.run(|| buffer(1000))).join().unwrap();
        assert_eq!(live_bytes(&tag), 1000);
        drop(kept);
        drop(tag);
        let strangers: Vec<EphemeralTag> = (0..50).map(|_| query("e-stranger/x")).collect();
        let kept = scope.run(|| buffer(333));
        assert_eq!(live("e-scope"), (333, 1));
        assert!(strangers.iter().all(|stranger| live_bytes(stranger) == 0));
        drop(kept);
        strangers.iter().any(|stranger| stranger.id() == id)
    };
    // Other tests read, so its number may come to others only later.
    assert!((0..500).any(handed_on), "no stranger got the number");
    // An orphan has nobody to hold on to either.
    let orphan = query("e-scope/y");
    let (block, scope) = (orphan.run(|| buffer(7)), orphan.scope());
    drop(orphan);
    assert_eq!(scope.enter_and_tag(), "e-scope");
    drop(block);
}

trait EnterAndTag {
    fn enter_and_tag(self) -> String;
}

impl EnterAndTag for Scope {
    fn enter_and_tag(self) -> String {
        let _scope = self.enter();
        read_tag(Scope::current().tag_id()).unwrap().name().to_owned()
    }
}

#[test]
fn a_handle_goes_to_other_threads() {
    let tag = query("e-threads/x");
    let (send, receive) = mpsc::channel();
    let workers: Vec<_> = (0..4)
        .map(|n| {
            let (tag, send) = (tag.clone(), send.clone());
            thread::spawn(move || {
                let _scope = tag.enter();
                send.send(buffer(100 * (n + 1))).unwrap();
            })
        })
        .collect();
    workers.into_iter().for_each(|worker| worker.join().unwrap());
    let kept: Vec<_> = receive.try_iter().collect();
    assert_eq!(kept.len(), 4);
    assert!(live_bytes(&tag) >= 1000, "and the channel's own blocks");
    drop((kept, receive, send));
    assert_eq!(live_bytes(&tag), 0);
}

/// A future keeps the tag until it is gone, whatever becomes of the handle.
#[test]
fn a_future_keeps_its_tag() {
    let poll = |future: Pin<&mut _>| -> Poll<Vec<u8>> {
        Scoped::poll(future, &mut Context::from_waker(Waker::noop()))
    };
    let tag = query("e-future/x");
    let id = tag.id();
    let mut wait = true;
    let work = poll_fn(move |_| match std::mem::replace(&mut wait, false) {
        true => Poll::Pending,
        false => Poll::Ready(buffer(500)),
    });
    let mut future = Box::pin(work.in_scope(&tag));
    drop(tag);
    assert_eq!(poll(future.as_mut()), Poll::Pending);
    assert_eq!(read_tag(id).unwrap().life, TagLife::Ephemeral);
    let Poll::Ready(kept) = poll(future.as_mut()) else { panic!("not ready") };
    drop(future);
    let found = read_tag(id).unwrap();
    assert_eq!((found.name(), found.own.live_bytes()), ("e-future/x", 500));
    assert_eq!(found.life, TagLife::Orphaned);
    drop(kept);
}

/// Without a level above, what ends goes to `(untagged)`.
#[test]
fn a_tag_of_the_first_level_has_no_parent() {
    let tag = query("e-alone");
    let kept = tag.run(|| buffer(10));
    assert_eq!((live_bytes(&tag), tag.read().unwrap().parent), (10, None));
    drop(kept);
}

/// An outer guard is dropped first: the inner one makes its tag current again, which
/// must still be that tag.
#[test]
fn guards_out_of_order_keep_the_number() {
    for inner_is_permanent in [false, true] {
        let tag = query("e-order/outer");
        let (id, other) = (tag.id(), query("e-order/inner"));
        let permanent = Tag::register("e-order/permanent").unwrap();
        let outer = tag.enter();
        let (held, plain) = if inner_is_permanent {
            (None, Some(permanent.enter()))
        } else {
            (Some(other.enter()), None)
        };
        let before = faults().ephemeral_guards_out_of_order;
        drop(outer);
        assert!(faults().ephemeral_guards_out_of_order > before);
        drop(tag);
        let strangers: Vec<EphemeralTag> = (0..100).map(|_| query("e-order/z")).collect();
        drop((held, plain));
        // Current by the inner guard's hand.
        assert_eq!(Scope::current().tag_id(), id);
        assert_eq!(read_tag(id).unwrap().name(), "e-order/outer");
        let block = buffer(40);
        assert!(strangers.iter().all(|stranger| live_bytes(stranger) == 0));
        drop(block);
        // As after any drop out of order, until an outer scope ends.
        leave_everything();
        assert_eq!(read_tag(id).unwrap().life, TagLife::Ephemeral, "in use for good");
    }
}

/// Makes the thread's current scope that of a new thread.
fn leave_everything() {
    let none = thread::spawn(Scope::current).join().unwrap();
    std::mem::forget(none.enter());
}

#[test]
fn a_forgotten_guard_keeps_the_number() {
    thread::spawn(|| {
        let tag = query("e-forget/x");
        let id = tag.id();
        std::mem::forget(tag.enter());
        drop(tag);
        drop((0..100).map(|_| query("e-forget/y")).collect::<Vec<_>>());
        let kept = buffer(25);
        assert_eq!(read_tag(id).unwrap().name(), "e-forget/x");
        assert_eq!(read_tag(id).unwrap().own.live_bytes(), 25);
        drop(kept);
    })
    .join()
    .unwrap();
    assert_eq!(with_children("e-forget").live_bytes(), 0);
}

/// Random guards, dropped in random order, some forgotten. A guard puts back what it
/// found, and that is still the same tag, not another with its number.
#[test]
fn whatever_the_order_no_stranger_becomes_current() {
    enum Guard {
        Plain(#[allow(dead_code)] ScopeGuard),
        Held(#[allow(dead_code)] heapledger::HeldScopeGuard),
    }

    /// Returns how often a short-lived tag was current. What the thread keeps it
    /// allocates first, or it would keep the tags.
    fn run(seed: u64) -> u32 {
        let mut random = Random::new(seed);
        let permanent = Tag::register("e-random").unwrap();
        let mut tags: Vec<(EphemeralTag, u32)> = Vec::with_capacity(4);
        let mut guards: Vec<(Guard, u32)> = Vec::with_capacity(100);
        let (mut current, mut made, mut in_ephemeral) = (0, 1, 0);
        for _ in 0..100 {
            match random.below(10) {
                0..=1 if tags.len() < 4 => {
                    made += 1;
                    tags.push((query(&format!("e-random/{made}")), made));
                }
                2 if !tags.is_empty() => drop(tags.swap_remove(random.below(tags.len()))),
                3..=4 if !tags.is_empty() => {
                    let (tag, number) = &tags[random.below(tags.len())];
                    guards.push((Guard::Held(tag.enter()), current));
                    current = *number;
                }
                5 => {
                    guards.push((Guard::Plain(permanent.enter()), current));
                    current = 1;
                }
                6 if !guards.is_empty() && random.below(4) == 0 => {
                    std::mem::forget(guards.swap_remove(random.below(guards.len())));
                }
                _ if !guards.is_empty() => {
                    // Mostly in order.
                    let at = match random.below(3) {
                        0 => random.below(guards.len()),
                        _ => guards.len() - 1,
                    };
                    let (guard, saved) = guards.remove(at);
                    drop(guard);
                    current = saved;
                }
                _ => {}
            }
            let expected = match current {
                0 => "(untagged)".to_owned(),
                1 => "e-random".to_owned(),
                number => format!("e-random/{number}"),
            };
            let found = read_tag(Scope::current().tag_id()).unwrap();
            assert_eq!(found.name(), expected, "seed {seed}");
            in_ephemeral += u32::from(current > 1);
        }
        in_ephemeral
    }

    let checked: u32 = (0..20).map(|seed| thread::spawn(move || run(seed)).join().unwrap()).sum();
    assert!(checked > 200, "{checked}");
}

#[test]
fn the_largest_and_the_others_sum_to_all() {
    let sizes = [10, 5000, 300, 40_000, 1];
    let tags: Vec<EphemeralTag> = (0..sizes.len()).map(|n| query(&format!("e-top/{n}"))).collect();
    let kept: Vec<_> = tags.iter().zip(sizes).map(|(tag, n)| tag.run(|| buffer(n))).collect();
    let parent = Tag::register("e-top").unwrap();
    let own = parent.run(|| buffer(600));

    let top = top_children(&parent, 2).unwrap();
    let names: Vec<_> = top.largest.iter().map(TagReading::name).collect();
    assert_eq!(names, ["e-top/3", "e-top/1"]);
    assert_eq!((top.others.live_bytes(), top.others.live_blocks()), (10 + 300 + 1 + 600, 4));
    assert_eq!(top_children(&parent, 100).unwrap().others.live_bytes(), 600);
    assert_eq!(top_children(&parent, 0).unwrap().others, with_children("e-top"));

    let mut all = vec![TagReading::EMPTY; heapledger::TAGS_MAX];
    let all = heapledger::snapshot_tags(&mut all).unwrap();
    let total = all.iter().fold(heapledger::Counts::ZERO, |sum, tag| sum.plus(&tag.own));
    let ((largest, others), allocated) = thread_during(|| top_of(all, 3));
    assert_eq!(allocated, heapledger::Counts::ZERO);
    assert!(largest.is_sorted_by_key(|tag| std::cmp::Reverse(tag.own.live_bytes())));
    assert_eq!(largest.iter().fold(others, |sum, tag| sum.plus(&tag.own)), total);
    assert_eq!(top_tags(3).unwrap().largest.len(), 3);
    drop((kept, own));
}
