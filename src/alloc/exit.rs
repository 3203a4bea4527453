//! The end of a thread, and the beginning of a forked process.

use core::ffi::c_void;
use core::sync::atomic::{AtomicU32, Ordering};

use heapledger_alloc_sys::thread_exit::ExitKey;
use heapledger_alloc_sys::{atfork, os_thread};

use crate::ledger::fault::FAULTS;
use crate::ledger::registry;
use crate::ledger::shard::Shard;

use super::local::local;

static EXIT_KEY: ExitKey = ExitKey::new();

/// Forks between the first process and this one.
static FORKS: AtomicU32 = AtomicU32::new(0);

/// Arranges that the shard is given back when the calling thread ends: after
/// the destructors of Rust's thread-locals, whose events it still counts.
pub(crate) fn expect(shard: &'static Shard) {
    shard.set_os_thread_id(os_thread::id());
    let value = core::ptr::from_ref(shard).cast_mut().cast::<c_void>();
    // SAFETY: the one destructor of this key, which only needs a shard's address.
    if !unsafe { EXIT_KEY.arm(thread_ends, value) } {
        FAULTS.no_exit_notice.raise();
    }
}

/// Later events of this thread (destructors of other keys run in up to four
/// rounds) go to the shared shard.
unsafe extern "C" fn thread_ends(_shard: *mut c_void) {
    if let Some(shard) = local().retire() {
        registry::release(shard);
    }
}

/// Registers the fork handler; called once.
pub(crate) fn watch_forks() {
    if !atfork::on_child(forked) && cfg!(unix) {
        FAULTS.no_fork_notice.raise();
    }
}

extern "C" fn forked() {
    let shard = local().shard();
    registry::keep_only(shard);
    if let Some(shard) = shard {
        shard.set_os_thread_id(os_thread::id());
    }
    // Relaxed: a forked child has one thread.
    FORKS.fetch_add(1, Ordering::Relaxed);
}

/// How many forks lie between the first process and this one.
pub(crate) fn forks() -> u32 {
    FORKS.load(Ordering::Relaxed)
}
