//! Spans and scopes in each other, and spans in spans to a great depth.

use heapledger::{Scope, TagId, scope};
use tracing::info_span;

use super::{by_name, current, subscribe};
use heapledger::tracing::{ENTERED_SPANS_MAX, SpanRule};

#[test]
fn the_innermost_of_spans_and_scopes_owns() {
    let _subscriber = subscribe(by_name(["outer", "inner"]));
    let _scope = scope!("spans/outside");
    let outer = info_span!("outer").entered();
    assert_eq!(current(), "outer");
    {
        let _scope = scope!("spans/scope");
        assert_eq!(current(), "scope");
        let inner = info_span!("inner").entered();
        assert_eq!(current(), "inner");
        scope!("spans/scope", assert_eq!(current(), "scope"));
        assert_eq!(current(), "inner");
        drop(inner);
        assert_eq!(current(), "scope", "the exit of a span leads back to the scope around it");
    }
    assert_eq!(current(), "outer");
    drop(outer);
    assert_eq!(current(), "outside");
}

#[test]
fn spans_in_any_order_around_a_scope() {
    let (dispatch, _guard) = subscribe(by_name(["around", "within", "last"]));
    let spans = [info_span!("around"), info_span!("within"), info_span!("last")];
    let [around, within, last] = spans.each_ref().map(|span| span.id().expect("enabled"));
    dispatch.enter(&around);
    scope!("spans/between", {
        dispatch.enter(&within);
        dispatch.enter(&last);
        dispatch.exit(&within);
        assert_eq!(current(), "last");
        dispatch.exit(&last);
        assert_eq!(current(), "between");
        dispatch.enter(&within);
        dispatch.exit(&around);
        assert_eq!(current(), "within");
        dispatch.exit(&within);
        assert_eq!(current(), "between", "the scope lives on, whatever span it was made in");
        dispatch.enter(&around);
        dispatch.exit(&around);
        assert_eq!(current(), "between");
    });
}

/// As documented, and as with two guards: what outlives its span puts the span's
/// tag back, until whatever is around it ends.
#[test]
fn a_guard_that_outlives_its_span_puts_its_tag_back() {
    let _subscriber = subscribe(by_name(["ended"]));
    scope!("spans/around", {
        let span = info_span!("ended").entered();
        let guard = scope!("spans/guard");
        drop(span);
        assert_eq!(current(), "around");
        drop(guard);
        assert_eq!(current(), "ended");
    });
    assert_eq!(current(), "(untagged)");
}

#[test]
fn a_forgotten_guard_ends_with_its_span() {
    let _subscriber = subscribe(by_name(["forgetful"]));
    let span = info_span!("forgetful").entered();
    std::mem::forget(scope!("spans/forgotten"));
    assert_eq!(current(), "forgotten");
    drop(span);
    assert_eq!(current(), "(untagged)");
}

/// Deeper than a thread's list of spans: counted, and no tag changes.
#[test]
fn ten_thousand_nested_spans() {
    let rules = ["even", "odd"].map(|name| SpanRule::new(name).name(name));
    let _subscriber = subscribe(rules);
    let (even, odd) = (info_span!("even"), info_span!("odd"));
    let before = heapledger::faults().spans_too_deep;
    let mut tags: Vec<TagId> = Vec::with_capacity(10_000);
    let mut guards = Vec::with_capacity(10_000);
    for depth in 0..10_000 {
        guards.push(if depth % 2 == 0 { even.enter() } else { odd.enter() });
        tags.push(Scope::current().tag_id());
    }
    for (depth, tag) in tags.iter().enumerate() {
        assert_eq!(*tag, tags[depth.min(ENTERED_SPANS_MAX - 1)], "at depth {depth}");
    }
    let refused = heapledger::faults().spans_too_deep - before;
    assert_eq!(refused, 10_000 - ENTERED_SPANS_MAX as u64);
    while let Some(guard) = guards.pop() {
        drop(guard);
    }
    assert_eq!(Scope::current().tag_id(), TagId::UNTAGGED);
}

#[test]
fn two_subscribers_on_one_thread_keep_their_spans_apart() {
    let (first, guard) = subscribe([SpanRule::new("spans/one").name("one")]);
    let one = info_span!("one");
    drop(guard);
    let (second, _guard) = subscribe([SpanRule::new("spans/two").name("two")]);
    let two = info_span!("two");
    // Registries number their spans alike, so these two have one number.
    let [one, two] = [&one, &two].map(|span| span.id().expect("enabled"));
    assert_eq!(one, two);
    first.enter(&one);
    second.enter(&two);
    first.exit(&one);
    assert_eq!(current(), "two");
    second.exit(&two);
    assert_eq!(current(), "(untagged)");
}
