//! `measure`: what a piece of work took, kept, and needed at most.

use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};

use heapledger::{Error, ErrorKind, Measurement, Tag, TagError, measure, scope};

use super::{live, thread_during};

const MIB: u64 = 1 << 20;

fn measured<T>(name: &str, work: impl FnOnce() -> T) -> Measurement {
    measure(name, work).expect("an installed allocator and a valid name").1
}

#[test]
fn what_is_kept_is_the_delta_to_the_byte() {
    let (kept, m) = measure("measuring/kept", || black_box(vec![1_u8; 10 << 20])).unwrap();
    assert_eq!(m.live_bytes_delta, 10 << 20);
    assert_eq!((m.allocated_bytes, m.allocated_blocks), (10 * MIB, 1));
    assert_eq!((m.freed_bytes, m.freed_blocks), (0, 0));
    assert!(m.rss_bytes_delta.is_some() && m.available_bytes_delta.is_some(), "{m:?}");
    assert_eq!(live("measuring/kept"), (10 * MIB, 1));
    drop(kept);
}

#[test]
fn what_is_dropped_is_in_the_peak() {
    let m = measured("measuring/dropped", || drop(black_box(vec![0_u8; 10 << 20])));
    assert_eq!(m.live_bytes_delta, 0);
    assert_eq!(m.peak_live_bytes, 10 * MIB);
    assert_eq!((m.freed_bytes, m.freed_blocks), (10 * MIB, 1));
}

#[test]
fn the_peak_is_that_of_the_window() {
    static TAG: Tag = Tag::new("measuring/window");
    drop(TAG.run(|| black_box(vec![0_u8; 8 << 20])));
    assert_eq!(TAG.read().unwrap().peak_live_bytes, 8 * MIB);
    let (_, m) = TAG.measure(|| drop(black_box(vec![0_u8; 1 << 20]))).unwrap();
    assert_eq!(m.peak_live_bytes, MIB);
    // The tag's own peak was not lowered.
    assert_eq!(TAG.read().unwrap().peak_live_bytes, 8 * MIB);
}

#[test]
fn the_peak_of_many_small_blocks_is_close() {
    let m = measured("measuring/small", || {
        for _ in 0..3 {
            let list: Vec<Box<[u8; 48]>> = (0..40_000).map(|_| Box::new([7; 48])).collect();
            drop(black_box(list));
        }
    });
    let truth = 40_000 * 48 + 40_000 * 8;
    let missed = truth - m.peak_live_bytes;
    assert!(missed <= 4096_u64.max(truth / 256), "{missed} bytes missed");
    assert_eq!(m.live_bytes_delta, 0);
}

#[test]
fn children_are_included_and_other_names_are_not() {
    let m = measured("measuring/parent", || {
        let child = scope!("measuring/parent/child", vec![0_u8; 50_000]);
        let other = scope!("measuring/elsewhere", vec![0_u8; 70_000]);
        drop(black_box((child, other)));
    });
    assert_eq!((m.allocated_bytes, m.allocated_blocks), (50_000, 1));
    assert_eq!(m.peak_live_bytes, 50_000);
    assert_eq!((m.thread.allocated_bytes, m.thread.allocated_blocks), (120_000, 2));
    assert_eq!(m.thread.live_bytes(), 0);
}

#[test]
fn measurements_nest() {
    let (inner, outer) = measure("measuring/outer", || {
        let first = vec![0_u8; 20_000];
        let inner = measured("measuring/outer/inner", || drop(black_box(vec![0_u8; 30_000])));
        drop(black_box((first, vec![0_u8; 10_000])));
        inner
    })
    .unwrap();
    assert_eq!((inner.peak_live_bytes, outer.peak_live_bytes), (30_000, 50_000));
    assert_eq!((inner.allocated_bytes, outer.allocated_bytes), (30_000, 60_000));
}

#[test]
fn work_on_another_thread_under_the_tag_is_counted() {
    static TAG: Tag = Tag::new("measuring/threads");
    let (kept, m) = TAG
        .measure(|| {
            std::thread::spawn(|| TAG.run(|| black_box(vec![0_u8; 300_000]))).join().unwrap()
        })
        .unwrap();
    // The thread's own handle and packet are the calling thread's, under the tag.
    assert!(m.live_bytes_delta >= 300_000 && m.live_bytes_delta < 310_000, "{m:?}");
    assert!(m.peak_live_bytes >= 300_000);
    assert!(m.thread.allocated_bytes < 10_000);
    drop(kept);
}

#[test]
fn a_panic_leaves_no_scope_and_no_window_behind() {
    let work = AssertUnwindSafe(|| -> Vec<u8> {
        let _held = black_box(vec![0_u8; 5000]);
        std::panic::resume_unwind(Box::new(()));
    });
    for _ in 0..5000 {
        // More often than there are windows.
        assert!(catch_unwind(|| measure("measuring/panic", work.0)).is_err());
    }
    assert_eq!(live("measuring/panic"), (0, 0));
    let (kept, counts) = thread_during(|| black_box(vec![0_u8; 1000]));
    assert_eq!(counts.allocated_bytes, 1000);
    assert_eq!(live("measuring/panic"), (0, 0));
    drop(kept);
}

/// Each measurement gives the thread a new interval between two looks at the peaks;
/// what the last one had used up of its own is looked at all the same.
#[test]
fn many_short_measurements_hide_no_peak() {
    let mut kept: Vec<Vec<u8>> = Vec::with_capacity(1000);
    for _ in 0..1000 {
        measured("measuring/short", || kept.push(black_box(vec![1_u8; 2048])));
    }
    drop(kept);
    let reading = Tag::register("measuring/short").unwrap().read().unwrap();
    let missed = 2048 * 1000 - reading.peak_live_bytes;
    assert!(missed <= 256 << 10, "{missed} bytes missed");
}

#[test]
fn a_bad_name_runs_nothing() {
    let mut ran = false;
    let error = measure("a//b", || ran = true).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidTag(TagError::EmptyLevel(2)));
    assert!(error.to_string().contains("parent/child"), "{error}");
    assert!(!ran);
}

/// The snippet of row T32, which its own project documents and does not keep:
/// what a component took between two marks of different names.
#[test]
fn a_component_between_two_marks() {
    let component = |name: &str| -> Result<f64, Error> {
        let tag = Tag::register(name).expect("a valid name");
        Ok(tag.read()?.with_children.live_bytes() as f64 / (1 << 20) as f64)
    };
    let before = component("embedding_model").unwrap();
    let model = scope!("embedding_model", black_box(vec![1_u8; 72 << 20]));
    let noise = scope!("something_else", black_box(vec![1_u8; 1 << 20]));
    assert_eq!(component("embedding_model").unwrap() - before, 72.0);
    drop((model, noise));
}
