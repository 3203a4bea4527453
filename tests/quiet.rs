//! What is true of a whole process, in a process where nothing else happens: one
//! test, whose parts run one after the other.

use std::hint::black_box;
use std::sync::Barrier;

use heapledger::{
    External, ExternalKind, Report, RowKind, SnapshotRing, Tag, TagReading, scope, snapshot, thread,
};

#[path = "support/harness.rs"]
mod harness;

#[global_allocator]
static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();

const MIB: i64 = 1 << 20;

#[test]
fn a_quiet_process() {
    harness::wait_for_the_harness();
    deltas_are_exact();
    readings_do_not_allocate();
    the_ring_keeps_the_last_hundred();
    the_check_finds_nothing_wrong();
    one_run_is_counted_exactly();
    the_allocator_is_proved();
    the_report_sums_to_the_resident_size();
    untouched_pages_are_unexplained();
    idle_threads_leave_no_row_below_zero();
    the_table_is_readable();
    purging_returns_pages();
    the_tables_are_small();
    backend_quantities_are_in_order();
    blocks_are_counted_by_size();
    memory_of_others_is_beside_the_heap();
}

fn deltas_are_exact() {
    let before = snapshot().unwrap();
    let block = black_box(vec![0_u8; 1_000_000]);
    let between = snapshot().unwrap();
    drop(block);
    let after = snapshot().unwrap();
    assert_eq!((between - before).live_bytes(), 1_000_000);
    assert_eq!((between - before).live_blocks(), 1);
    assert_eq!((after - before).live_bytes(), 0);
    assert_eq!((after - before).allocated_bytes, 1_000_000);
    assert_eq!((after - before) + before, after);
    assert_eq!(after.peak_live_bytes, between.live_bytes());
    assert!(after.seq > between.seq && after.monotonic_ns > between.monotonic_ns);
    assert!(after.unix_ms > 1_700_000_000_000);
    assert!(after.vms_bytes >= after.rss_bytes && after.fds.unwrap() >= 3);
}

fn readings_do_not_allocate() {
    let mut buffer = vec![TagReading::EMPTY; heapledger::TAGS_MAX];
    let mut ring = Box::new(SnapshotRing::<100>::new());
    let tag = heapledger::Tag::register("quiet").unwrap();
    let before = thread().unwrap();
    snapshot().unwrap();
    heapledger::snapshot_with_backend().unwrap();
    heapledger::snapshot_tags(&mut buffer).unwrap();
    tag.read().unwrap();
    heapledger::read_tag(heapledger::TagId::UNTAGGED).unwrap();
    heapledger::backend_statistics().unwrap();
    heapledger::backend_capabilities().unwrap();
    let _ = heapledger::faults();
    heapledger::self_check().unwrap();
    let _ = heapledger::self_overhead();
    heapledger::measure("quiet", || ()).unwrap();
    heapledger::bench::count(|| ()).unwrap();
    ring.record(Some("label")).unwrap();
    assert_eq!(thread().unwrap(), before);
}

fn the_ring_keeps_the_last_hundred() {
    let mut ring: SnapshotRing = SnapshotRing::new();
    let first = snapshot().unwrap().seq + 1;
    for _ in 0..150 {
        ring.record(None).unwrap();
    }
    let seqs: Vec<u64> = ring.iter().map(|entry| entry.snapshot.seq - first + 1).collect();
    assert_eq!(seqs, (51..=150).collect::<Vec<_>>());
    let stats = ring.stats().unwrap();
    assert_eq!((stats.count, stats.live_bytes_growth), (100, 0));
    assert!(stats.start_unix_ms <= stats.end_unix_ms);
}

fn the_check_finds_nothing_wrong() {
    let kept: Vec<_> = (1..100).map(|n| scope!("quiet/kept", vec![0_u8; n * 7])).collect();
    let handed = scope!("quiet/handed", vec![0_u8; 5000]);
    std::thread::spawn(move || drop(handed)).join().unwrap();
    assert_eq!(heapledger::self_check(), Ok(()));
    drop(kept);
    assert_eq!(heapledger::self_check(), Ok(()));
}

/// Every block size and order in which a peak could be missed.
fn one_run_is_counted_exactly() {
    let usage = heapledger::bench::count(|| {
        let mut held = Vec::with_capacity(1000);
        let mut most = 0;
        for n in 0..1000_usize {
            held.push(black_box(vec![0_u8; n % 23 + 1]));
            if n % 3 == 2 {
                held.swap_remove(n % held.len());
            }
            most = most.max(held.iter().map(Vec::len).sum());
        }
        most
    });
    let usage = usage.unwrap();
    let list_bytes = 1000 * size_of::<Vec<u8>>() as u64;
    let blocks: u64 = (0..1000).map(|n| n % 23 + 1).sum();
    assert_eq!(usage.allocated_bytes, blocks + list_bytes);
    assert_eq!(usage.allocated_blocks, 1001);
    // The same again, by hand.
    let (mut held, mut live, mut most) = (Vec::new(), 0_u64, 0_u64);
    for n in 0..1000_usize {
        held.push(n % 23 + 1);
        live += (n % 23 + 1) as u64;
        most = most.max(live);
        if n % 3 == 2 {
            live -= held.swap_remove(n % held.len()) as u64;
        }
    }
    assert_eq!(usage.peak_live_bytes, most + list_bytes);
}

fn the_allocator_is_proved() {
    let info = heapledger::system_info();
    assert!(info.memory_allocator_verified, "{info:?}");
    assert!(info.proof.is_positive());
    assert_eq!(info.heapledger_version, env!("CARGO_PKG_VERSION"));
    assert!(info.cpu_count.unwrap() >= 1);
    assert!(info.page_bytes >= 4096 && info.page_bytes.is_power_of_two());
    // With jemalloc it tells; larger than the system's is no error.
    assert!(info.memory_allocator_page_bytes.is_none_or(|bytes| bytes >= info.page_bytes));
    assert_eq!(info.memory_allocator_page_bytes.is_some(), cfg!(target_os = "linux"));
    assert!(info.uptime_ms.is_some_and(|ms| ms < 3_600_000));
    assert_eq!(info.runtime_worker_threads, None);
    assert_eq!((info.pointer_bits, info.forks), (usize::BITS, 0));
}

fn sum(report: &Report) -> i64 {
    report.rows.iter().map(|row| row.bytes).sum()
}

fn the_report_sums_to_the_resident_size() {
    let model = scope!("embedding_model", black_box(vec![1_u8; 20 << 20]));
    let postings: Vec<_> =
        (0..1000).map(|_| scope!("index/postings", black_box(vec![1_u8; 3000]))).collect();
    let report = heapledger::report().unwrap();
    assert_eq!(sum(&report), report.rss_bytes as i64);
    let kernel = snapshot().unwrap().rss_bytes.unwrap();
    assert!(report.rss_bytes.abs_diff(kernel) <= kernel / 50, "{} {kernel}", report.rss_bytes);

    let row = |name: &str| report.rows.iter().find(|row| row.name == name).unwrap();
    assert_eq!(row("embedding_model").bytes, 20 * MIB);
    assert_eq!(row("index/postings").bytes, 3_000_000);
    assert_eq!(row("index/postings").tag.unwrap().blocks, 1000);
    assert_eq!(row("index").bytes, 0);
    assert_eq!(row("index").tag.unwrap().with_children_bytes, 3_000_000);
    assert_eq!((row("index").depth, row("index/postings").depth), (0, 1));
    let untagged = report.row(RowKind::Tag(heapledger::TagId::UNTAGGED)).unwrap();
    assert!(untagged.bytes > 0);
    let tags: i64 = report.rows.iter().filter(|row| row.tag.is_some()).map(|row| row.bytes).sum();
    assert_eq!(tags, report.counts.live_bytes() as i64);
    let shares: f64 = report.rows.iter().map(|row| row.share).sum();
    assert!((shares - 1.0).abs() < 1e-9);
    assert!(report.row(RowKind::Files).unwrap().bytes > 0);
    assert!(report.row(RowKind::Stacks).unwrap().bytes > 0);
    drop((model, postings));
}

fn untouched_pages_are_unexplained() {
    let rest = |report: &Report| report.row(RowKind::Unexplained).unwrap().bytes;
    let before = heapledger::report().unwrap();
    let untouched = scope!("untouched", black_box(Vec::<u8>::with_capacity(100 << 20)));
    let after = heapledger::report().unwrap();
    assert_eq!(sum(&after), after.rss_bytes as i64);
    assert!(after.rss_bytes < before.rss_bytes + (10 << 20));
    assert!((rest(&before) - rest(&after) - 100 * MIB).abs() < 5 * MIB);
    drop(untouched);
}

/// The caches of threads are jemalloc's own and in its blocks: they are one row, once.
fn idle_threads_leave_no_row_below_zero() {
    let (all_ready, all_read) = (Barrier::new(201), Barrier::new(201));
    std::thread::scope(|threads| {
        for _ in 0..200 {
            threads.spawn(|| {
                black_box(vec![1_u8; 100]);
                all_ready.wait();
                all_read.wait();
            });
        }
        all_ready.wait();
        let report = heapledger::report();
        all_read.wait();
        let report = report.unwrap();
        assert_eq!(sum(&report), report.rss_bytes as i64);
        let kinds = [RowKind::SizeClassWaste, RowKind::Fragmentation, RowKind::UnusedPages];
        for row in kinds.into_iter().filter_map(|kind| report.row(kind)) {
            assert!(row.bytes >= 0, "{row:?}");
        }
        if let Some(waste) = report.row(RowKind::SizeClassWaste) {
            assert!(waste.bytes < 4 * MIB, "{waste:?}");
        }
    });
}

fn the_table_is_readable() {
    let long = format!("quiet/{}", "long ".repeat(20).trim());
    let tag = heapledger::Tag::register(&long).unwrap();
    let kept = tag.run(|| black_box(vec![1_u8; 1 << 20]));
    let many: Vec<_> = (0..100)
        .map(|n| heapledger::Tag::register(&format!("many/{n}")).unwrap())
        .map(|tag| tag.run(|| black_box(vec![1_u8; 10])))
        .collect();
    let report = heapledger::report().unwrap();
    let (short, full) = (report.to_string(), format!("{report:#}"));
    for line in short.lines().chain(full.lines()) {
        assert!(line.chars().count() <= 100, "{line}");
    }
    assert!(short.contains("more tags)") && !full.contains("more tags)"));
    assert!(full.lines().count() > 100);
    for needle in ["component", "(untagged)", "unexplained", "resident (RSS)", "100.0 %", "…"] {
        assert!(short.contains(needle), "{needle}");
    }
    drop((kept, many));
}

/// Of the other backends, glibc keeps what is free at the end of an arena.
fn purging_returns_pages() {
    if heapledger::report().unwrap().backend != "jemalloc" {
        return;
    }
    heapledger::purge().unwrap();
    let before = snapshot().unwrap();
    let blocks: Vec<_> = (0..10_000).map(|_| black_box(vec![1_u8; 4000])).collect();
    drop(blocks);
    heapledger::purge().unwrap();
    let after = snapshot().unwrap();
    assert!((after - before).rss_bytes.unwrap() < 8 * MIB, "{:?}", after - before);
}

fn the_tables_are_small() {
    let overhead = heapledger::self_overhead();
    assert!(overhead.is_resident && overhead.threads >= 1);
    let sum = overhead.statics_bytes + overhead.threads_bytes + overhead.tag_map_bytes;
    assert_eq!(overhead.total_bytes(), sum);
    assert!(sum <= (1 << 20) + overhead.threads * (16 << 10), "{overhead:?}");
    assert!(overhead.threads_bytes >= overhead.threads * 4096);
}

fn backend_quantities_are_in_order() {
    let now = heapledger::snapshot_with_backend().unwrap();
    let known = |bytes: Option<u64>| bytes.unwrap_or(u64::MAX);
    assert!(now.live_bytes() <= known(now.backend_allocated_bytes));
    assert!(now.backend_allocated_bytes <= Some(known(now.active_bytes)));
    assert!(now.active_bytes <= Some(known(now.resident_bytes)));
}

fn blocks_are_counted_by_size() {
    // 3,000 bytes come from the class of 3,072.
    let live = || {
        let classes = heapledger::size_classes().unwrap();
        assert!(classes.is_sorted_by_key(|class| class.block_bytes));
        let blocks: u64 = classes.iter().map(|class| class.live_blocks).sum();
        assert!(blocks >= heapledger::counts().unwrap().live_blocks(), "{blocks}");
        let class = classes.iter().find(|class| class.block_bytes == 3072);
        class.map_or(0, |class| class.live_blocks)
    };
    heapledger::purge().unwrap();
    let before = live();
    let kept: Vec<Vec<u8>> = (0..1000).map(|_| black_box(vec![0_u8; 3000])).collect();
    // What the thread's cache holds beyond.
    assert!((1000..1100).contains(&(live() - before)), "{} and {before}", live());
    drop(kept);
    heapledger::purge().unwrap();
    assert_eq!(live(), before);
}

fn memory_of_others_is_beside_the_heap() {
    static GPU: Tag = Tag::new("quiet/model");
    let before = snapshot().unwrap();
    let charge = External::charge(&GPU, ExternalKind::Device, 64 << 20).unwrap();
    let with = snapshot().unwrap();
    assert_eq!((with - before).external_bytes, 64 * MIB);
    assert_eq!(((with - before).live_bytes(), (with - before).allocated_blocks), (0, 0));
    let report = heapledger::report().unwrap();
    assert_eq!(report.external.device_bytes, 64 << 20);
    assert_eq!(sum(&report), report.rss_bytes as i64);
    let row = report.rows.iter().find(|row| row.name == "quiet/model").unwrap();
    assert_eq!((row.bytes, row.tag.unwrap().external_bytes), (0, 64 << 20));
    let table = report.to_string();
    let line = table.lines().find(|line| line.contains("+ external")).unwrap();
    assert!(line.ends_with("64.0 MiB"), "{table}");
    drop(charge);
    assert_eq!((snapshot().unwrap() - before).external_bytes, 0);
}
