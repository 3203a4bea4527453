//! Which backend serves, known to the readers once the first event has come.

use core::any::TypeId;
use core::sync::atomic::{AtomicBool, Ordering};

use once_cell::race::OnceRef;

use heapledger_alloc_sys::{Backend, Capabilities, PurgeError, SizeClass, Statistics};

/// What the readers may ask of the backend, without knowing its type.
pub(crate) struct BackendInfo {
    backend: TypeId,
    pub(crate) name: &'static str,
    pub(crate) version: fn() -> Option<&'static str>,
    pub(crate) statistics: fn() -> Statistics,
    pub(crate) page_bytes: fn() -> Option<usize>,
    pub(crate) size_classes: fn(&mut dyn FnMut(SizeClass)) -> Option<()>,
    pub(crate) thread_allocated_bytes: fn() -> Option<u64>,
    pub(crate) purge: fn() -> Result<(), PurgeError>,
    pub(crate) capabilities: fn() -> Capabilities,
}

static INSTALLED: OnceRef<'static, BackendInfo> = OnceRef::new();

/// Whether allocators over different backends count in this ledger.
static MIXED: AtomicBool = AtomicBool::new(false);

trait Describe {
    const INFO: BackendInfo;
}

impl<B: Backend> Describe for B {
    const INFO: BackendInfo = BackendInfo {
        backend: TypeId::of::<B>(),
        name: B::NAME,
        version: B::version,
        statistics: B::statistics,
        page_bytes: B::page_bytes,
        size_classes: B::size_classes,
        thread_allocated_bytes: B::thread_allocated_bytes,
        purge: B::purge,
        capabilities: B::capabilities,
    };
}

/// Notes the backend of the allocator that serves this process; the first wins.
#[cold]
pub(crate) fn note<B: Backend>() {
    if INSTALLED.set(const { &<B as Describe>::INFO }).is_ok() {
        super::exit::watch_forks();
    } else if installed().is_some_and(|first| first.backend != TypeId::of::<B>()) {
        // Relaxed: a flag for readers, set once and for all.
        MIXED.store(true, Ordering::Relaxed);
    }
}

/// The backend, if a heapledger allocator has served this process.
pub(crate) fn installed() -> Option<&'static BackendInfo> {
    INSTALLED.get()
}

/// Whether the one backend that readers ask serves only a part of the ledger's
/// blocks.
pub(crate) fn is_mixed() -> bool {
    MIXED.load(Ordering::Relaxed)
}
