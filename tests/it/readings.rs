//! Readings of tags and threads while others allocate.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use heapledger::{
    Counts, ErrorKind, OwnedSnapshot, Tag, TagId, TagReading, read_tag, scope, snapshot,
    snapshot_tags, thread, threads,
};

/// Ends the other threads of a scope, also when an assertion fails.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_new_thread_starts_at_zero_whatever_its_slot_has_seen() {
    for n in 1..50_u64 {
        let counts = std::thread::spawn(move || {
            let before = thread().unwrap();
            drop(black_box(vec![0_u8; 1000 * n as usize]));
            (before, thread().unwrap())
        })
        .join()
        .unwrap();
        let (before, after) = counts;
        // What the runtime allocates to start a thread, and nothing of the others:
        // together they allocate more than a million bytes.
        assert!(before.allocated_bytes < 4096, "{before:?}");
        assert_eq!(after.since(&before).allocated_bytes, 1000 * n);
        assert_eq!(after.since(&before).freed_bytes, 1000 * n);
    }
}

#[test]
fn a_thread_that_only_frees_goes_below_zero() {
    let block = black_box(vec![0_u8; 5000]);
    let counts = std::thread::spawn(move || {
        let before = thread().unwrap();
        drop(block);
        thread().unwrap().since(&before)
    });
    assert_eq!(counts.join().unwrap().live_bytes_signed(), -5000);
}

#[test]
fn threads_are_named_and_sum_to_the_total() {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _stop = StopOnDrop(&stop);
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    // Threads come and go while they are counted.
                    let block = black_box(vec![1_u8; 3000]);
                    std::thread::spawn(move || drop(block)).join().unwrap();
                }
            });
        }
        let (ready, is_ready) = mpsc::channel();
        let (end, is_end) = mpsc::channel::<()>();
        let named = std::thread::Builder::new().name("reader-test".to_owned());
        let named = named
            .spawn_scoped(scope, move || {
                let block = black_box(vec![1_u8; 123_456]);
                ready.send(()).unwrap();
                is_end.recv().ok();
                drop(block);
            })
            .unwrap();
        is_ready.recv().unwrap();
        for _ in 0..500 {
            let all = threads().unwrap();
            let sum = all.alive.iter().fold(all.others, |sum, one| sum.plus(&one.counts));
            assert_eq!(sum, all.total);
            assert!(all.total.live_bytes_signed() >= 0 && all.total.live_blocks_signed() >= 0);
            let found = |one: &&heapledger::ThreadReading| {
                one.name.as_deref() == Some("reader-test") && one.os_id != 0
            };
            let one = all.alive.iter().find(found).expect("the named thread is alive");
            assert!(one.counts.live_bytes_signed() >= 123_456 - 10_000);
            assert!(one.counts.allocated_bytes < 1 << 20);
        }
        end.send(()).unwrap();
        named.join().unwrap();
    });
}

#[test]
fn readings_are_never_negative_and_totals_never_shrink() {
    static HANDED: Tag = Tag::new("readings/handed over");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _stop = StopOnDrop(&stop);
        let (give, take) = mpsc::sync_channel::<Vec<u8>>(64);
        scope.spawn(|| {
            let give = give;
            while !stop.load(Ordering::Relaxed) {
                if give.send(HANDED.run(|| black_box(vec![0_u8; 700]))).is_err() {
                    return;
                }
            }
        });
        scope.spawn(move || while take.recv().is_ok() {});
        let mut buffer = vec![TagReading::EMPTY; heapledger::TAGS_MAX];
        let mut last = Counts::ZERO;
        let mut peak = 0;
        for _ in 0..20_000 {
            let one = HANDED.read().unwrap();
            // 64 in the channel, one with each side, and what is counted twice
            // while it is on its way.
            assert!(one.own.live_bytes_signed() >= 0 && one.own.live_blocks_signed() >= 0);
            assert!(one.peak_live_bytes >= one.own.live_bytes());
            assert!(one.peak_live_bytes >= peak);
            peak = one.peak_live_bytes;
            for (now, before) in [
                (one.own.allocated_bytes, last.allocated_bytes),
                (one.own.allocated_blocks, last.allocated_blocks),
                (one.own.freed_bytes, last.freed_bytes),
                (one.own.freed_blocks, last.freed_blocks),
            ] {
                assert!(now >= before);
            }
            last = one.own;
        }
        for _ in 0..200 {
            for one in snapshot_tags(&mut buffer).unwrap() {
                assert!(one.own.live_bytes_signed() >= 0 && one.own.live_blocks_signed() >= 0);
                assert!(one.with_children.live_bytes() >= one.own.live_bytes());
                assert!(one.peak_live_bytes >= one.own.live_bytes());
            }
            let now = snapshot().unwrap();
            assert!(now.live_bytes() < 1 << 40 && now.peak_live_bytes >= now.live_bytes());
        }
    });
}

#[test]
fn children_are_summed_over_all_levels() {
    let a = scope!("readings/a/b/c/d", black_box(vec![0_u8; 1]));
    let b = scope!("readings/a/b", black_box(vec![0_u8; 20]));
    let c = scope!("readings/a/x", black_box(vec![0_u8; 300]));
    let with_children = |name: &str| {
        let tag = Tag::register(name).unwrap();
        let by_number = read_tag(tag.id()).unwrap();
        assert_eq!(by_number, tag.read().unwrap());
        assert_eq!(heapledger::tag_counts(&tag).unwrap(), by_number);
        (by_number.own.live_bytes(), by_number.with_children.live_bytes())
    };
    assert_eq!(with_children("readings/a"), (0, 321));
    assert_eq!(with_children("readings/a/b"), (20, 21));
    assert_eq!(with_children("readings/a/b/c"), (0, 1));
    assert_eq!(with_children("readings/a/b/c/d"), (1, 1));
    // The reading of all tags says the same.
    let mut buffer = vec![TagReading::EMPTY; heapledger::TAGS_MAX];
    let all = snapshot_tags(&mut buffer).unwrap();
    let id = Tag::register("readings/a/b").unwrap().id();
    let one = all[usize::from(id.get())];
    assert_eq!((one.id, one.name()), (id, "readings/a/b"));
    assert_eq!(one.parent, Some(Tag::register("readings/a").unwrap().id()));
    assert_eq!((one.own.live_bytes(), one.with_children.live_bytes()), (20, 21));
    drop((a, b, c));
}

#[test]
fn a_small_buffer_is_told_how_much_is_needed() {
    let error = snapshot_tags(&mut [TagReading::EMPTY; 1]).unwrap_err();
    let ErrorKind::BufferTooSmall { need } = error.kind() else { panic!("{error:?}") };
    assert!((2..=heapledger::TAGS_MAX).contains(&need));
    assert!(error.to_string().contains(&need.to_string()), "{error}");
    let mut buffer = vec![TagReading::EMPTY; heapledger::TAGS_MAX];
    assert!(snapshot_tags(&mut buffer).unwrap().len() >= need);
}

#[test]
fn built_in_tags_have_names() {
    assert_eq!(read_tag(TagId::UNTAGGED).unwrap().name(), "(untagged)");
    assert_eq!(read_tag(TagId::OVERFLOW).unwrap().name(), "(overflow)");
}

#[test]
fn an_owned_snapshot_is_one_reading() {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _stop = StopOnDrop(&stop);
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                drop(scope!("readings/owned", black_box(vec![0_u8; 100])));
            }
        });
        for _ in 0..200 {
            let now = OwnedSnapshot::capture().unwrap();
            let sum = now.tags.iter().fold(Counts::ZERO, |sum, tag| sum.plus(&tag.own));
            assert_eq!(sum, now.process.counts);
            assert!(now.tags.iter().all(|tag| tag.own.live_bytes_signed() >= 0));
        }
    });
}

#[cfg(feature = "serde")]
#[test]
fn owned_readings_are_written_and_read_back() {
    fn round_trip<T>(value: &T)
    where
        T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug,
    {
        let text = serde_json::to_string(value).unwrap();
        assert_eq!(&serde_json::from_str::<T>(&text).unwrap(), value, "{text}");
    }
    let kept = scope!("readings/serde", black_box(vec![0_u8; 4321]));
    let pool = heapledger::Pool::builder("readings_serde", || [0_u8; 100]).build().unwrap();
    let object = pool.acquire();
    let now = OwnedSnapshot::capture().unwrap();
    assert!(serde_json::to_string(&now).unwrap().contains("\"readings/serde\""));
    let read = now.pools.iter().find(|it| it.name == "readings_serde").unwrap();
    assert_eq!((read.in_use, read.created, read.misses), (1, 1, 1));
    drop(object);
    round_trip(&now);
    round_trip(&(now.process - now.process));
    round_trip(&threads().unwrap());
    round_trip(&heapledger::system_info());
    round_trip(&heapledger::self_overhead());
    round_trip(&heapledger::measure("readings/serde", || ()).unwrap().1);
    round_trip(&heapledger::bench::count(|| ()).unwrap());
    let report = heapledger::report().unwrap();
    let text = serde_json::to_string(&report).unwrap();
    assert_eq!(
        serde_json::from_str::<heapledger::Report>(&text).unwrap().rows.len(),
        report.rows.len()
    );
    drop(kept);
}
