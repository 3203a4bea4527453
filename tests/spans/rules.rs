//! Which spans a rule matches, and which rules are refused.

use heapledger::TagError;
use heapledger::tracing::{SpanRule, SpanRuleError, SpanTags};
use tracing::{Level, Span, debug_span, info_span, warn_span};

use super::{current, live_bytes, subscribe};

fn tag_in(span: &Span) -> String {
    span.in_scope(current)
}

#[test]
fn the_first_rule_that_matches_wins() {
    let _subscriber = subscribe([
        SpanRule::new("first/write").target("app::storage").name("write"),
        SpanRule::new("first/storage").target("app::storage"),
        SpanRule::new("first/warnings").max_level(Level::WARN),
        SpanRule::new("first/write elsewhere").name("write"),
    ]);
    let cases = [
        (info_span!(target: "app::storage", "write"), "first/write"),
        (info_span!(target: "app::storage::disk", "write"), "first/write"),
        (info_span!(target: "app::storage", "read"), "first/storage"),
        (warn_span!(target: "app::storage", "read"), "first/storage"),
        (info_span!(target: "app::storages", "read"), "(untagged)"),
        (info_span!(target: "app", "read"), "(untagged)"),
        (warn_span!(target: "app", "read"), "first/warnings"),
        (tracing::error_span!(target: "app", "write"), "first/warnings"),
        (debug_span!(target: "app", "write"), "first/write elsewhere"),
        (info_span!("write"), "first/write elsewhere"),
        (info_span!("other"), "(untagged)"),
    ];
    // Twice: asked of the rules, and as kept.
    for _ in 0..2 {
        for (span, tag) in &cases {
            assert_eq!(tag_in(span), *tag, "{:?}", span.metadata());
        }
    }
}

#[test]
fn a_rule_without_conditions_matches_every_span() {
    let _subscriber = subscribe([SpanRule::new("every/one")]);
    assert_eq!(tag_in(&tracing::trace_span!(target: "x", "y")), "every/one");
}

#[test]
fn what_a_span_allocates_is_its_tags() {
    let _subscriber = subscribe([SpanRule::new("owner").name("owner")]);
    let span = info_span!("owner");
    let kept = span.in_scope(|| vec![0_u8; 1000]);
    let outside = vec![0_u8; 500];
    let other = info_span!("other").in_scope(|| vec![0_u8; 300]);
    assert_eq!(live_bytes("owner"), 1000);
    drop((kept, outside, other));
    assert_eq!(live_bytes("owner"), 0);
}

#[test]
fn a_callsite_has_a_tag_in_each_subscriber() {
    let span = || info_span!("shared");
    for tag in ["layer/a", "layer/b"] {
        let _subscriber = subscribe([SpanRule::new(tag).name("shared")]);
        assert_eq!(tag_in(&span()), tag);
    }
    let _subscriber = subscribe([SpanRule::new("layer/c").name("another")]);
    assert_eq!(tag_in(&span()), "(untagged)");
}

#[test]
fn bad_rules_are_refused_and_explained() {
    let refused = |rules: &[SpanRule], expected: SpanRuleError, says: &str| {
        let error = SpanTags::new(rules.iter().cloned()).expect_err("bad rules");
        assert_eq!(error, expected);
        assert!(error.to_string().contains(says), "{error}");
    };
    let good = SpanRule::new("good").target("app").max_level(Level::INFO);
    refused(&[], SpanRuleError::NoRules, "at least one");
    refused(
        &[good.clone(), SpanRule::new("a//b").name("x")],
        SpanRuleError::Tag { rule: 2, error: TagError::EmptyLevel(2) },
        "rule 2: a tag name may not have an empty level",
    );
    refused(
        &[SpanRule::new("t").target("")],
        SpanRuleError::EmptyTarget { rule: 1 },
        "leave it out",
    );
    refused(&[SpanRule::new("n").name("")], SpanRuleError::EmptyName { rule: 1 }, "leave it out");
    for hidden in [
        good.clone(),
        good.clone().name("any"),
        SpanRule::new("h").target("app::inner").max_level(Level::INFO),
        SpanRule::new("h").target("app").max_level(Level::ERROR),
    ] {
        refused(
            &[SpanRule::new("n").name("n"), good.clone(), hidden],
            SpanRuleError::NeverReached { rule: 3, hidden_by: 2 },
            "put it before rule 2",
        );
    }
    for reached in [
        SpanRule::new("r").target("apps").max_level(Level::INFO),
        SpanRule::new("r").target("app"),
        SpanRule::new("r").name("n"),
    ] {
        SpanTags::new([good.clone(), reached]).expect("it matches what the first does not");
    }
}
