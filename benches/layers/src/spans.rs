//! Spans: no subscriber, a registry alone, and with one layer each.

use std::hint::black_box;

use heapledger::tracing::{SpanRule, SpanTags};
use heapledger::{Scope, Tag, scope};
use tracing::span::Id;
use tracing::{Dispatch, Span, Subscriber, dispatcher, info_span};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry};

use crate::{Candidate, measure};

/// A layer that is called and does nothing.
struct Nothing;

impl<S: Subscriber> Layer<S> for Nothing {
    fn on_enter(&self, id: &Id, _: Context<'_, S>) {
        black_box(id);
    }

    fn on_exit(&self, id: &Id, _: Context<'_, S>) {
        black_box(id);
    }
}

/// A layer that looks up the span it enters, as every layer must that wants to know
/// more than its number.
struct LookUp;

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for LookUp {
    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        black_box(context.metadata(id));
    }

    fn on_exit(&self, id: &Id, _: Context<'_, S>) {
        black_box(id);
    }
}

/// A span of the one callsite there is, in a subscriber.
fn span(subscriber: impl Into<Dispatch>) -> Span {
    dispatcher::with_default(&subscriber.into(), || info_span!("measured"))
}

fn tags(name: &str) -> SpanTags {
    // Ten rules before the one that may match: their number does not matter.
    let others = (0..10).map(|number| {
        SpanRule::new("bench/other").target(format!("bench::module{number}")).name("x")
    });
    let rules = others.chain([SpanRule::new("bench/matched").name(name)]);
    SpanTags::new(rules).expect("good rules")
}

pub fn run(rounds: u32) -> Vec<(String, f64)> {
    let spans = [
        ("no subscriber", info_span!("measured")),
        ("registry alone", span(Registry::default())),
        ("and a layer that does nothing", span(Registry::default().with(Nothing))),
        ("and a layer that looks the span up", span(Registry::default().with(LookUp))),
        ("and `SpanTags`, no rule matches", span(Registry::default().with(tags("none")))),
        ("and `SpanTags`, a rule matches", span(Registry::default().with(tags("measured")))),
    ];
    let matched = Tag::register("bench/matched").expect("a valid name").id();
    for (name, span) in &spans {
        let current = span.in_scope(|| Scope::current().tag_id());
        assert_eq!(current == matched, name.ends_with("a rule matches"), "{name}");
    }
    let mut candidates: Vec<Candidate> = Vec::new();
    for (name, span) in &spans {
        let run = |iterations| {
            for _ in 0..iterations {
                span.in_scope(|| black_box(()));
            }
        };
        candidates.push((name, Box::new(run)));
    }
    let scope = |iterations| {
        for _ in 0..iterations {
            scope!("bench/scope", black_box(()));
        }
    };
    candidates.push(("for comparison: `scope!`", Box::new(scope)));
    measure(rounds, candidates)
}
