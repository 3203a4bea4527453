//! What serves this process, with a proof.

use core::alloc::Layout;
use core::hint::black_box;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::alloc::{alloc, dealloc};

use heapledger_alloc_sys::os_pages;

use crate::alloc::exit;
use crate::alloc::install::{self, BackendInfo};
use crate::{os, snapshot};

/// What serves this process's allocations, and what it runs on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct SystemInfo {
    /// This crate's version.
    pub heapledger_version: String,
    /// The backend's name; `None` if heapledger serves nothing here.
    pub memory_allocator: Option<String>,
    /// The backend's own version, if it tells.
    pub memory_allocator_version: Option<String>,
    /// Whether a live test showed that this allocator serves the process; `proof`
    /// says how far it went.
    pub memory_allocator_verified: bool,
    /// How the live test went.
    pub proof: Proof,
    /// Processors this process may use, by its affinity and its cgroup; `None` if
    /// the system does not tell.
    pub cpu_count: Option<usize>,
    /// Bytes in a page of memory.
    pub page_bytes: usize,
    /// Bytes in a page as the backend was built for; `None` if it does not tell.
    pub memory_allocator_page_bytes: Option<usize>,
    /// Milliseconds since the process started; `None` if the system does not tell.
    pub uptime_ms: Option<u64>,
    /// Worker threads of the asynchronous runtime; `None` if none was told
    /// ([`set_runtime_threads`]).
    pub runtime_worker_threads: Option<usize>,
    /// The most threads the asynchronous runtime makes for blocking work; `None` if
    /// none was told ([`set_runtime_threads`]).
    pub runtime_max_blocking_threads: Option<usize>,
    /// Bits in an address.
    pub pointer_bits: u32,
    /// The architecture this was built for.
    pub target_arch: String,
    /// The operating system this was built for.
    pub target_os: String,
    /// Whether this was built with debug assertions: `cargo build` without
    /// `--release` does.
    pub debug_assertions: bool,
    /// How many forks lie between the process that began to count and this one.
    pub forks: u32,
}

/// How far the live test of the allocator went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Proof {
    /// A block was allocated; the ledger's counter for this thread moved by
    /// exactly its size, and the backend's own by at least that.
    LedgerAndBackend,
    /// The ledger's counter moved by exactly the block's size; this backend keeps
    /// no count by thread.
    Ledger,
    /// No heapledger allocator has served this process.
    NotInstalled,
    /// The calling thread has no counters of its own: ask on another one.
    ThreadNotCounted,
    /// There was no memory for the block.
    OutOfMemory,
    /// The ledger's counter did not move as it must.
    LedgerDidNotMove,
    /// The ledger's counter moved, the backend's did not: the block came from
    /// somewhere else.
    BackendDidNotMove,
}

impl Proof {
    /// Whether the test showed that the allocator serves this process.
    #[must_use]
    pub const fn is_positive(self) -> bool {
        matches!(self, Self::LedgerAndBackend | Self::Ledger)
    }
}

/// A number that the program tells, once it has told it.
struct Told(AtomicUsize);

impl Told {
    const NEVER: usize = usize::MAX;

    fn told(&self) -> Option<usize> {
        // Relaxed: a number for people.
        Some(self.0.load(Ordering::Relaxed)).filter(|told| *told != Self::NEVER)
    }
}

static RUNTIME_WORKERS: Told = Told(AtomicUsize::new(Told::NEVER));
static RUNTIME_BLOCKING: Told = Told(AtomicUsize::new(Told::NEVER));

/// Tells the threads of the program's asynchronous runtime, for [`system_info`]: no
/// runtime can be asked from outside.
///
/// # Examples
///
/// ```
/// heapledger::set_runtime_threads(4, 512);
/// assert_eq!(heapledger::system_info().runtime_worker_threads, Some(4));
/// ```
pub fn set_runtime_threads(workers: usize, max_blocking: usize) {
    RUNTIME_WORKERS.0.store(workers, Ordering::Relaxed);
    RUNTIME_BLOCKING.0.store(max_blocking, Ordering::Relaxed);
}

/// What serves this process, with a live proof.
///
/// Never fails: without heapledger as the global allocator it says so.
///
/// # Cost
///
/// Allocates and frees 8 MiB, which are not touched; some allocations for the
/// result.
///
/// # Examples
///
/// ```
/// # #[global_allocator]
/// # static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
/// let info = heapledger::system_info();
/// assert!(info.memory_allocator_verified, "{:?}", info.proof);
/// println!("{:?} on {:?} processors", info.memory_allocator, info.cpu_count);
/// ```
#[must_use]
pub fn system_info() -> SystemInfo {
    let proof = prove();
    // After the proof: a program may have allocated nothing before it.
    let backend = install::installed();
    SystemInfo {
        heapledger_version: env!("CARGO_PKG_VERSION").to_owned(),
        memory_allocator: backend.map(|backend| backend.name.to_owned()),
        memory_allocator_version: backend
            .and_then(|backend| (backend.version)())
            .map(str::to_owned),
        memory_allocator_verified: proof.is_positive(),
        proof,
        cpu_count: std::thread::available_parallelism().ok().map(usize::from),
        page_bytes: os_pages::page_size(),
        memory_allocator_page_bytes: backend.and_then(|backend| (backend.page_bytes)()),
        uptime_ms: os::uptime_ms(),
        runtime_worker_threads: RUNTIME_WORKERS.told(),
        runtime_max_blocking_threads: RUNTIME_BLOCKING.told(),
        pointer_bits: usize::BITS,
        target_arch: std::env::consts::ARCH.to_owned(),
        target_os: std::env::consts::OS.to_owned(),
        debug_assertions: cfg!(debug_assertions),
        forks: exit::forks(),
    }
}

/// The block of the proof: larger than anything that is kept in a cache.
const PROOF: Layout = match Layout::from_size_align(8 << 20, 8) {
    Ok(layout) => layout,
    Err(_) => panic!("8 MiB aligned to 8 is a layout"),
};

/// Allocates a block the way every program does, and looks at the counters.
fn prove() -> Proof {
    let Some(backend) = install::installed() else {
        return Proof::NotInstalled;
    };
    let Ok(before) = snapshot::thread() else {
        return Proof::ThreadNotCounted;
    };
    let backend_before = (backend.thread_allocated_bytes)();
    // SAFETY: the size is not 0.
    let block = black_box(unsafe { alloc(PROOF) });
    if block.is_null() {
        return Proof::OutOfMemory;
    }
    let moved = snapshot::thread().map(|after| after.since(&before));
    let proof = match moved {
        Ok(moved)
            if (moved.allocated_bytes, moved.allocated_blocks) == (PROOF.size() as u64, 1) =>
        {
            backend_proof(backend, backend_before)
        }
        _ => Proof::LedgerDidNotMove,
    };
    // SAFETY: allocated above with this layout.
    unsafe { dealloc(block, PROOF) };
    proof
}

fn backend_proof(backend: &BackendInfo, before: Option<u64>) -> Proof {
    match before.zip((backend.thread_allocated_bytes)()) {
        None => Proof::Ledger,
        Some((before, after)) if after.wrapping_sub(before) >= PROOF.size() as u64 => {
            Proof::LedgerAndBackend
        }
        Some(_) => Proof::BackendDidNotMove,
    }
}
