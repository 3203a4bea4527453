//! Hazard 4 for short-lived tags: `fork` while other threads make and end them.
//!
//! A thread that is gone may have been just ending a tag, or reading. Shown: no child
//! hangs; the sums agree in it; thousands of tags find numbers in it, one after the
//! other, and their totals arrive. What the threads that are gone held stays in use:
//! so many numbers fewer there are, and no more. The call that each was cut off in is
//! at most half counted: one tag for each thread, by one block, and never below zero;
//! beside those the self check finds nothing.
//!
//! Seen to fail: without `TAGS.keep_nobody` in `registry::keep_only` (a child finds
//! the gate closed and runs out of numbers), and with `keep_nobody` that drops what
//! was decided (the sums differ).

mod support;

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use heapledger::{SelfCheckError, Tag, TagReading};
use support::{env_number, say, watchdog};

#[global_allocator]
static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();

const THREADS: usize = 3;
/// Of each block under a short-lived tag.
const BLOCK_BYTES: i64 = 4;
static STOP: AtomicBool = AtomicBool::new(false);
static QUERY: Tag = Tag::new("query");
static CHILD: Tag = Tag::new("child");

fn storm(worker: usize) {
    let mut buffer = vec![TagReading::EMPTY; heapledger::TAGS_MAX];
    let name = format!("query/{worker}");
    while !STOP.load(SeqCst) {
        for _ in 0..20 {
            let tag = Tag::ephemeral(&name).expect("a valid name");
            let block = tag.enter();
            drop(black_box(Box::new(1_u32)));
            drop(block);
        }
        heapledger::snapshot_tags(&mut buffer).expect("room for all tags");
    }
}

/// Whether bytes and blocks are those of a tag at rest, where every block of this
/// test is of one size; and whether they are so but for half a call.
fn whole_or_half(counts: &heapledger::Counts) -> (bool, bool) {
    let (bytes, blocks) = (counts.live_bytes_signed(), counts.live_blocks_signed());
    let is_half = |expected: i64| (bytes - expected).abs() <= BLOCK_BYTES;
    let whole = bytes == blocks * BLOCK_BYTES;
    (whole, bytes >= 0 && blocks >= 0 && is_half(blocks * BLOCK_BYTES))
}

/// What a child does; returns its exit code.
fn child(buffer: &mut [TagReading]) -> i32 {
    watchdog(20);
    let Ok(tags) = heapledger::snapshot_tags(buffer) else { return 10 };
    let sum = tags.iter().fold(heapledger::Counts::ZERO, |sum, tag| sum.plus(&tag.own));
    if heapledger::snapshot().map(|now| now.counts) != Ok(sum) {
        return 11;
    }
    // Held by the threads that are gone: a handle and a guard each at most.
    let held = tags.iter().filter(|tag| tag.life == heapledger::TagLife::Ephemeral).count();
    if held > THREADS {
        return 12;
    }
    for number in 1..=5000 {
        let Ok(tag) = Tag::ephemeral("child/x") else { return 13 };
        if !tag.has_own_id() {
            return 14;
        }
        let block = tag.run(|| black_box(Box::new(number)));
        if tag.read().map(|reading| reading.own.allocated_blocks) != Ok(1) {
            return 15;
        }
        drop(block);
    }
    match CHILD.read() {
        Ok(all) if all.own.allocated_blocks == 5000 && all.own == all.with_children => {}
        _ => return 16,
    }
    // Only what a storm frees and allocates can have been cut off.
    let Ok(tags) = heapledger::snapshot_tags(buffer) else { return 17 };
    let mut halves = 0;
    for tag in tags.iter().filter(|tag| tag.id == QUERY.id() || tag.parent == Some(QUERY.id())) {
        let (is_whole, is_half) = whole_or_half(&tag.own);
        if !is_half {
            return 18;
        }
        halves += usize::from(!is_whole);
    }
    if halves > THREADS {
        return 19;
    }
    match heapledger::self_check() {
        Ok(()) => 0,
        Err(SelfCheckError::BytesAndBlocksDisagree { counts, .. })
            if halves > 0 && whole_or_half(&counts).1 =>
        {
            0
        }
        Err(_) => 20,
    }
}

#[test]
fn a_forked_child_goes_on_with_the_table() {
    let forks = env_number("HEAPLEDGER_FORKS", 100);
    watchdog(600.max(forks as u32 / 10));
    let mut buffer = vec![TagReading::EMPTY; heapledger::TAGS_MAX];
    assert_ne!(QUERY.id(), CHILD.id());
    let workers: Vec<_> = (0..THREADS).map(|n| std::thread::spawn(move || storm(n))).collect();
    for number in 0..forks {
        // SAFETY: the child only does what this test is about, and ends by `_exit`.
        match unsafe { libc::fork() } {
            -1 => panic!("fork: {}", std::io::Error::last_os_error()),
            0 => {
                let code = child(&mut buffer);
                // SAFETY: ends the child at once, without the parent's handlers.
                unsafe { libc::_exit(code) }
            }
            child => {
                let mut status = 0;
                // SAFETY: waits for the child just made.
                assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
                let code = libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status));
                assert_eq!(code, Some(0), "fork {number}: see `child`; status {status}");
            }
        }
    }
    STOP.store(true, SeqCst);
    workers.into_iter().for_each(|worker| worker.join().expect("no panic"));
    assert_eq!(heapledger::self_check(), Ok(()), "the parent");
    say(format_args!("ephemeral fork: {forks} forks, 0 hangs, every child exact"));
}
