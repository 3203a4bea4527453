//! `std::thread`, with threads that begin in the scope that they are spawned in.
//!
//! Everything that this module does not replace is `std`'s: `use heapledger::thread;`
//! can stand in the place of `use std::thread;`.
//!
//! # Cost
//!
//! Beside the thread: one word in its closure.
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

use core::ptr;
use std::io;

use crate::scope::Scope as Current;

pub use std::thread::*;

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
    std::thread::spawn(Current::current().wrap(work))
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
    std::thread::scope(|inner| body(Scope::from_inner(inner)))
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
        self.0.spawn(Current::current().wrap(work))
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
        self.0.spawn(Current::current().wrap(work))
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
        self.0.spawn_scoped(&scope.0, Current::current().wrap(work))
    }
}

impl From<std::thread::Builder> for Builder {
    fn from(builder: std::thread::Builder) -> Self {
        Self(builder)
    }
}
