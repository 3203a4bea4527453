//! `std::thread`, with threads that begin in the scope that they are spawned in.
//!
//! Everything that this module does not replace is `std`'s: `use heapledger::thread;`
//! can stand in the place of `use std::thread;`.
//!
//! What `std` itself allocates for a thread belongs to the current scope, and is not
//! counted by a test or an observation (feature `testing`): part of it is freed when
//! the thread is nobody's any more. What the work does is counted.
//!
//! # Cost
//!
//! Beside the thread: one word in its closure, and one in its result.
//!
//! # Examples
//!
//! ```
//! # #[global_allocator]
//! # static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
//! use heapledger::{Tag, scope, thread};
//!
//! static INDEX: Tag = Tag::new("index");
//!
//! let postings = scope!(INDEX, {
//!     thread::spawn(|| vec![0_u8; 4096]).join().unwrap()
//! });
//! assert_eq!(INDEX.read().unwrap().own.live_bytes(), 4096);
//! # drop(postings);
//! ```

use core::{fmt, ptr};
use std::io;

use crate::scope::{Carried, InScope, Scope as Current, Scoped, Unobserved};

pub use std::thread::*;

/// The work with the current scope around it, and around its result: one that nobody
/// takes is dropped by the thread, after the work.
fn carried<F, T>(work: F) -> impl FnOnce() -> Scoped<T>
where
    F: FnOnce() -> T,
{
    let work = work.in_scope(Current::current());
    move || work.run_with(|work, scope| work().in_scope(scope))
}

/// [`std::thread::spawn`], in the current scope.
///
/// What `std` allocates for the thread belongs to the current scope, too.
///
/// # Panics
///
/// If the system starts no thread; [`Builder::spawn`] returns the error instead.
pub fn spawn<F, T>(work: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let work = carried(work);
    JoinHandle::new(Unobserved.run_in(|| std::thread::spawn(work)))
}

/// [`std::thread::scope`], whose threads run in the scope that spawned them.
///
/// # Panics
///
/// If a thread did whose handle was not joined.
///
/// # Examples
///
/// ```
/// use heapledger::{scope, thread};
///
/// let words = ["a", "b"];
/// let (upper, count) = scope!("words", {
///     thread::scope(|s| {
///         let upper = s.spawn(|| words.map(str::to_uppercase));
///         (upper.join().unwrap(), words.len())
///     })
/// });
/// assert_eq!((upper.concat().as_str(), count), ("AB", 2));
/// ```
pub fn scope<'env, F, T>(body: F) -> T
where
    F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> T,
{
    let here = Current::current();
    Unobserved.run_in(|| std::thread::scope(|inner| here.run(|| body(Scope::from_inner(inner)))))
}

/// [`std::thread::Scope`], whose threads run in the scope that spawned them.
#[derive(Debug)]
#[repr(transparent)]
pub struct Scope<'scope, 'env: 'scope>(std::thread::Scope<'scope, 'env>);

impl<'scope, 'env> Scope<'scope, 'env> {
    fn from_inner(inner: &'scope std::thread::Scope<'scope, 'env>) -> &'scope Self {
        // SAFETY: `Self` is a transparent wrapper of the same type, and the
        // reference keeps its lifetime.
        unsafe { &*ptr::from_ref(inner).cast::<Self>() }
    }

    /// [`std::thread::Scope::spawn`], in the current scope.
    ///
    /// # Panics
    ///
    /// If the system starts no thread.
    pub fn spawn<F, T>(&'scope self, work: F) -> ScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        let work = carried(work);
        ScopedJoinHandle::new(Unobserved.run_in(|| self.0.spawn(work)))
    }
}

/// [`std::thread::Builder`], whose threads run in the scope that spawned them.
///
/// # Examples
///
/// ```
/// use heapledger::thread::Builder;
///
/// let thread = Builder::new().name("index".into()).spawn(|| vec![0_u8; 100]).unwrap();
/// assert_eq!(thread.join().unwrap().len(), 100);
/// ```
#[derive(Debug)]
#[must_use = "a builder starts no thread until `spawn`"]
pub struct Builder(std::thread::Builder);

impl Builder {
    /// [`std::thread::Builder::new`].
    #[expect(clippy::new_without_default, reason = "std's has no default either")]
    pub fn new() -> Self {
        Self(std::thread::Builder::new())
    }

    /// [`std::thread::Builder::name`].
    pub fn name(self, name: String) -> Self {
        Self(self.0.name(name))
    }

    /// [`std::thread::Builder::stack_size`].
    pub fn stack_size(self, size: usize) -> Self {
        Self(self.0.stack_size(size))
    }

    /// [`std::thread::Builder::spawn`], in the current scope.
    ///
    /// # Errors
    ///
    /// If the system starts no thread.
    pub fn spawn<F, T>(self, work: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let work = carried(work);
        Unobserved.run_in(|| self.0.spawn(work)).map(JoinHandle::new)
    }

    /// [`std::thread::Builder::spawn_scoped`], in the current scope.
    ///
    /// # Errors
    ///
    /// If the system starts no thread.
    pub fn spawn_scoped<'scope, 'env, F, T>(
        self,
        scope: &'scope Scope<'scope, 'env>,
        work: F,
    ) -> io::Result<ScopedJoinHandle<'scope, T>>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        let work = carried(work);
        Unobserved.run_in(|| self.0.spawn_scoped(&scope.0, work)).map(ScopedJoinHandle::new)
    }
}

impl From<std::thread::Builder> for Builder {
    fn from(builder: std::thread::Builder) -> Self {
        Self(builder)
    }
}

/// [`std::thread::JoinHandle`], of a thread that carries its scope.
///
/// A result that nobody takes is dropped in that scope.
pub struct JoinHandle<T>(Scoped<std::thread::JoinHandle<Scoped<T>>, Unobserved>);

impl<T> JoinHandle<T> {
    fn new(inner: std::thread::JoinHandle<Scoped<T>>) -> Self {
        Self(Scoped::new(inner, Unobserved))
    }

    /// [`std::thread::JoinHandle::thread`].
    #[must_use]
    pub fn thread(&self) -> &Thread {
        self.0.get_ref().thread()
    }

    /// [`std::thread::JoinHandle::is_finished`].
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.0.get_ref().is_finished()
    }

    /// [`std::thread::JoinHandle::join`].
    ///
    /// # Errors
    ///
    /// What the thread panicked with.
    pub fn join(self) -> Result<T> {
        self.0.run(std::thread::JoinHandle::join).map(Scoped::into_inner)
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.get_ref().fmt(f)
    }
}

#[cfg(unix)]
impl<T> std::os::unix::thread::JoinHandleExt for JoinHandle<T> {
    fn as_pthread_t(&self) -> std::os::unix::thread::RawPthread {
        self.0.get_ref().as_pthread_t()
    }

    fn into_pthread_t(self) -> std::os::unix::thread::RawPthread {
        self.0.run(std::os::unix::thread::JoinHandleExt::into_pthread_t)
    }
}

/// [`std::thread::ScopedJoinHandle`], of a thread that carries its scope.
///
/// A result that nobody takes is dropped in that scope.
pub struct ScopedJoinHandle<'scope, T>(
    Scoped<std::thread::ScopedJoinHandle<'scope, Scoped<T>>, Unobserved>,
);

impl<'scope, T> ScopedJoinHandle<'scope, T> {
    fn new(inner: std::thread::ScopedJoinHandle<'scope, Scoped<T>>) -> Self {
        Self(Scoped::new(inner, Unobserved))
    }

    /// [`std::thread::ScopedJoinHandle::thread`].
    #[must_use]
    pub fn thread(&self) -> &Thread {
        self.0.get_ref().thread()
    }

    /// [`std::thread::ScopedJoinHandle::is_finished`].
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.0.get_ref().is_finished()
    }

    /// [`std::thread::ScopedJoinHandle::join`].
    ///
    /// # Errors
    ///
    /// What the thread panicked with.
    pub fn join(self) -> Result<T> {
        self.0.run(std::thread::ScopedJoinHandle::join).map(Scoped::into_inner)
    }
}

impl<T> fmt::Debug for ScopedJoinHandle<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.get_ref().fmt(f)
    }
}
