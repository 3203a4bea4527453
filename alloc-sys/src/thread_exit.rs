//! A notification at the very end of a thread, after Rust's thread-locals.
//!
//! POSIX thread-specific keys are destroyed after the destructors of thread-local
//! variables, so what a late destructor of the program allocates or frees has
//! been counted when the notification comes.

use core::ffi::c_void;
#[cfg(unix)]
use core::sync::atomic::{AtomicUsize, Ordering};

/// A place for one value per thread, whose destructor runs when the thread ends.
#[derive(Debug, Default)]
pub struct ExitKey {
    /// The key plus one; 0 before there is a key.
    #[cfg(unix)]
    key_plus_one: AtomicUsize,
}

impl ExitKey {
    /// A key that is not created yet.
    pub const fn new() -> Self {
        Self {
            #[cfg(unix)]
            key_plus_one: AtomicUsize::new(0),
        }
    }

    /// Has `destructor(value)` called when the calling thread ends.
    ///
    /// A second call on the same thread replaces the value; null disarms. Called
    /// by the destructor itself, it arms once more: the system goes at least four
    /// rounds. The end of the whole process, by `exit` or by the return of `main`,
    /// calls nothing.
    ///
    /// False if the system has no such notification or no key left; nothing will
    /// be called then.
    ///
    /// # Cost
    ///
    /// One `pthread_setspecific`; the first call in the process also creates the
    /// key. Neither takes a lock or calls the global allocator. (glibc keeps the
    /// first 32 keys of a process in the thread itself; for a later key it calls
    /// its own `calloc`, once per thread. The first allocation of a program comes
    /// early enough.)
    ///
    /// # Concurrency
    ///
    /// If several threads come first together, one creates the key they all use.
    ///
    /// # Safety
    ///
    /// - Every call on one `ExitKey` passes the same `destructor`.
    /// - `destructor` may be called with `value` on this thread when it ends.
    pub unsafe fn arm(
        &self,
        destructor: unsafe extern "C" fn(*mut c_void),
        value: *mut c_void,
    ) -> bool {
        #[cfg(unix)]
        {
            match self.key(destructor) {
                // SAFETY: the key exists and is never deleted.
                Some(key) => unsafe { libc::pthread_setspecific(key, value) == 0 },
                None => false,
            }
        }
        #[cfg(not(unix))]
        {
            let _ = (destructor, value);
            false
        }
    }

    /// The key, created if there is none yet.
    #[cfg(unix)]
    fn key(&self, destructor: unsafe extern "C" fn(*mut c_void)) -> Option<libc::pthread_key_t> {
        // Relaxed: a key is a number, no other memory comes with it.
        match self.key_plus_one.load(Ordering::Relaxed) {
            0 => self.create(destructor),
            stored => Some(stored.wrapping_sub(1) as libc::pthread_key_t),
        }
    }

    #[cfg(unix)]
    #[cold]
    fn create(&self, destructor: unsafe extern "C" fn(*mut c_void)) -> Option<libc::pthread_key_t> {
        let mut key: libc::pthread_key_t = 0;
        // SAFETY: `key` is valid for a write.
        if unsafe { libc::pthread_key_create(&raw mut key, Some(destructor)) } != 0 {
            return None;
        }
        // Relaxed: as in `key`.
        match self.key_plus_one.compare_exchange(
            0,
            (key as usize).wrapping_add(1),
            Ordering::Relaxed,
            Ordering::Relaxed,
        ) {
            Ok(_) => Some(key),
            Err(stored) => {
                // SAFETY: this key was created above and nobody else knows it.
                unsafe { libc::pthread_key_delete(key) };
                Some(stored.wrapping_sub(1) as libc::pthread_key_t)
            }
        }
    }
}
