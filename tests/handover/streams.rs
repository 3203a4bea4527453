//! Streams and sinks that carry their scope.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use futures_core::{FusedFuture, FusedStream, Stream};
use futures_sink::Sink;
use heapledger::{InScope, Scope, Tag};

use super::{buffer, live};

/// Makes a block with each call.
#[derive(Default)]
struct Pipe(VecDeque<Vec<u8>>);

impl Stream for Pipe {
    type Item = Vec<u8>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Vec<u8>>> {
        Poll::Ready(Some(buffer(1)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (7, Some(8))
    }
}

impl FusedStream for Pipe {
    fn is_terminated(&self) -> bool {
        true
    }
}

impl Sink<usize> for Pipe {
    type Error = Infallible;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.get_mut().0.push_back(buffer(10));
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, bytes: usize) -> Result<(), Infallible> {
        self.get_mut().0.push_back(buffer(bytes));
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.get_mut().0.push_back(buffer(1000));
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.get_mut().0.push_back(buffer(10_000));
        Poll::Pending
    }
}

#[test]
fn each_call_of_a_stream_and_a_sink_is_in_the_scope() {
    static TAG: Tag = Tag::new("streams/pipe");
    let before = Scope::current();
    let context = &mut Context::from_waker(Waker::noop());
    let mut pipe = Pipe(VecDeque::with_capacity(8)).in_scope(&TAG);

    let Poll::Ready(Some(item)) = Pin::new(&mut pipe).poll_next(context) else {
        panic!("it always has one")
    };
    assert_eq!(live(TAG.name()), (1, 1));
    assert!(Pin::new(&mut pipe).poll_ready(context).is_ready());
    assert_eq!(live(TAG.name()), (11, 2));
    Pin::new(&mut pipe).start_send(100).unwrap();
    assert_eq!(live(TAG.name()), (111, 3));
    assert!(Pin::new(&mut pipe).poll_flush(context).is_ready());
    assert_eq!(live(TAG.name()), (1111, 4));
    assert!(Pin::new(&mut pipe).poll_close(context).is_pending());
    assert_eq!(live(TAG.name()), (11_111, 5));
    assert_eq!(Scope::current(), before);

    assert_eq!(pipe.size_hint(), (7, Some(8)));
    assert!(FusedStream::is_terminated(&pipe));
    drop((pipe, item));
    assert_eq!(live(TAG.name()), (0, 0));
}

/// Has ended from the beginning.
struct Ended;

impl Future for Ended {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

impl FusedFuture for Ended {
    fn is_terminated(&self) -> bool {
        true
    }
}

#[test]
fn a_fused_future_stays_fused() {
    assert!(Ended.in_scope(Scope::current()).is_terminated());
}
