//! The traits of the `futures` crates.

use core::pin::Pin;
use core::task::{Context, Poll};

use futures_core::{FusedFuture, FusedStream, Stream};
use futures_sink::Sink;

use super::{Carried, Scoped};

impl<T: FusedFuture, S: Carried> FusedFuture for Scoped<T, S> {
    fn is_terminated(&self) -> bool {
        self.inner.is_terminated()
    }
}

impl<T: Stream, S: Carried> Stream for Scoped<T, S> {
    type Item = T::Item;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T::Item>> {
        let (inner, scope) = self.project();
        scope.run_in(|| inner.poll_next(context))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.inner.size_hint()
    }
}

impl<T: FusedStream, S: Carried> FusedStream for Scoped<T, S> {
    fn is_terminated(&self) -> bool {
        self.inner.is_terminated()
    }
}

impl<Item, T: Sink<Item>, S: Carried> Sink<Item> for Scoped<T, S> {
    type Error = T::Error;

    fn poll_ready(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), T::Error>> {
        let (inner, scope) = self.project();
        scope.run_in(|| inner.poll_ready(context))
    }

    fn start_send(self: Pin<&mut Self>, item: Item) -> Result<(), T::Error> {
        let (inner, scope) = self.project();
        scope.run_in(|| inner.start_send(item))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), T::Error>> {
        let (inner, scope) = self.project();
        scope.run_in(|| inner.poll_flush(context))
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), T::Error>> {
        let (inner, scope) = self.project();
        scope.run_in(|| inner.poll_close(context))
    }
}
