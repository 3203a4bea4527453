//! The child of `fork` is told that it is one (hazard 4).

#![cfg(unix)]

use std::sync::atomic::{AtomicUsize, Ordering};

use heapledger_alloc_sys::atfork;

static CALLS: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count() {
    CALLS.fetch_add(1, Ordering::Relaxed);
}

/// Forks; the child exits with the number of calls that it has seen.
fn calls_in_child() -> i32 {
    // SAFETY: the child only loads an atomic and exits.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let calls = CALLS.load(Ordering::Relaxed);
        // SAFETY: ends the process without running anything of the parent's.
        unsafe { libc::_exit(i32::try_from(calls).unwrap_or(99)) };
    }
    assert!(child > 0, "fork: {}", std::io::Error::last_os_error());
    let mut status = 0;
    // SAFETY: the child is ours, `status` is valid for a write.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert!(libc::WIFEXITED(status), "{status:#x}");
    libc::WEXITSTATUS(status)
}

#[test]
fn the_child_is_told_and_the_parent_is_not() {
    assert_eq!(calls_in_child(), 0);
    assert!(atfork::on_child(count));
    for _ in 0..20 {
        assert_eq!(calls_in_child(), 1);
    }
    assert_eq!(CALLS.load(Ordering::Relaxed), 0);
}
