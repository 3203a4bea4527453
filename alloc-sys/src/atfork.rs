//! A notification in the child of `fork`.

/// Calls `handler` in every child process that `fork` makes from now on.
///
/// The handler runs on the child's only thread, before `fork` returns there, and
/// may only do what is async-signal-safe: in particular it must not allocate.
///
/// True if the handler is registered; false where there is no `fork`, or no
/// memory to remember the handler. Every successful call registers once more.
///
/// Registering takes a lock of the C library and may call its `malloc`: not for
/// the allocation path.
pub fn on_child(handler: extern "C" fn()) -> bool {
    #[cfg(unix)]
    {
        // SAFETY: the handler is a safe function without arguments.
        unsafe { libc::pthread_atfork(None, None, Some(handler)) == 0 }
    }
    #[cfg(not(unix))]
    {
        let _ = handler;
        false
    }
}
