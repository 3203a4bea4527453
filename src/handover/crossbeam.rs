//! `crossbeam_utils::thread`: scoped threads that begin in the scope that they are
//! spawned in.
//!
//! What crossbeam and `std` allocate for a thread is not counted by a test or an
//! observation, as in [`thread`](mod@crate::thread).
//!
//! # Examples
//!
//! ```
//! use heapledger::{crossbeam, scope};
//!
//! let words = ["a", "b"];
//! let upper = scope!("words", {
//!     crossbeam::scope(|s| s.spawn(|_| words.map(str::to_uppercase)).join().unwrap()).unwrap()
//! });
//! assert_eq!(upper.concat(), "AB");
//! ```

use core::{fmt, ptr};
use std::{io, thread};

use crossbeam_utils::thread as inner;

use crate::scope::{Carried, InScope, Scope as Current, Scoped, Unobserved};

/// [`crossbeam_utils::thread::scope`], whose threads run in the scope that spawned
/// them.
///
/// # Errors
///
/// What the threads panicked with whose handles were not joined.
pub fn scope<'env, F, R>(body: F) -> thread::Result<R>
where
    F: FnOnce(&Scope<'env>) -> R,
{
    let here = Current::current();
    Unobserved.run_in(|| inner::scope(|scope| here.run(|| body(Scope::from_inner(scope)))))
}

/// [`crossbeam_utils::thread::Scope`], whose threads run in the scope that spawned
/// them.
#[derive(Debug)]
#[repr(transparent)]
pub struct Scope<'env>(inner::Scope<'env>);

impl<'env> Scope<'env> {
    fn from_inner<'a>(inner: &'a inner::Scope<'env>) -> &'a Self {
        // SAFETY: `Self` is a transparent wrapper of the same type, and the
        // reference keeps its lifetime.
        unsafe { &*ptr::from_ref(inner).cast::<Self>() }
    }

    /// [`crossbeam_utils::thread::Scope::spawn`], in the current scope.
    ///
    /// # Panics
    ///
    /// If the system starts no thread.
    pub fn spawn<'scope, F, T>(&'scope self, work: F) -> ScopedJoinHandle<'scope, T>
    where
        F: FnOnce(&Scope<'env>) -> T + Send + 'env,
        T: Send + 'env,
    {
        let work = carried(work);
        ScopedJoinHandle::new(Unobserved.run_in(|| self.0.spawn(work)))
    }

    /// [`crossbeam_utils::thread::Scope::builder`].
    pub fn builder<'scope>(&'scope self) -> ScopedThreadBuilder<'scope, 'env> {
        ScopedThreadBuilder(self.0.builder())
    }
}

/// [`crossbeam_utils::thread::ScopedThreadBuilder`], whose thread runs in the scope
/// that spawned it.
#[derive(Debug)]
#[must_use = "a builder starts no thread until `spawn`"]
pub struct ScopedThreadBuilder<'scope, 'env>(inner::ScopedThreadBuilder<'scope, 'env>);

impl<'scope, 'env> ScopedThreadBuilder<'scope, 'env> {
    /// [`crossbeam_utils::thread::ScopedThreadBuilder::name`].
    pub fn name(self, name: String) -> Self {
        Self(self.0.name(name))
    }

    /// [`crossbeam_utils::thread::ScopedThreadBuilder::stack_size`].
    pub fn stack_size(self, size: usize) -> Self {
        Self(self.0.stack_size(size))
    }

    /// [`crossbeam_utils::thread::ScopedThreadBuilder::spawn`], in the current
    /// scope.
    ///
    /// # Errors
    ///
    /// If the system starts no thread.
    pub fn spawn<F, T>(self, work: F) -> io::Result<ScopedJoinHandle<'scope, T>>
    where
        F: FnOnce(&Scope<'env>) -> T + Send + 'env,
        T: Send + 'env,
    {
        let work = carried(work);
        Unobserved.run_in(|| self.0.spawn(work)).map(ScopedJoinHandle::new)
    }
}

/// [`crossbeam_utils::thread::ScopedJoinHandle`], of a thread that carries its scope.
///
/// A result that nobody takes is dropped in that scope.
pub struct ScopedJoinHandle<'scope, T>(
    Scoped<inner::ScopedJoinHandle<'scope, Scoped<T>>, Unobserved>,
);

impl<'scope, T> ScopedJoinHandle<'scope, T> {
    fn new(inner: inner::ScopedJoinHandle<'scope, Scoped<T>>) -> Self {
        Self(Scoped::new(inner, Unobserved))
    }

    /// [`crossbeam_utils::thread::ScopedJoinHandle::thread`].
    #[must_use]
    pub fn thread(&self) -> &thread::Thread {
        self.0.get_ref().thread()
    }

    /// [`crossbeam_utils::thread::ScopedJoinHandle::join`].
    ///
    /// # Errors
    ///
    /// What the thread panicked with.
    pub fn join(self) -> thread::Result<T> {
        self.0.run(inner::ScopedJoinHandle::join).map(Scoped::into_inner)
    }
}

impl<T> fmt::Debug for ScopedJoinHandle<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopedJoinHandle").finish_non_exhaustive()
    }
}

/// The work as crossbeam calls it, with the current scope around it and its result.
fn carried<'env, T>(
    work: impl FnOnce(&Scope<'env>) -> T,
) -> impl FnOnce(&inner::Scope<'env>) -> Scoped<T> {
    let work = work.in_scope(Current::current());
    move |inner: &inner::Scope<'env>| {
        work.run_with(|work, scope| work(Scope::from_inner(inner)).in_scope(scope))
    }
}
