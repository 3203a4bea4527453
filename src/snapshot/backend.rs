//! What the backend tells and does, for whoever serves this process.

use heapledger_alloc_sys::{Capabilities, PurgeError, Statistics};

use crate::alloc::install::{self, BackendInfo};
use crate::error::{Error, ErrorKind};

/// The backend, or the error of every reading where there is none.
pub(crate) fn backend() -> Result<&'static BackendInfo, Error> {
    install::installed().ok_or(Error::new(ErrorKind::NotInstalled))
}

/// The backend's statistics now; what it does not tell is `None`.
///
/// # Cost
///
/// jemalloc gathers them from every arena: 10 to 120 µs. No allocation.
///
/// # Errors
///
/// [`ErrorKind::NotInstalled`] if no heapledger allocator serves the process.
///
/// # Examples
///
/// ```
/// # #[global_allocator]
/// # static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
/// # let kept = vec![0_u8; 1000];
/// let statistics = heapledger::backend_statistics().unwrap();
/// assert!(statistics.allocated_bytes.is_none_or(|bytes| bytes >= 1000));
/// ```
pub fn backend_statistics() -> Result<Statistics, Error> {
    Ok((backend()?.statistics)())
}

/// What the backend can do beyond serving memory.
///
/// # Errors
///
/// [`ErrorKind::NotInstalled`] if no heapledger allocator serves the process.
///
/// # Examples
///
/// ```
/// # #[global_allocator]
/// # static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
/// # let kept = vec![0_u8; 1000];
/// if heapledger::backend_capabilities().unwrap().statistics {
///     assert!(heapledger::backend_statistics().unwrap().allocated_bytes.is_some());
/// }
/// ```
pub fn backend_capabilities() -> Result<Capabilities, Error> {
    Ok((backend()?.capabilities)())
}

/// Has the backend return unused pages to the operating system.
///
/// # Cost
///
/// Depends on how much there is to return: microseconds to milliseconds, and the
/// pages cost a fault each when they are used again.
///
/// # Errors
///
/// - [`ErrorKind::NotInstalled`] if no heapledger allocator serves the process.
/// - [`ErrorKind::BackendUnsupported`] if the backend has no such thing.
/// - [`ErrorKind::BackendRefused`] with the backend's own error number.
///
/// # Examples
///
/// ```
/// # #[global_allocator]
/// # static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
/// drop(vec![1_u8; 10 << 20]);
/// heapledger::purge().unwrap();
/// ```
pub fn purge() -> Result<(), Error> {
    (backend()?.purge)().map_err(|error| match error {
        PurgeError::Unsupported => Error::new(ErrorKind::BackendUnsupported),
        PurgeError::Failed(code) => Error::new(ErrorKind::BackendRefused { code }),
    })
}
