//! A block belongs to the tag that was current when it was allocated, until it is
//! freed, whoever frees it; and `realloc` keeps its owner.

use std::collections::{BTreeMap, HashMap};
use std::hint::black_box;
use std::sync::{Arc, mpsc};
use std::thread;

use heapledger::{Tag, scope};

use super::{live, own, thread_during};

#[test]
fn another_scope_frees_for_the_owner() {
    let kept = scope!("ownership/made_here", vec![0_u8; 1000]);
    scope!("ownership/freed_here", drop(kept));
    assert_eq!(live("ownership/made_here"), (0, 0));
    assert_eq!(own("ownership/freed_here"), heapledger::Counts::default());
}

#[test]
fn another_thread_frees_for_the_owner() {
    let boxes: Vec<Box<[u8]>> = scope!("ownership/sender", {
        [1, 6, 7, 8, 9, 100, 511, 512, 5000].map(|size| vec![7_u8; size].into()).into()
    });
    let bytes: usize = boxes.iter().map(|one| one.len()).sum();
    let list_bytes = boxes.capacity() * size_of::<Box<[u8]>>();
    assert_eq!(live("ownership/sender"), ((bytes + list_bytes) as u64, boxes.len() as u64 + 1));
    let (sender, receiver) = mpsc::channel();
    sender.send(boxes).unwrap();
    let freed = thread::spawn(move || {
        let _scope = scope!("ownership/receiver");
        let boxes = receiver.recv().unwrap();
        thread_during(|| drop(boxes)).1
    });
    let freed = freed.join().unwrap();
    assert_eq!(freed.freed_bytes as usize, bytes + list_bytes);
    assert_eq!(live("ownership/sender"), (0, 0));
}

#[test]
fn what_grows_elsewhere_stays_with_its_owner() {
    let mut text = scope!("ownership/growing", String::with_capacity(1));
    let _scope = scope!("ownership/elsewhere");
    // Through every regime, and back.
    for bytes in [3, 6, 7, 8, 9, 15, 16, 100, 511, 512, 4096, 100_000, 1 << 20] {
        text.reserve_exact(bytes - text.len());
        assert_eq!(live("ownership/growing"), (text.capacity() as u64, 1), "{bytes}");
        text.extend(std::iter::repeat_n('x', bytes - text.len()));
    }
    for bytes in [100_000, 512, 511, 9, 8, 7, 6, 1] {
        text.truncate(bytes);
        text.shrink_to_fit();
        assert_eq!(live("ownership/growing"), (text.capacity() as u64, 1), "{bytes}");
        assert!(text.bytes().all(|byte| byte == b'x'));
    }
    assert_eq!(own("ownership/elsewhere"), heapledger::Counts::default());
    drop(text);
    assert_eq!(live("ownership/growing"), (0, 0));
}

#[test]
fn what_grows_in_a_scope_but_was_made_outside_stays_outside() {
    let mut list: Vec<u64> = Vec::with_capacity(2);
    let ((), during) = thread_during(|| scope!("ownership/inside", list.reserve_exact(1000)));
    assert_eq!(own("ownership/inside"), heapledger::Counts::default());
    assert_eq!((during.allocated_bytes, during.freed_bytes), (8000, 16));
    // An empty list has no block yet: its first belongs to who makes it.
    let mut empty: Vec<u64> = Vec::new();
    scope!("ownership/inside", empty.reserve_exact(10));
    assert_eq!(live("ownership/inside"), (80, 1));
    drop((list, empty));
}

/// Everything that a value drags along, and lets go of, in one number.
#[test]
fn collections_come_back_to_zero() {
    let build = || {
        let words: Vec<String> = (0..5000).map(|n| format!("word {n}")).collect();
        let hashed: HashMap<String, usize> = words.iter().cloned().zip(0..).collect();
        let sorted: BTreeMap<usize, Arc<str>> =
            words.iter().map(|word| Arc::from(word.as_str())).enumerate().collect();
        (words, hashed, sorted)
    };
    let ((kept, live_after), during) = thread_during(|| {
        let kept = scope!("ownership/collections", build());
        (kept, live("ownership/collections"))
    });
    assert_eq!(live_after.0, during.live_bytes());
    assert_eq!(live_after.1, during.live_blocks());
    assert!(live_after.1 > 15_000);
    thread::spawn(move || drop(kept)).join().unwrap();
    assert_eq!(live("ownership/collections"), (0, 0));
}

/// A destructor runs in the scope of whoever drops the value: what it allocates
/// is theirs, what it frees its owner's.
#[test]
fn destructors_allocate_for_the_scope_they_run_in() {
    struct Loud(Vec<u8>, mpsc::Sender<Vec<u8>>);
    impl Drop for Loud {
        fn drop(&mut self) {
            let last_words = vec![1_u8; 2 * self.0.len()];
            self.1.send(last_words).unwrap();
        }
    }
    let (sender, receiver) = mpsc::channel();
    let loud = scope!("ownership/loud", Loud(vec![0; 500], sender));
    let before = own("ownership/dropper");
    scope!("ownership/dropper", drop(loud));
    let words = receiver.recv().unwrap();
    assert_eq!(live("ownership/loud"), (0, 0));
    // The channel's own block counts as well.
    assert!(own("ownership/dropper").since(&before).live_bytes() >= 1000);
    drop((words, receiver));
    assert_eq!(live("ownership/dropper"), (0, 0));
}

#[test]
fn zeroed_memory_has_an_owner_too() {
    for size in [1_usize, 5, 7, 8, 9, 400, 512, 1 << 20] {
        let zeroes = scope!("ownership/zeroed", vec![0_u8; size]);
        assert!(zeroes.iter().all(|byte| *byte == 0));
        assert_eq!(live("ownership/zeroed"), (size as u64, 1));
    }
    assert_eq!(live("ownership/zeroed"), (0, 0));
}

/// Threads that are gone are not forgotten: totals keep what they did.
#[test]
fn totals_keep_what_finished_threads_did() {
    static TAG: Tag = Tag::new("ownership/threads");
    for round in 1..=20_u64 {
        let threads: Vec<_> = (0..4)
            .map(|_| thread::spawn(|| TAG.run(|| drop(black_box(vec![1_u8; 100])))))
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let counts = own("ownership/threads");
        assert_eq!((counts.allocated_bytes, counts.freed_bytes), (400 * round, 400 * round));
        assert_eq!((counts.allocated_blocks, counts.freed_blocks), (4 * round, 4 * round));
    }
}
