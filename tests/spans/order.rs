//! Enters and exits in any order, against a list of what is entered.

use heapledger::Scope;
use tracing::span::Id;
use tracing::{Span, info_span};

use super::{by_name, current, subscribe};

#[path = "../support/random.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod random;
use random::Random;

fn id(span: &Span) -> Id {
    span.id().expect("a span that is enabled")
}

/// Five spans, one of them without a tag, entered and exited as it comes: twice on
/// the same span, in no order, and exits without an enter.
#[test]
fn the_current_tag_is_that_of_the_innermost_span_still_entered() {
    let (dispatch, _guard) = subscribe(by_name(["a", "b", "c", "d"]));
    let spans =
        [info_span!("a"), info_span!("b"), info_span!("c"), info_span!("d"), info_span!("none")];
    let tags = ["a", "b", "c", "d"].map(|name| {
        heapledger::Tag::register(&format!("spans/{name}")).expect("a valid name").id()
    });
    let outside = heapledger::scope!("spans/outside");
    let outer_tag = Scope::current().tag_id();
    let mut random = Random::new(7);
    let mut deepest = 0;
    for _ in 0..1000 {
        let mut entered: Vec<usize> = Vec::new();
        for _ in 0..40 {
            let which = random.below(5);
            if random.below(2) == 0 && entered.len() < 12 {
                dispatch.enter(&id(&spans[which]));
                entered.push(which);
            } else {
                dispatch.exit(&id(&spans[which]));
                if let Some(at) = entered.iter().rposition(|one| *one == which) {
                    entered.remove(at);
                }
            }
            deepest = deepest.max(entered.len());
            // The last of the spans has no tag.
            let innermost = entered.iter().rev().find_map(|one| tags.get(*one));
            let expected = *innermost.unwrap_or(&outer_tag);
            assert_eq!(Scope::current().tag_id(), expected, "{entered:?}");
        }
        while !entered.is_empty() {
            let gone = entered.remove(random.below(entered.len()));
            dispatch.exit(&id(&spans[gone]));
        }
        assert_eq!(Scope::current().tag_id(), outer_tag);
    }
    assert!(deepest >= 8, "only {deepest} spans entered at one time");
    drop(outside);
    assert_eq!(current(), "(untagged)");
}

/// The bug of another allocator: it panicked.
#[test]
fn a_span_entered_twice_is_left_twice() {
    let _subscriber = subscribe(by_name(["twice"]));
    let span = info_span!("twice");
    let (first, second) = (span.enter(), span.enter());
    assert_eq!(current(), "twice");
    drop(first);
    assert_eq!(current(), "twice");
    drop(second);
    assert_eq!(current(), "(untagged)");
}

#[test]
fn a_panic_exits_its_spans() {
    let _subscriber = subscribe(by_name(["panics", "deeper"]));
    let caught = std::panic::catch_unwind(|| {
        let _outer = info_span!("panics").entered();
        let _inner = info_span!("deeper").entered();
        std::panic::resume_unwind(Box::new(()));
    });
    assert!(caught.is_err());
    assert_eq!(current(), "(untagged)");
}
