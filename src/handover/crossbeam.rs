//! `crossbeam_utils::thread`: scoped threads that begin in the scope that they are
//! spawned in.
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

use core::ptr;
use std::{io, thread};

use crossbeam_utils::thread as inner;

use crate::scope::{InScope, Scope as Current};

pub use crossbeam_utils::thread::ScopedJoinHandle;

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
    inner::scope(|scope| body(Scope::from_inner(scope)))
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
        self.0.spawn(carried(work))
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
        self.0.spawn(carried(work))
    }
}

/// The work as crossbeam calls it, with the current scope around it.
fn carried<'env, T>(work: impl FnOnce(&Scope<'env>) -> T) -> impl FnOnce(&inner::Scope<'env>) -> T {
    let work = work.in_scope(Current::current());
    move |scope: &inner::Scope<'env>| work.run(|work| work(Scope::from_inner(scope)))
}
