//! Which spans have which tag.

use core::fmt;

use tracing_core::metadata::LevelFilter;
use tracing_core::{Level, Metadata};

use crate::ledger::name::TagError;
use crate::scope::Tag;

/// A tag, and the conditions on the spans that have it.
///
/// All conditions must hold; a rule without any matches every span.
///
/// # Examples
///
/// ```
/// use heapledger::tracing::SpanRule;
///
/// let rule = SpanRule::new("storage/write").target("my_service::storage").name("write");
/// ```
#[derive(Clone, Debug)]
#[must_use = "a rule does nothing until it is given to `SpanTags::new`"]
pub struct SpanRule {
    tag: String,
    target: Option<String>,
    name: Option<String>,
    /// `TRACE` where none was asked for: it holds for every span.
    max_level: LevelFilter,
}

impl SpanRule {
    /// A rule that gives spans the tag of this name.
    pub fn new(tag: impl Into<String>) -> Self {
        Self { tag: tag.into(), target: None, name: None, max_level: LevelFilter::TRACE }
    }

    /// Spans of this target, which is a module path unless the span says otherwise,
    /// and of the modules in it: `app::index` also covers `app::index::merge`, not
    /// `app::indexer`.
    pub fn target(mut self, target: impl Into<String>) -> Self {
        self.target = Some(target.into());
        self
    }

    /// Spans of this name.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Spans of this level and those more severe: `INFO` covers `WARN` and `ERROR`.
    pub fn max_level(mut self, level: Level) -> Self {
        self.max_level = level.into();
        self
    }

    /// Whether it matches every span that `other` matches.
    fn covers(&self, other: &Self) -> bool {
        let target = match (&self.target, &other.target) {
            (None, _) => true,
            (Some(own), Some(other)) => is_within(other, own),
            (Some(_), None) => false,
        };
        let name = self.name.is_none() || self.name == other.name;
        target && name && other.max_level <= self.max_level
    }

    fn check(&self, rule: usize) -> Result<Tag, SpanRuleError> {
        if self.target.as_deref() == Some("") {
            return Err(SpanRuleError::EmptyTarget { rule });
        }
        if self.name.as_deref() == Some("") {
            return Err(SpanRuleError::EmptyName { rule });
        }
        Tag::register(&self.tag).map_err(|error| SpanRuleError::Tag { rule, error })
    }
}

/// Whether a target is this module or one in it.
fn is_within(target: &str, module: &str) -> bool {
    let rest = target.strip_prefix(module);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// A rule that was checked.
#[derive(Debug)]
pub(super) struct Compiled {
    rule: SpanRule,
    tag: u16,
}

impl Compiled {
    pub(super) fn tag(&self) -> u16 {
        self.tag
    }

    pub(super) fn matches(&self, metadata: &Metadata<'_>) -> bool {
        let rule = &self.rule;
        rule.target.as_ref().is_none_or(|module| is_within(metadata.target(), module))
            && rule.name.as_ref().is_none_or(|name| name == metadata.name())
            && *metadata.level() <= rule.max_level
    }
}

/// Checks all rules and gives their tags a place.
pub(super) fn compile(
    rules: impl IntoIterator<Item = SpanRule>,
) -> Result<Box<[Compiled]>, SpanRuleError> {
    let mut compiled: Vec<Compiled> = Vec::new();
    for (number, rule) in (1..).zip(rules) {
        if let Some(at) = compiled.iter().position(|earlier| earlier.rule.covers(&rule)) {
            return Err(SpanRuleError::NeverReached { rule: number, hidden_by: at + 1 });
        }
        let tag = rule.check(number)?.id().get();
        compiled.push(Compiled { rule, tag });
    }
    if compiled.is_empty() { Err(SpanRuleError::NoRules) } else { Ok(compiled.into()) }
}

/// Why rules were not accepted; rules are counted from 1.
///
/// # Examples
///
/// ```
/// use heapledger::tracing::{SpanRule, SpanTags};
///
/// let error = SpanTags::new([SpanRule::new("all"), SpanRule::new("index").name("index")]);
/// assert_eq!(
///     error.unwrap_err().to_string(),
///     "rule 2 can never match, as rule 1 matches all its spans: put it before rule 1",
/// );
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpanRuleError {
    /// There is no rule.
    NoRules,
    /// The tag's name is not valid, or finds no place.
    Tag {
        /// The number of the rule.
        rule: usize,
        /// What is wrong with the name.
        error: TagError,
    },
    /// The target is the empty string, which would match nothing.
    EmptyTarget {
        /// The number of the rule.
        rule: usize,
    },
    /// The name of the span is the empty string, which would match nothing.
    EmptyName {
        /// The number of the rule.
        rule: usize,
    },
    /// An earlier rule matches every span that this one does.
    NeverReached {
        /// The number of the rule.
        rule: usize,
        /// The number of the earlier one.
        hidden_by: usize,
    },
}

impl fmt::Display for SpanRuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRules => f.write_str("there is no rule: give at least one `SpanRule`"),
            Self::Tag { rule, error } => write!(f, "rule {rule}: {error}"),
            Self::EmptyTarget { rule } => {
                write!(f, "rule {rule} has an empty target: leave it out to match every target")
            }
            Self::EmptyName { rule } => {
                write!(f, "rule {rule} has an empty span name: leave it out to match every name")
            }
            Self::NeverReached { rule, hidden_by } => write!(
                f,
                "rule {rule} can never match, as rule {hidden_by} matches all its spans: put it \
                 before rule {hidden_by}"
            ),
        }
    }
}

impl core::error::Error for SpanRuleError {}
