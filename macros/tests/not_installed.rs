//! Without heapledger as the allocator, functions with attributes run all the same;
//! that they are not measured is said once as a warning, and in each event.

mod support;

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use heapledger::{measured, scoped};
use support::{events, listen};

#[measured(name = "work")]
fn work(value: u8) -> Vec<u8> {
    vec![value; 10]
}

#[measured(name = "async work")]
#[scoped("scoped")]
async fn async_work(value: u8) -> Vec<u8> {
    std::future::ready(()).await;
    work(value)
}

#[test]
fn functions_run_and_the_log_says_why_there_are_no_numbers() {
    listen();
    for value in 0..3 {
        let Poll::Ready(result) =
            pin!(async_work(value)).poll(&mut Context::from_waker(Waker::noop()))
        else {
            panic!("nothing here waits");
        };
        assert_eq!(result, [value; 10]);
    }
    let warnings = events(|event| event["level"] == "WARN");
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0]["message"].contains("#[global_allocator]"), "{warnings:?}");
    for function in ["work", "async work"] {
        let calls = events(|event| event.get("function").is_some_and(|name| name == function));
        assert_eq!(calls.len(), 3);
        for call in calls {
            assert!(call["error"].contains("#[global_allocator]"), "{call:?}");
            assert!(!call.contains_key("live_bytes_delta"), "a number out of thin air: {call:?}");
            assert!(call["message"].ends_with(" s, memory was not measured"), "{call:?}");
        }
    }
}
