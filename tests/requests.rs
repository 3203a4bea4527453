//! Requests as scopes: what `tower::ScopeLayer` books to whom.
//!
//! Seen to fail: with the inner `call` outside the scope, with the response future
//! given back bare, and with `poll_ready` in the scope of the last request.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use heapledger::tower::ScopeLayer;
use heapledger::{Scope, ScopeGuard, Tag, TagId, scope};
use tower_layer::Layer;
use tower_service::Service;

#[global_allocator]
static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();

/// Comes back once, as anything that waits does.
struct Pause(bool);

impl Future for Pause {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// Without a message: what symbolises a backtrace keeps memory for good.
fn panic_if(unlucky: bool) {
    if unlucky {
        std::panic::resume_unwind(Box::new(()));
    }
}

/// Allocates when it becomes ready, when it is called and in each step of the
/// response; counts where.
#[derive(Clone, Default)]
struct Handler {
    ready: Vec<Vec<u8>>,
}

impl Service<usize> for Handler {
    type Response = Vec<Vec<u8>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ready = vec![vec![0; 3]];
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, bytes: usize) -> Self::Future {
        panic_if(bytes == 13);
        let mut kept = Vec::with_capacity(3);
        kept.push(vec![0; bytes]);
        Box::pin(async move {
            kept.push(vec![0; bytes]);
            Pause(false).await;
            panic_if(bytes == 17);
            kept.push(vec![0; bytes]);
            Ok(kept)
        })
    }
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

fn live_bytes(tag: &Tag) -> u64 {
    tag.read().expect("installed").own.live_bytes()
}

/// Two tags of a test's own, for even and odd requests.
fn two_tags(test: &str) -> [Tag; 2] {
    ["even", "odd"].map(|name| Tag::register(&format!("{test}/{name}")).expect("room"))
}

const LIST: u64 = 3 * size_of::<Vec<u8>>() as u64;

#[test]
fn each_request_is_booked_to_its_tag_on_whatever_thread() {
    let tags = two_tags("each");
    let layer = ScopeLayer::new({
        let tags = tags.clone();
        move |bytes: &usize| tags[bytes % 2].clone()
    });
    let mut service = layer.layer(Handler::default());
    let mut context = Context::from_waker(Waker::noop());

    assert!(service.poll_ready(&mut context).is_ready());
    let mut even = Box::pin(service.call(100));
    let mut odd = Box::pin(service.call(51));
    assert_eq!(Scope::current().tag_id(), TagId::UNTAGGED);
    for (future, elsewhere) in [(&mut even, false), (&mut odd, true)] {
        let mut step = || assert!(poll(future.as_mut()).is_pending());
        if elsewhere {
            std::thread::scope(|threads| drop(threads.spawn(step)));
        } else {
            step();
        }
        assert_eq!(Scope::current().tag_id(), TagId::UNTAGGED);
    }
    let (Poll::Ready(Ok(even_body)), Poll::Ready(Ok(odd_body))) =
        (poll(even.as_mut()), poll(odd.as_mut()))
    else {
        panic!("the second step is the last")
    };
    // The futures are gone, their results not: those stay their tags'.
    drop((even, odd));
    assert_eq!(live_bytes(&tags[0]), LIST + 300);
    assert_eq!(live_bytes(&tags[1]), LIST + 153);
    drop((even_body, odd_body));
    assert_eq!([live_bytes(&tags[0]), live_bytes(&tags[1])], [0, 0]);
}

#[test]
fn readiness_and_the_choice_are_no_requests() {
    static TAG: Tag = Tag::new("readiness");
    let chosen: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());
    let layer = ScopeLayer::new(|_: &usize| &TAG);
    let mut service = layer.layer(Handler::default());
    scope!("readiness/server", {
        drop(service.call(10));
        let _ = service.poll_ready(&mut Context::from_waker(Waker::noop()));
    });
    assert_eq!(live_bytes(&TAG), 0);
    let server = Tag::register("readiness/server").expect("room");
    assert!(live_bytes(&server) >= 3, "what makes the service ready is the server's");

    let choose = |bytes: &usize| {
        chosen.lock().unwrap().push(vec![0; *bytes]);
        &TAG
    };
    let mut service = ScopeLayer::new(choose).layer(Handler::default());
    drop(service.call(20));
    assert_eq!(live_bytes(&TAG), 0, "what the choice keeps is the server's");
}

#[test]
fn a_cancelled_request_leaves_nothing() {
    static TAG: Tag = Tag::new("cancelled");
    let mut service = ScopeLayer::new(|_: &usize| &TAG).layer(Handler::default());
    let unpolled = service.call(100);
    let mut half_way = Box::pin(service.call(100));
    assert!(poll(half_way.as_mut()).is_pending());
    assert!(live_bytes(&TAG) >= 2 * LIST + 300);
    let _elsewhere: ScopeGuard = scope!("cancelled/elsewhere");
    drop((unpolled, half_way));
    assert_eq!(live_bytes(&TAG), 0);
}

#[test]
fn panics_restore_what_was_current() {
    static TAG: Tag = Tag::new("panics");
    let service = ScopeLayer::new(|_: &usize| &TAG).layer(Handler::default());
    for bytes in [13, 17] {
        let mut service = service.clone();
        let caught = std::panic::catch_unwind(move || {
            let mut future = Box::pin(service.call(bytes));
            let _ = poll(future.as_mut());
            let _ = poll(future.as_mut());
        });
        assert!(caught.is_err());
        assert_eq!(Scope::current().tag_id(), TagId::UNTAGGED);
    }
    drop(service);
    assert_eq!(live_bytes(&TAG), 0);
}
