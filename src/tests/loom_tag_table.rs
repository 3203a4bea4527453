//! Claim: threads that intern one name get one id, other names get other ids, and
//! whoever has an id can read its name.
//!
//! Two or three threads intern the same and different names, whose buckets
//! collide. A thread that loses a race for a name gives its id back; the id then
//! serves the next name, so ids are dense and none is lost. A reader that walks
//! the ids meanwhile sees each without a name or with its whole name. The text of
//! a name is a loom cell: loom stops where it is read or written without having
//! seen the last write.

use std::sync::Arc;

use loom::thread;

use super::explore::Preemptions::{All, AsAsked, Two};
use super::explore::{explore, explore_mutant};
use crate::ledger::name::TagError;
use crate::ledger::tag_table::TagTable;
use crate::sync::modelled::Change;

/// Four names; so few buckets that "a" and "i" meet in one.
type Table = TagTable<6, 8, 1>;

/// Interns, and reads back what it interned.
fn intern(table: &Table, name: &str) -> u16 {
    let id = table.intern(name).unwrap();
    assert_eq!(table.name(id), Some(name), "the name of an id one holds");
    id
}

/// Threads that intern names in an order of their own; returns their ids.
fn interned<const THREADS: usize>(
    table: &Arc<Table>,
    names: [&'static [&'static str]; THREADS],
) -> [Vec<u16>; THREADS] {
    let threads = names.map(|names| {
        let table = table.clone();
        thread::spawn(move || names.iter().map(|name| intern(&table, name)).collect())
    });
    threads.map(|thread| thread.join().unwrap())
}

/// The ids that the names do not have are there for other names.
fn check_no_id_is_lost(table: &Table, names: usize) {
    for (spare, name) in ["w", "x", "y", "z"].into_iter().enumerate() {
        let expected = if spare < 4 - names { Ok(()) } else { Err(TagError::TableFull) };
        assert_eq!(table.intern(name).map(|_| ()), expected, "an id was lost");
    }
}

fn one_name() {
    let table = Arc::new(Table::new());
    let [ours, theirs] = interned(&table, [&["a"], &["a"]]);
    assert_eq!(ours, theirs, "one name, two ids");
    check_no_id_is_lost(&table, 1);
}

fn two_names() {
    let table = Arc::new(Table::new());
    let [ours, theirs] = interned(&table, [&["a", "i"], &["i", "a"]]);
    assert_eq!((ours[0], ours[1]), (theirs[1], theirs[0]), "one name, two ids");
    assert_ne!(ours[0], ours[1], "two names, one id");
    check_no_id_is_lost(&table, 2);
}

/// The thread that wins the race may take the id that the other gives back.
fn id_given_back() {
    let table = Arc::new(Table::new());
    let [ours, theirs] = interned(&table, [&["a"], &["a", "i"]]);
    assert_eq!(ours[0], theirs[0], "one name, two ids");
    assert_ne!(theirs[0], theirs[1], "two names, one id");
    check_no_id_is_lost(&table, 2);
}

fn child_and_parent() {
    let table = Arc::new(Table::new());
    let [ours, theirs] = interned(&table, [&["a/b"], &["a"]]);
    assert_eq!(table.parent(ours[0]), Some(theirs[0]), "the parent of a/b is a");
    assert_eq!(table.parent(theirs[0]), None);
    check_no_id_is_lost(&table, 2);
}

fn three_threads() {
    let table = Arc::new(Table::new());
    let [one, two, three] = interned(&table, [&["a"], &["a"], &["a"]]);
    assert!(one == two && two == three, "one name, two ids");
    check_no_id_is_lost(&table, 1);
}

/// A reader walks the ids while two threads race for a name.
fn reader() {
    let table = Arc::new(Table::new());
    let threads = ["a", "a"].map(|name| {
        let table = table.clone();
        thread::spawn(move || intern(&table, name))
    });
    for id in 2..table.len() as u16 {
        assert!(matches!(table.name(id), None | Some("a")), "half a name");
    }
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn loom_tag_table_one_name_one_id() {
    explore("two threads intern one name", All, 36_000, one_name);
}

#[test]
fn loom_tag_table_two_names_two_ids() {
    explore("two threads intern two colliding names", AsAsked, 28_000, two_names);
}

#[test]
fn loom_tag_table_id_given_back_is_used_again() {
    explore("an id given back serves another name", AsAsked, 2_500, id_given_back);
}

#[test]
fn loom_tag_table_child_has_its_parent() {
    explore("two threads intern a child and its parent", AsAsked, 4_000, child_and_parent);
}

#[test]
fn loom_tag_table_three_threads_lose_no_id() {
    explore("three threads intern one name", Two, 70_000, three_threads);
}

#[test]
fn loom_tag_table_reader_sees_whole_names() {
    explore("a reader walks the names", AsAsked, 2_000, reader);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn loom_tag_table_mutant_relaxed_publish() {
    explore_mutant("ledger/tag_table.rs", "bucket.compare_exchange(", Change::Relaxed, one_name);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn loom_tag_table_mutant_relaxed_meeting() {
    let text = "bucket.compare_exchange(";
    explore_mutant("ledger/tag_table.rs", text, Change::FailureRelaxed, one_name);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn loom_tag_table_mutant_relaxed_find() {
    explore_mutant("ledger/tag_table.rs", "bucket.load(", Change::Relaxed, one_name);
}

#[test]
#[should_panic(expected = "one name, two ids")]
fn loom_tag_table_mutant_publish_in_two_steps() {
    explore_mutant("ledger/tag_table.rs", "bucket.compare_exchange(", Change::Split, one_name);
}

#[test]
#[should_panic(expected = "the name of an id one holds")]
fn loom_tag_table_mutant_names_not_compared() {
    explore_mutant("ledger/tag_table.rs", "sync::step()", Change::LeftOut, two_names);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn loom_tag_table_mutant_relaxed_named() {
    explore_mutant("ledger/lives.rs", "word.store(PERMANENT", Change::Relaxed, reader);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn loom_tag_table_mutant_name_read_relaxed() {
    explore_mutant("ledger/lives.rs", "Life(word.load(Ordering::Acquire", Change::Relaxed, reader);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn loom_tag_table_mutant_relaxed_give_back() {
    explore_mutant("ledger/slots.rs", "word.fetch_and(", Change::Relaxed, id_given_back);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn loom_tag_table_mutant_relaxed_take() {
    explore_mutant("ledger/slots.rs", "word.fetch_or(", Change::Relaxed, id_given_back);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn loom_tag_table_mutant_take_in_two_steps() {
    explore_mutant("ledger/slots.rs", "word.fetch_or(", Change::Split, two_names);
}
