//! Futures, streams and sinks that carry their scope from thread to thread.

use core::future::Future;
use core::mem::ManuallyDrop;
use core::pin::Pin;
use core::ptr;
use core::task::{Context, Poll};

use super::Scope;
use super::carry::{Carried, IntoScope};

#[cfg(feature = "futures")]
mod stream;

/// Lets a future, a stream or a sink carry a scope.
///
/// # Examples
///
/// ```
/// # #[global_allocator]
/// # static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
/// use heapledger::{InScope, Tag};
///
/// static INDEX: Tag = Tag::new("index");
///
/// async fn load() -> Vec<u8> {
///     vec![0_u8; 4096]
/// }
///
/// # use std::{future::Future, pin::pin, task::{Context, Poll, Waker}};
/// # fn block_on<T>(future: impl Future<Output = T>) -> T {
/// #     let mut future = pin!(future);
/// #     let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
/// #     else { unreachable!("nothing here waits") };
/// #     value
/// # }
/// let loaded = block_on(load().in_scope(&INDEX));
/// assert_eq!(INDEX.read().unwrap().own.live_bytes(), 4096);
/// # drop(loaded);
/// ```
pub trait InScope: Sized {
    /// Makes the scope current whenever this is polled, and while it is dropped.
    ///
    /// # Cost
    ///
    /// One word beside the future and no allocation; each poll enters and leaves
    /// the scope.
    ///
    /// # Examples
    ///
    /// A task takes the scope it is spawned in along:
    ///
    /// ```
    /// use heapledger::{InScope, Scope};
    ///
    /// # fn spawn(_: impl Future<Output = ()> + Send + 'static) {}
    /// spawn(async { /* … */ }.in_scope(Scope::current()));
    /// ```
    #[inline]
    fn in_scope<S: IntoScope>(self, scope: S) -> Scoped<Self, S::Carried> {
        Scoped::new(self, scope.into_carried())
    }
}

impl<T> InScope for T {}

/// A future, stream or sink with its scope; made by [`InScope::in_scope`] and
/// [`scope!`](crate::scope).
///
/// The scope is current on the polling thread for the time of each poll, whichever
/// thread that is. What was current before is current again after the poll, after
/// a panic in it, and after the drop: a future that is dropped half-way is dropped
/// in its scope, so what its destructors allocate has its owner too.
///
/// # Cost
///
/// One word beside the future, no allocation. A poll costs a scope's enter and
/// leave more than without (`benches/README.md`).
#[derive(Debug)]
#[must_use = "futures do nothing unless polled: `.await` it, or spawn it"]
pub struct Scoped<T, S: Carried = Scope> {
    // Pinned with `Self`. Dropped by `Self::drop` only, in the scope and in place.
    inner: ManuallyDrop<T>,
    scope: S,
}

impl<T, S: Carried> Scoped<T, S> {
    pub(crate) const fn new(inner: T, scope: S) -> Self {
        Self { inner: ManuallyDrop::new(inner), scope }
    }

    /// The scope that it carries.
    #[must_use]
    pub fn scope(&self) -> &S {
        &self.scope
    }

    /// What carries the scope; reached from outside the scope.
    #[must_use]
    pub fn get_ref(&self) -> &T {
        &self.inner
    }

    /// What carries the scope; reached from outside the scope.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.inner
    }

    /// What carries the scope, pinned; reached from outside the scope.
    #[must_use]
    pub fn get_pin_mut(self: Pin<&mut Self>) -> Pin<&mut T> {
        self.project().0
    }

    /// What carried the scope, which it is without from now on.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.into_parts().0
    }

    fn into_parts(self) -> (T, S) {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: `this` is never dropped nor used again. It was handed in by
        // value, so it has not been pinned, or need not be.
        let inner = unsafe { ManuallyDrop::take(&mut this.inner) };
        // SAFETY: `this` is never dropped, so the scope has one owner: what is read.
        (inner, unsafe { ptr::read(&raw const this.scope) })
    }

    /// Hands what carried the scope to a closure, in the scope.
    #[inline]
    pub(crate) fn run_with<R>(self, body: impl FnOnce(T, &S) -> R) -> R {
        let (inner, scope) = self.into_parts();
        let _scope = scope.enter();
        body(inner, &scope)
    }

    /// Hands what carried the scope to a closure, in the scope.
    #[inline]
    pub(crate) fn run<R>(self, body: impl FnOnce(T) -> R) -> R {
        self.run_with(|inner, _| body(inner))
    }

    /// The pinned part, and the scope to enter around its use.
    #[inline(always)]
    fn project(self: Pin<&mut Self>) -> (Pin<&mut T>, &S) {
        // SAFETY: nothing is moved out of `this`.
        let this = unsafe { self.get_unchecked_mut() };
        // SAFETY: `inner` is pinned as long as `Self` is: `drop` drops it in place,
        // `get_mut` and `into_inner` cannot be reached from a pinned `Self` that is
        // not `Unpin`, and `Self` is `Unpin` only if `T` is.
        (unsafe { Pin::new_unchecked(&mut *this.inner) }, &this.scope)
    }
}

impl<T: Future, S: Carried> Future for Scoped<T, S> {
    type Output = T::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T::Output> {
        let (inner, scope) = self.project();
        scope.run_in(|| inner.poll(context))
    }
}

impl<T, S: Carried> Drop for Scoped<T, S> {
    #[inline]
    fn drop(&mut self) {
        let inner = &mut self.inner;
        // SAFETY: a value is dropped once, and `inner` is not used after that.
        self.scope.run_in(|| unsafe { ManuallyDrop::drop(inner) });
    }
}
