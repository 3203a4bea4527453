//! Which backend serves, known to the readers once the first event has come.

use once_cell::race::OnceRef;

use heapledger_alloc_sys::{Backend, Capabilities, PurgeError, Statistics};

/// What the readers may ask of the backend, without knowing its type.
pub(crate) struct BackendInfo {
    pub(crate) name: &'static str,
    pub(crate) version: fn() -> Option<&'static str>,
    pub(crate) statistics: fn() -> Statistics,
    pub(crate) thread_allocated_bytes: fn() -> Option<u64>,
    pub(crate) purge: fn() -> Result<(), PurgeError>,
    pub(crate) capabilities: fn() -> Capabilities,
}

static INSTALLED: OnceRef<'static, BackendInfo> = OnceRef::new();

trait Describe {
    const INFO: BackendInfo;
}

impl<B: Backend> Describe for B {
    const INFO: BackendInfo = BackendInfo {
        name: B::NAME,
        version: B::version,
        statistics: B::statistics,
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
    }
}

/// The backend, if a heapledger allocator has served this process.
pub(crate) fn installed() -> Option<&'static BackendInfo> {
    INSTALLED.get()
}
