//! What the backend tells and does, for whoever serves this process.

use heapledger_alloc_sys::{Capabilities, PurgeError, SizeClass, Statistics};

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

/// How many blocks of each size class the backend has handed out: a histogram of
/// the process's blocks by size, smallest first. Classes that were never used are
/// left out.
///
/// The backend's own counts: blocks that threads keep cached after `free` are
/// among the live ones. By tag, blocks are counted without sizes:
/// [`Tag::read`](crate::Tag::read).
///
/// # Cost
///
/// Some 100 µs, as [`backend_statistics`], and the result.
///
/// # Errors
///
/// - [`ErrorKind::NotInstalled`] if no heapledger allocator serves the process.
/// - [`ErrorKind::BackendUnsupported`] if the backend does not count by size: only
///   jemalloc does, on 64-bit targets.
///
/// # Examples
///
/// ```
/// # #[global_allocator]
/// # static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
/// let kept: Vec<_> = (0..100).map(|_| vec![0_u8; 3000]).collect();
/// # #[cfg(all(target_os = "linux", target_pointer_width = "64"))] {
/// for class in heapledger::size_classes().unwrap() {
///     println!("{} blocks of {} bytes", class.live_blocks, class.block_bytes);
/// }
/// # }
/// # drop(kept);
/// ```
pub fn size_classes() -> Result<Vec<SizeClass>, Error> {
    let backend = backend()?;
    let mut classes = Vec::with_capacity(256);
    let mut note = |class: SizeClass| {
        if class.allocated_blocks != 0 || class.live_blocks != 0 {
            classes.push(class);
        }
    };
    (backend.size_classes)(&mut note).ok_or(Error::new(ErrorKind::BackendUnsupported))?;
    Ok(classes)
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
