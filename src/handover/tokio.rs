//! tokio: tasks and blocking work that take the scope along that they are spawned
//! in.
//!
//! | instead of | write |
//! |---|---|
//! | `tokio::spawn(future)` | `heapledger::tokio::spawn(future)` |
//! | `tokio::task::{spawn_blocking, spawn_local}` | `heapledger::tokio::{…}` |
//! | `tokio::task::JoinSet` | [`JoinSet`] |
//! | `handle.spawn(future)`, `local_set.spawn_local(future)` | `handle.spawn(future.in_scope(Scope::current()))` |
//! | `handle.spawn_blocking(work)` | `handle.spawn_blocking(Scope::current().wrap(work))` |
//!
//! What a task allocates in its own polls belongs to its scope whichever worker
//! polls it, and whoever frees it; so does what its destructors allocate where it
//! is aborted. tokio's own memory for the task (with the future in it) is allocated
//! where the task is spawned, and so belongs to the scope it is spawned in.
//!
//! What is spawned by `tokio::spawn` itself, as libraries do, belongs to no scope,
//! or to that of the runtime's threads: see [`ThreadsInScope`].
//!
//! # Examples
//!
//! ```
//! # #[global_allocator]
//! # static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
//! use heapledger::{Tag, scope};
//!
//! static INDEX: Tag = Tag::new("index");
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
//! # runtime.block_on(async {
//! let postings = scope!(INDEX, async {
//!     let blocking = heapledger::tokio::spawn_blocking(|| vec![0_u8; 3000]);
//!     let task = heapledger::tokio::spawn(async { vec![0_u8; 1000] });
//!     (blocking.await.unwrap(), task.await.unwrap())
//! })
//! .await;
//! assert!(INDEX.read().unwrap().own.live_bytes() >= 4000);
//! # drop(postings);
//! # });
//! ```

use ::tokio::runtime::Builder;
use ::tokio::task::{self, JoinHandle};

use crate::scope::{InScope, Scope};

mod join_set;

pub use join_set::JoinSet;

/// `tokio::spawn`, in the current scope.
///
/// # Panics
///
/// Outside a tokio runtime.
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    ::tokio::spawn(future.in_scope(Scope::current()))
}

/// `tokio::task::spawn_local`, in the current scope.
///
/// # Panics
///
/// Outside a `LocalSet` and a `LocalRuntime`.
#[track_caller]
pub fn spawn_local<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future<Output: 'static> + 'static,
{
    task::spawn_local(future.in_scope(Scope::current()))
}

/// `tokio::task::spawn_blocking`, in the current scope.
///
/// If tokio starts a thread for it, what that takes belongs to the current scope,
/// too, until the thread ends.
///
/// # Panics
///
/// Outside a tokio runtime.
#[track_caller]
pub fn spawn_blocking<F, R>(work: F) -> JoinHandle<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    task::spawn_blocking(Scope::current().wrap(work))
}

/// Gives the threads of a runtime a scope of their own.
///
/// # Examples
///
/// ```
/// use heapledger::{Tag, tokio::ThreadsInScope};
///
/// static RUNTIME: Tag = Tag::new("runtime");
///
/// let runtime = tokio::runtime::Builder::new_current_thread()
///     .threads_in_scope(&RUNTIME)
///     .build()
///     .unwrap();
/// # drop(runtime);
/// ```
pub trait ThreadsInScope {
    /// Lets each thread that the runtime starts begin in the scope.
    ///
    /// To it belongs what tokio itself allocates on these threads, and what tasks
    /// do that were spawned without a scope of their own. It is what shows how
    /// much is spawned past the hand-overs.
    ///
    /// These are **all** threads of the runtime: workers and those of
    /// `spawn_blocking` alike. tokio starts both in the same way and lets a thread
    /// become the other, so no hook can tell them apart. Work spawned by this
    /// module brings its own scope to either. The thread that calls `block_on` is
    /// not one of them.
    ///
    /// This sets the runtime's `on_thread_start`, of which there is one: where that
    /// is needed for something else, too, call [`Scope::enter_thread`] there.
    fn threads_in_scope(&mut self, scope: impl Into<Scope>) -> &mut Self;
}

impl ThreadsInScope for Builder {
    fn threads_in_scope(&mut self, scope: impl Into<Scope>) -> &mut Self {
        let scope = scope.into();
        self.on_thread_start(move || scope.enter_thread())
    }
}
