//! A backend about which nothing is known: what it does not tell is `None`, and
//! the report still sums to the resident size.

use std::alloc::System;
use std::hint::black_box;

use heapledger::backend::Wrapped;
use heapledger::{Allocator, ErrorKind, Proof, RowKind, Statistics, scope};

#[global_allocator]
static GLOBAL: Allocator<Wrapped<System>> = Allocator::with_backend(Wrapped::new(System));

#[test]
fn what_a_backend_does_not_tell_is_none() {
    let kept = scope!("kept", black_box(vec![1_u8; 10 << 20]));
    assert_eq!(heapledger::backend_statistics(), Ok(Statistics::default()));
    let now = heapledger::snapshot_with_backend().unwrap();
    assert_eq!((now.active_bytes, now.resident_bytes), (None, None));
    assert!(now.to_string().starts_with("live 10MB, external 0MB, rss "), "{now}");
    assert_eq!(heapledger::purge().unwrap_err().kind(), ErrorKind::BackendUnsupported);

    let report = heapledger::report().unwrap();
    let sum: i64 = report.rows.iter().map(|row| row.bytes).sum();
    assert_eq!(sum, report.rss_bytes as i64);
    for kind in [
        RowKind::SizeClassWaste,
        RowKind::Fragmentation,
        RowKind::AllocatorMetadata,
        RowKind::UnusedPages,
        RowKind::CHeap,
    ] {
        assert!(report.row(kind).is_none(), "{kind:?}");
    }
    assert!(report.to_string().contains("does not tell all"), "{report}");

    let info = heapledger::system_info();
    assert!(info.memory_allocator_verified);
    assert_eq!(info.proof, Proof::Ledger);
    assert_eq!(info.memory_allocator.as_deref(), Some("wrapped"));
    assert_eq!(info.memory_allocator_version, None);

    let usage = heapledger::bench::count(|| black_box(vec![1_u8; 77])).unwrap();
    assert_eq!((usage.allocated_bytes, usage.peak_live_bytes), (77, 77));
    assert_eq!(usage.resident_growth_bytes, None);
    assert_eq!(heapledger::size_classes().unwrap_err().kind(), ErrorKind::BackendUnsupported);
    assert_eq!(heapledger::self_check(), Ok(()));
    drop(kept);
}
