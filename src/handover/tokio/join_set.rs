//! tokio's `JoinSet`, with the calls that spawn replaced.

use core::fmt;
use core::ops::{Deref, DerefMut};

use ::tokio::runtime::Handle;
use ::tokio::task::{self, AbortHandle, LocalSet};

use crate::scope::{InScope, Scope};

/// `tokio::task::JoinSet`, whose tasks take the scope along that they are spawned
/// in.
///
/// It is one by `Deref` for all that does not spawn.
///
/// # Examples
///
/// ```
/// use heapledger::{scope, tokio::JoinSet};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// let mut set = JoinSet::new();
/// for part in 0..4 {
///     scope!("parts", set.spawn(async move { vec![part; 100] }));
/// }
/// while let Some(part) = set.join_next().await {
///     assert_eq!(part.unwrap().len(), 100);
/// }
/// # });
/// ```
pub struct JoinSet<T>(task::JoinSet<T>);

impl<T> JoinSet<T> {
    /// `tokio::task::JoinSet::new`.
    #[must_use]
    pub fn new() -> Self {
        Self(task::JoinSet::new())
    }

    /// tokio's own, for what takes it by value.
    #[must_use]
    pub fn into_inner(self) -> task::JoinSet<T> {
        self.0
    }
}

impl<T: 'static> JoinSet<T> {
    /// `tokio::task::JoinSet::spawn`, in the current scope.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    #[track_caller]
    pub fn spawn(&mut self, task: impl Future<Output = T> + Send + 'static) -> AbortHandle
    where
        T: Send,
    {
        self.0.spawn(task.in_scope(Scope::current()))
    }

    /// `tokio::task::JoinSet::spawn_on`, in the current scope.
    #[track_caller]
    pub fn spawn_on(
        &mut self,
        task: impl Future<Output = T> + Send + 'static,
        handle: &Handle,
    ) -> AbortHandle
    where
        T: Send,
    {
        self.0.spawn_on(task.in_scope(Scope::current()), handle)
    }

    /// `tokio::task::JoinSet::spawn_local`, in the current scope.
    ///
    /// # Panics
    ///
    /// Outside a `LocalSet` and a `LocalRuntime`.
    #[track_caller]
    pub fn spawn_local(&mut self, task: impl Future<Output = T> + 'static) -> AbortHandle {
        self.0.spawn_local(task.in_scope(Scope::current()))
    }

    /// `tokio::task::JoinSet::spawn_local_on`, in the current scope.
    #[track_caller]
    pub fn spawn_local_on(
        &mut self,
        task: impl Future<Output = T> + 'static,
        local_set: &LocalSet,
    ) -> AbortHandle {
        self.0.spawn_local_on(task.in_scope(Scope::current()), local_set)
    }

    /// `tokio::task::JoinSet::spawn_blocking`, in the current scope.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    #[track_caller]
    pub fn spawn_blocking(&mut self, work: impl FnOnce() -> T + Send + 'static) -> AbortHandle
    where
        T: Send,
    {
        self.0.spawn_blocking(Scope::current().wrap(work))
    }

    /// `tokio::task::JoinSet::spawn_blocking_on`, in the current scope.
    #[track_caller]
    pub fn spawn_blocking_on(
        &mut self,
        work: impl FnOnce() -> T + Send + 'static,
        handle: &Handle,
    ) -> AbortHandle
    where
        T: Send,
    {
        self.0.spawn_blocking_on(Scope::current().wrap(work), handle)
    }

    /// `tokio::task::JoinSet::join_all`.
    ///
    /// # Panics
    ///
    /// If a task did.
    pub async fn join_all(self) -> Vec<T> {
        self.0.join_all().await
    }
}

impl<T> Deref for JoinSet<T> {
    type Target = task::JoinSet<T>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<T> DerefMut for JoinSet<T> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl<T> Default for JoinSet<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> From<task::JoinSet<T>> for JoinSet<T> {
    fn from(inner: task::JoinSet<T>) -> Self {
        Self(inner)
    }
}

impl<T> fmt::Debug for JoinSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Spawns each future in the scope that is current when it is taken.
impl<T: Send + 'static, F: Future<Output = T> + Send + 'static> FromIterator<F> for JoinSet<T> {
    fn from_iter<I: IntoIterator<Item = F>>(futures: I) -> Self {
        let mut set = Self::new();
        for future in futures {
            set.spawn(future);
        }
        set
    }
}
