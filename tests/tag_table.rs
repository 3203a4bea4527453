//! A million distinct names, as from untrusted input, while other threads work:
//! the table fills, memory stays flat, the names that came too late are told so
//! or booked to `(overflow)`, and the sums still agree (hazard 22). A program of
//! its own, because it leaves no room for tags.
//!
//! `HEAPLEDGER_NAMES` sets the number (1,000,000; about a second).

#[path = "support/random.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod random;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use heapledger::{
    Allocator, Tag, TagError, TagId, TagReading, faults, read_tag, scope, self_check, snapshot_tags,
};
use random::{Random, env_number};

#[global_allocator]
static GLOBAL: Allocator = Allocator::new();

const THREADS: u64 = 4;
/// Tags there can be, by the documentation of `Tag`.
const TAGS: usize = 4096;

/// Tags of the program itself, known before the flood and after.
static EARLY: Tag = Tag::new("program/early");
static LATE: Tag = Tag::new("program/late");

fn live_bytes(tag: &Tag) -> u64 {
    tag.read().expect("an installed allocator").own.live_bytes()
}

/// Memory of this process that is in use, by the kernel's count.
fn resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(statm.split(' ').nth(1)?.parse::<u64>().ok()? * 4096)
}

/// A name of random digits in one to three levels, hardly ever seen before.
fn random_name(random: &mut Random) -> String {
    let letters = random.next();
    let levels = random.within(1, 3);
    (0..levels).map(|level| format!("{:x}", letters >> (level * 8))).collect::<Vec<_>>().join("/")
}

/// Registers names and allocates under those that were accepted; returns them.
fn flood(seed: u64, names: u64) -> HashMap<String, TagId> {
    let mut random = Random::new(seed);
    let mut accepted = HashMap::new();
    for _ in 0..names {
        let name = random_name(&mut random);
        match Tag::register(&name) {
            Ok(tag) => {
                let block = tag.run(|| vec![0_u8; 10]);
                assert!(tag.read().expect("installed").own.allocated_bytes >= 10);
                drop(block);
                accepted.insert(name, tag.id());
            }
            Err(error) => assert_eq!(error, TagError::TableFull),
        }
    }
    accepted
}

/// What a program does meanwhile; its blocks must stay its own.
fn work(stop: &AtomicBool) -> u64 {
    let mut rounds = 0;
    while !stop.load(Ordering::Relaxed) {
        let kept: Vec<Vec<u8>> = EARLY.run(|| (1..50).map(|size| vec![0; size * 20]).collect());
        assert!(live_bytes(&EARLY) >= kept.iter().map(|one| one.len() as u64).sum());
        rounds += 1;
    }
    rounds
}

#[test]
fn a_million_names_fill_the_table_and_nothing_else() {
    let names = env_number("HEAPLEDGER_NAMES", 1_000_000);
    drop(EARLY.run(|| vec![0_u8; 1]));
    // One name's worth of warm-up, for what the program itself needs.
    drop(flood(0, 1));
    let before_flood = resident_bytes();
    let full = |seed: u64| flood(seed, names / THREADS);

    let stop = AtomicBool::new(false);
    let accepted: Vec<HashMap<String, TagId>> = thread::scope(|scope| {
        let worker = scope.spawn(|| work(&stop));
        // Two threads bring the same names.
        let threads: Vec<_> =
            [1, 2, 3, 3].map(|seed| scope.spawn(move || full(seed))).into_iter().collect();
        let accepted = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        stop.store(true, Ordering::Relaxed);
        assert!(worker.join().unwrap() > 0);
        accepted
    });

    // One name, one number, whichever thread was first; and no number twice.
    let mut by_id: HashMap<TagId, &str> = HashMap::new();
    for (name, id) in accepted.iter().flatten() {
        assert_eq!(*by_id.entry(*id).or_insert(name), name);
        assert_eq!(Tag::register(name).map(|tag| tag.id()), Ok(*id));
    }
    let mut buffer = vec![TagReading::EMPTY; TAGS];
    let tags = snapshot_tags(&mut buffer).expect("room for all tags");
    println!("{} names accepted, {} tags", by_id.len(), tags.len());
    assert_eq!(tags.len(), TAGS);
    assert!(by_id.len() > TAGS / 4);

    // Flat: a tag's name, and its counters in the shards of six threads.
    if let (Some(before), Some(after)) = (before_flood, resident_bytes()) {
        let grown = after.saturating_sub(before);
        println!("resident memory grew by {} KiB", grown >> 10);
        assert!(grown < 16 << 20, "{grown} bytes");
    }

    a_tag_that_came_too_late_is_booked_to_overflow();
    marks_that_came_too_late_show_the_overflow();
    the_old_tags_still_work();
    assert_eq!(live_bytes(&EARLY), 0);
    // The test harness's own threads may be busy: that is no answer.
    assert_eq!(self_check(), Ok(()));
}

fn a_tag_that_came_too_late_is_booked_to_overflow() {
    assert_eq!(Tag::register("program/late").unwrap_err(), TagError::TableFull);
    let told = TagError::TableFull.to_string();
    assert!(told.contains("4096") && told.contains("(overflow)"), "{told}");
    let before = (read_tag(TagId::OVERFLOW).unwrap().own, faults().tag_table_full);
    let kept = (
        LATE.run(|| vec![0_u8; 1000]),
        scope!("program/late too", vec![0_u8; 5]),
        scope!("program/late three", vec![0_u8; 5000]),
    );
    assert_eq!(LATE.id(), TagId::OVERFLOW);
    let overflow = read_tag(TagId::OVERFLOW).unwrap();
    assert_eq!(overflow.name(), "(overflow)");
    let since = overflow.own.since(&before.0);
    assert_eq!((since.live_bytes(), since.live_blocks()), (6005, 3));
    // Once a place, not once an entry.
    assert_eq!(faults().tag_table_full - before.1, 3);
    drop(LATE.run(|| vec![0_u8; 1]));
    assert_eq!(faults().tag_table_full - before.1, 3);
    drop(kept);
    assert_eq!(read_tag(TagId::OVERFLOW).unwrap().own.since(&before.0).live_bytes(), 0);
}

/// What marks need is among it, and cannot be left out: it is not theirs alone.
fn marks_that_came_too_late_show_the_overflow() {
    heapledger::mark("before").unwrap();
    let kept = LATE.run(|| vec![0_u8; 1 << 20]);
    heapledger::mark("after").unwrap();
    let delta = heapledger::delta("before", "after").unwrap();
    let grown = delta.tag("(overflow)").expect("its row").own_live_bytes;
    assert!((1 << 20..2 << 20).contains(&grown), "{grown}");
    assert!(delta.process.live_bytes() >= 1 << 20);
    drop(kept);
    heapledger::unmark("before").unwrap();
    heapledger::unmark("after").unwrap();
}

fn the_old_tags_still_work() {
    let before = live_bytes(&EARLY);
    let kept = scope!("program/early", vec![0_u8; 777]);
    assert_eq!(live_bytes(&EARLY) - before, 777);
    assert_eq!(Tag::register("program/early").map(|tag| tag.id()), Ok(EARLY.id()));
    drop(kept);
}
