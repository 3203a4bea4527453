//! Requests to a service that answers at once.

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use heapledger::tower::ScopeLayer;
use heapledger::{BoundedTags, Scope, Tag};
use tower_layer::Layer;
use tower_service::Service;

use crate::{Candidate, measure};

/// Answers with the number of the tag that it runs under.
#[derive(Clone)]
struct Handler;

impl Service<&'static str> for Handler {
    type Response = u16;
    type Error = Infallible;
    type Future = Ready<Result<u16, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    #[inline(never)]
    fn call(&mut self, request: &'static str) -> Self::Future {
        black_box(request);
        ready(Ok(Scope::current().tag_id().get()))
    }
}

fn answer(service: &mut impl Service<&'static str, Response = u16>) -> u16 {
    let future = pin!(service.call(black_box("tenant-17")));
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(tag)) => tag,
        _ => unreachable!("the handler answers at once"),
    }
}

pub fn run(rounds: u32) -> Vec<(String, f64)> {
    static TAG: Tag = Tag::new("bench/request");
    let tenants = BoundedTags::new("bench/tenant", 100).expect("a valid name");
    let mut bare = Handler;
    let mut fixed = ScopeLayer::new(|_: &&str| &TAG).layer(Handler);
    let mut tenant = ScopeLayer::new(|name: &&str| tenants.get(name)).layer(Handler);
    assert_eq!(answer(&mut bare), 0);
    assert_eq!(answer(&mut fixed), TAG.id().get());
    assert!(answer(&mut tenant) > TAG.id().get());

    let nothing = |iterations| {
        for _ in 0..iterations {
            black_box(());
        }
    };
    let candidates: Vec<Candidate> = vec![
        ("an empty loop", Box::new(nothing)),
        ("the service alone", Box::new(|n| repeat(n, &mut bare))),
        ("in a `ScopeLayer`, one tag", Box::new(|n| repeat(n, &mut fixed))),
        ("in a `ScopeLayer`, the tag by `BoundedTags`", Box::new(|n| repeat(n, &mut tenant))),
    ];
    measure(rounds, candidates)
}

fn repeat(iterations: u32, service: &mut impl Service<&'static str, Response = u16>) {
    for _ in 0..iterations {
        black_box(answer(service));
    }
}
