//! What a backend tells agrees with what it says it can tell, and with the truth
//! (hazard 26: nothing is told that is not known).

use crate::{Block, for_each_backend};
use heapledger_alloc_sys::{Backend, PurgeError, Statistics};

for_each_backend!(capabilities_are_true);

fn capabilities_are_true<B: Backend>(backend: &B) {
    let can = B::capabilities();
    assert_eq!(can.statistics, B::statistics().allocated_bytes.is_some(), "{}", B::NAME);
    assert_eq!(can.thread_allocated, B::thread_allocated_bytes().is_some(), "{}", B::NAME);
    assert_eq!(can.purge, B::purge() != Err(PurgeError::Unsupported), "{}", B::NAME);
    let block = Block::new(backend, 100, 8, false).expect("memory");
    assert_eq!(can.usable_size, block.usable_size().is_some(), "{}", B::NAME);
    if let Some(version) = B::version() {
        assert!(version.starts_with(|first: char| first.is_ascii_digit()), "{version}");
        assert!(version.contains('.'), "{version}");
    }
    if !can.statistics {
        assert_eq!(B::statistics(), Statistics::default(), "{}", B::NAME);
    }
}

/// jemalloc counts per thread, in size classes, and never down.
#[cfg(all(target_os = "linux", feature = "backend-jemalloc"))]
#[test]
fn jemalloc_counts_the_thread() {
    use heapledger_alloc_sys::Jemalloc;
    let allocated = || Jemalloc::thread_allocated_bytes().expect("told");
    let before = allocated();
    let block = Block::new(&Jemalloc, 100, 8, false).expect("memory");
    let class = Jemalloc::size_class(block.layout).expect("a size class") as u64;
    assert_eq!(class, 112);
    assert_eq!(allocated(), before + class);
    drop(block);
    assert_eq!(allocated(), before + class);
    let other = std::thread::spawn(move || {
        drop(Block::new(&Jemalloc, 1 << 20, 8, false));
        Jemalloc::thread_allocated_bytes().expect("told")
    });
    assert!(other.join().expect("no panic") >= 1 << 20);
    assert_eq!(allocated(), before + class);
}

#[cfg(feature = "backend-mimalloc")]
#[test]
fn mimalloc_tells_its_version() {
    use heapledger_alloc_sys::Mimalloc;
    let version = Mimalloc::version().expect("told");
    assert_eq!(version.split('.').count(), 3, "{version}");
    assert!(version.starts_with("3.") || version.starts_with("2."), "{version}");
}
