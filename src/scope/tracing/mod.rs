//! Spans as scopes: a `tracing` layer that makes the tag of a span current.
//!
//! Which tag a span has depends on its metadata alone (`rule`), which is static, so
//! nothing is kept for a span. Which spans a thread is in is that thread's (`stack`).

mod rule;
mod stack;

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use tracing_core::span::Id;
use tracing_core::{Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use super::{Tag, TagId};
use crate::ledger::cell::CELL_BYTES;

pub use rule::{SpanRule, SpanRuleError};
pub use stack::ENTERED_SPANS_MAX;

/// Owns the rules and the answers that are kept: all that a layer allocates.
static OWN: Tag = Tag::new("heapledger/tracing");

/// Places for answers, eight bytes each. Callsites that share one ask the rules
/// when they take turns.
const ANSWERS: usize = 1 << 10;

/// The kept answer "no rule matches"; not a tag's id, of which there are fewer.
const NO_TAG: u16 = u16::MAX;

/// Tells the stacks of two layers apart.
static LAYERS: AtomicU32 = AtomicU32::new(0);

/// A [`Layer`] that books what is allocated inside a span to the span's tag.
///
/// [`SpanRule`]s say which spans have which tag; the first rule that matches wins.
/// A span that no rule matches changes nothing.
///
/// While a thread is in matched spans, its current tag is that of the one entered
/// last and not yet exited, whatever the order of the exits. After the last exit,
/// what was current before the first of them is current again. A span may be
/// entered several times, and on several threads at once.
///
/// **With scopes**: spans and scopes nest like scopes do, the innermost owns. As
/// with two guards, one rule is left to the program: a [`ScopeGuard`] made inside a
/// span is dropped before the span is exited. One that is dropped later puts back
/// the span's tag, which stays until an outer span or scope ends.
///
/// [`ScopeGuard`]: crate::ScopeGuard
///
/// # Cost
///
/// Nothing is stored in spans and nothing is allocated after the layer is made:
/// 8 KiB and the rules, booked to the tag `heapledger/tracing`. An enter looks the
/// span up in the registry, an exit does not; both together took 18 ns here, of
/// which 14 ns are any layer's that looks a span up (`benches/README.md`). What the
/// subscriber itself allocates for a new span belongs to the tag that is current
/// where the span is created.
///
/// # Concurrency
///
/// Enters and exits touch the calling thread's own data, and read shared answers
/// that hardly ever change. An exit on a thread that did not enter the span does
/// nothing there. Spans that a thread is in when it ends end with it.
///
/// A thread may be in [`ENTERED_SPANS_MAX`] matched spans. Those beyond leave the
/// tag as it is and are counted in [`Faults::spans_too_deep`](crate::Faults).
///
/// # Examples
///
/// ```
/// # #[global_allocator]
/// # static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
/// use heapledger::tracing::{SpanRule, SpanTags};
/// use tracing_subscriber::layer::SubscriberExt;
///
/// let tags = SpanTags::new([
///     SpanRule::new("search/query").name("query"),
///     SpanRule::new("search").target("my_service::search"),
///     SpanRule::new("storage").target("my_service::storage").max_level(tracing::Level::INFO),
/// ])?;
/// let subscriber = tracing_subscriber::registry().with(tags);
///
/// # let guard = tracing::subscriber::set_default(subscriber);
/// let answer = tracing::info_span!("query").in_scope(|| vec![0_u8; 4096]);
/// let query = heapledger::Tag::register("search/query")?;
/// assert_eq!(query.read()?.own.live_bytes(), 4096);
/// # drop(answer);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The layer asks for no events. In a subscriber where nobody else does, a filter
/// of its own spares the program their cost:
///
/// ```
/// # use heapledger::tracing::{SpanRule, SpanTags};
/// # use tracing_subscriber::{Layer, Registry, filter::filter_fn};
/// # let tags = SpanTags::new([SpanRule::new("all")]).unwrap();
/// let tags = tags.with_filter(filter_fn(|metadata| metadata.is_span()));
/// # let _: Box<dyn Layer<Registry> + Send + Sync> = tags.boxed();
/// ```
#[derive(Debug)]
pub struct SpanTags {
    number: u32,
    rules: Box<[rule::Compiled]>,
    /// Answers of the rules by the address of the metadata. A callsite finds its
    /// answer there, unless another one took the place since.
    answers: Box<[AtomicU64]>,
}

impl SpanTags {
    /// A layer with these rules, of which the first that matches wins.
    ///
    /// # Errors
    ///
    /// [`SpanRuleError`] if there is no rule, if one has a bad tag name or condition,
    /// or if one can never match because an earlier one matches all its spans.
    pub fn new(rules: impl IntoIterator<Item = SpanRule>) -> Result<Self, SpanRuleError> {
        let _scope = OWN.enter();
        Ok(Self {
            // Relaxed: only that no two are the same matters.
            number: LAYERS.fetch_add(1, Ordering::Relaxed),
            rules: rule::compile(rules)?,
            answers: (0..ANSWERS).map(|_| AtomicU64::new(0)).collect(),
        })
    }

    /// The tag of the spans of a callsite.
    ///
    /// An address and an id share one word, so no reader sees half an answer.
    /// Metadata is static: its address is never another's.
    #[inline]
    fn tag_of(&self, metadata: &'static Metadata<'static>) -> Option<TagId> {
        let address = core::ptr::from_ref(metadata).addr();
        let key = (address / align_of::<Metadata<'static>>()) as u64;
        let answer = self.answers.get(place(key))?;
        // Relaxed: the word is all there is to know.
        let word = answer.load(Ordering::Relaxed);
        let id =
            if word >> 16 == key { word as u16 } else { self.ask_rules(metadata, key, answer) };
        (id != NO_TAG).then(|| TagId::new(id))
    }

    #[cold]
    #[inline(never)]
    fn ask_rules(&self, metadata: &Metadata<'_>, key: u64, answer: &AtomicU64) -> u16 {
        let rule = self.rules.iter().find(|rule| rule.matches(metadata));
        let id = rule.map_or(NO_TAG, rule::Compiled::tag);
        let word = key << 16 | u64::from(id);
        // An address that does not fit in 48 bits is asked about every time.
        if word >> 16 == key {
            // Relaxed: as in `tag_of`.
            answer.store(word, Ordering::Relaxed);
        }
        id
    }
}

/// Where the answer for a key is kept: by Fibonacci hashing, as metadata lies in
/// regular distances.
#[inline]
const fn place(key: u64) -> usize {
    (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - ANSWERS.ilog2())) as usize
}

impl<S> Layer<S> for SpanTags
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
{
    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        let Some(metadata) = context.metadata(id) else { return };
        if let Some(tag) = self.tag_of(metadata) {
            stack::enter(self.number, id.into_u64(), u32::from(tag.get()) * CELL_BYTES);
        }
    }

    fn on_exit(&self, id: &Id, _: Context<'_, S>) {
        stack::exit(self.number, id.into_u64());
    }
}

#[cfg(test)]
mod tests {
    use tracing_core::callsite::Callsite;
    use tracing_core::{Interest, Kind, Level};

    use super::*;

    struct Place;
    impl Callsite for Place {
        fn set_interest(&self, _: Interest) {}
        fn metadata(&self) -> &Metadata<'_> {
            unreachable!("nobody asks")
        }
    }
    static PLACE: Place = Place;

    /// As many callsites as share each place five times over: what is kept of one
    /// is never taken for another's.
    #[test]
    fn callsites_that_share_a_place_have_their_own_tags() {
        const NAMES: [&str; 3] = ["even", "odd", "none"];
        let rules = ["even", "odd"].map(|name| SpanRule::new(format!("shared/{name}")).name(name));
        let tags = SpanTags::new(rules).unwrap();
        let id = |name: &str| Tag::register(&format!("shared/{name}")).unwrap().id();
        let expected = [Some(id("even")), Some(id("odd")), None];
        let callsites: Vec<&'static Metadata<'static>> = (0..5 * ANSWERS)
            .map(|number| {
                let metadata = tracing_core::metadata! {
                    name: NAMES[number % 3],
                    target: "shared",
                    level: Level::INFO,
                    fields: &[],
                    callsite: &PLACE,
                    kind: Kind::SPAN,
                };
                &*Box::leak(Box::new(metadata))
            })
            .collect();
        for _ in 0..2 {
            for (number, callsite) in callsites.iter().enumerate() {
                assert_eq!(tags.tag_of(callsite), expected[number % 3], "{number}");
                assert_eq!(tags.tag_of(callsite), expected[number % 3], "{number}, as kept");
            }
        }
    }
}
