//! What ends a process, or takes all there is of something: each in a child.

use std::hint::black_box;

use heapledger::ErrorKind;
use heapledger::inject::fail_nth;
use heapledger::testing::observe;

use super::child;

const NEST: &str = "HEAPLEDGER_TESTING_NEST";
const ABORT: &str = "HEAPLEDGER_TESTING_ABORT";

/// How many observations there is room for inside of each other.
fn nest() -> usize {
    match observe(nest) {
        Ok((inner, _)) => inner + 1,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::TooManyObservations);
            assert!(error.to_string().contains("256 tests or observations are under way"));
            0
        }
    }
}

#[test]
fn there_is_room_for_256_at_one_time() {
    if std::env::var_os(NEST).is_some() {
        assert_eq!(nest(), 256);
        assert_eq!(nest(), 256, "all places came back");
        // Each inside of all others, a block is counted 256 times, and looked at.
        fn deep(depth: usize) {
            let ((), seen) = observe(|| match depth {
                1 => drop(black_box(vec![0_u8; 1000])),
                _ => deep(depth - 1),
            })
            .unwrap();
            assert_eq!(seen.counts.live_bytes(), 0);
            assert!(seen.peak_live_bytes >= 1000);
        }
        deep(256);
        return;
    }
    let output = child("limits::there_is_room_for_256_at_one_time", NEST);
    assert!(output.status.success(), "{output:?}");
}

/// Code that does not handle a failure ends the process, as it does when there is
/// no memory; it does not go on.
#[test]
fn code_that_does_not_handle_a_failure_aborts() {
    if std::env::var_os(ABORT).is_some() {
        let run = fail_nth(0, || black_box(vec![0_u8; 12_345]));
        panic!("the work went on: {}", run.is_ok());
    }
    let output = child("limits::code_that_does_not_handle_a_failure_aborts", ABORT);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(stderr.contains("memory allocation of 12345 bytes failed"), "{stderr}");
    assert!(!stderr.contains("the work went on"), "{stderr}");
}
