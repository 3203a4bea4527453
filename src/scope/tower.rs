//! Requests as scopes: a `tower` layer that gives each request a tag.

use core::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

use super::Scoped;
use super::carry::{Carried, IntoScope};

/// A [`Layer`] that runs each request under a tag chosen from the request.
///
/// The closure sees the request before the service does and gives back a
/// [`Scope`](crate::Scope), a [`Tag`](crate::Tag) or a reference to one. The inner
/// service's `call` and every poll of the response future run in that scope, and
/// the future is dropped in it, finished or cancelled. Blocks that outlive the
/// request stay the tag's until they are freed, whoever frees them.
///
/// Not the request's: what the server allocated before the service was called, such
/// as the request itself; what the closure allocates; `poll_ready`, which is about
/// no request yet; and the later frames of a body that is streamed after the
/// response was given. Work that the service hands to other tasks or threads goes
/// along with the hand-over wrappers.
///
/// Where the tag comes from what clients send, take it from
/// [`BoundedTags`](crate::BoundedTags).
///
/// # Cost
///
/// The closure, a scope's enter and leave around `call` and around each poll, and
/// one word in the future; no allocation. `benches/README.md` has the measured
/// time.
///
/// # Examples
///
/// ```
/// # #[global_allocator]
/// # static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
/// use heapledger::{Tag, tower::ScopeLayer};
/// # use std::{convert::Infallible, future::{Ready, ready}, task::{Context, Poll, Waker}};
/// use tower_layer::Layer;
/// use tower_service::Service;
/// # #[derive(Clone)]
/// # struct Handler;
/// # impl Service<&'static str> for Handler {
/// #     type Response = Vec<u8>;
/// #     type Error = Infallible;
/// #     type Future = Ready<Result<Vec<u8>, Infallible>>;
/// #     fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
/// #         Poll::Ready(Ok(()))
/// #     }
/// #     fn call(&mut self, path: &'static str) -> Self::Future {
/// #         ready(Ok(vec![0; 4096]))
/// #     }
/// # }
///
/// static SEARCH: Tag = Tag::new("request/search");
/// static OTHER: Tag = Tag::new("request/other");
///
/// let layer = ScopeLayer::new(|path: &&str| match *path {
///     "/search" => &SEARCH,
///     _ => &OTHER,
/// });
/// let mut service = layer.layer(Handler);
/// # let mut context = Context::from_waker(Waker::noop());
/// # let mut future = Box::pin(service.call("/search"));
/// # let Poll::Ready(Ok(body)) = future.as_mut().poll(&mut context) else { panic!() };
/// // … the server calls it with "/search" …
/// assert_eq!(SEARCH.read().unwrap().own.live_bytes(), 4096);
/// # drop(body);
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "a layer does nothing until it is put around a service"]
pub struct ScopeLayer<C> {
    choose: C,
}

impl<C> ScopeLayer<C> {
    /// A layer whose closure tells the scope of a request.
    pub const fn new(choose: C) -> Self {
        Self { choose }
    }
}

impl<S, C: Clone> Layer<S> for ScopeLayer<C> {
    type Service = ScopeService<S, C>;

    fn layer(&self, inner: S) -> Self::Service {
        ScopeService { inner, choose: self.choose.clone() }
    }
}

/// A service whose requests run under a tag; made by [`ScopeLayer`].
#[derive(Clone, Copy, Debug)]
pub struct ScopeService<S, C> {
    inner: S,
    choose: C,
}

impl<S, C, Request, Chosen> Service<Request> for ScopeService<S, C>
where
    S: Service<Request>,
    C: FnMut(&Request) -> Chosen,
    Chosen: IntoScope,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Scoped<S::Future, Chosen::Carried>;

    #[inline]
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    #[inline]
    fn call(&mut self, request: Request) -> Self::Future {
        let scope = (self.choose)(&request).into_carried();
        let future = scope.run_in(|| self.inner.call(request));
        Scoped::new(future, scope)
    }
}
