//! Spans as scopes: what `tracing::SpanTags` books to whom.
//!
//! Seen to fail: with `leave` for every exit instead of only the last entered
//! span's, with the exited span looked for from the bottom of the stack, without
//! the inheritance of what was current before, and with rules searched backwards.

mod nesting;
mod order;
mod rules;
mod threads;

use heapledger::tracing::{SpanRule, SpanTags};
use heapledger::{Scope, Tag};
use tracing::dispatcher::{Dispatch, set_default};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::Registry;
use tracing_subscriber::layer::SubscriberExt;

#[global_allocator]
static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();

/// A subscriber with these rules, for this thread until the guard is dropped.
fn subscribe(rules: impl IntoIterator<Item = SpanRule>) -> (Dispatch, DefaultGuard) {
    let tags = SpanTags::new(rules).expect("good rules");
    let dispatch = Dispatch::new(Registry::default().with(tags));
    let guard = set_default(&dispatch);
    (dispatch, guard)
}

/// One rule a tag, for spans of the tag's name.
fn by_name<const N: usize>(names: [&str; N]) -> impl Iterator<Item = SpanRule> {
    names.into_iter().map(|name| SpanRule::new(format!("spans/{name}")).name(name))
}

/// The name of the current tag.
fn current() -> String {
    let id = Scope::current().tag_id();
    let snapshot = heapledger::OwnedSnapshot::capture().expect("an installed allocator");
    let tag = snapshot.tags.into_iter().find(|tag| tag.id == id).expect("a tag that is known");
    tag.name.strip_prefix("spans/").unwrap_or(&tag.name).to_owned()
}

fn live_bytes(tag: &str) -> u64 {
    let tag = Tag::register(tag).expect("a valid name");
    tag.read().expect("an installed allocator").own.live_bytes()
}
