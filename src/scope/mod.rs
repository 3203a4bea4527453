//! Scopes: which component the running code belongs to.

mod bounded;
mod carry;
mod current;
mod ephemeral;
mod future;
mod guard;
mod held;
mod name;
mod not_a_tag;
mod observed;
pub(crate) mod room;
mod tag;
#[cfg(feature = "tower")]
pub mod tower;
#[cfg(feature = "tracing-layer")]
pub mod tracing;

pub use bounded::BoundedTags;
pub use carry::{Carried, IntoScope};
pub use current::{EnteredScope, Scope};
pub use ephemeral::EphemeralTag;
pub use future::{InScope, Scoped};
pub use guard::ScopeGuard;
pub use held::HeldScopeGuard;
pub use name::TagName;
#[doc(hidden)]
pub use not_a_tag::NotATag;
pub(crate) use observed::Unobserved;
pub use tag::{Tag, TagId};

/// Runs an expression under a tag, or enters the tag until the guard is dropped.
///
/// - `scope!("name", expression)` gives the expression's value; every block the
///   calling thread allocates while it runs belongs to `"name"` until it is
///   freed, whichever thread or scope frees it. `?`, `return` and `break` work.
/// - `let _scope = scope!("name");` is the same until the end of the block.
/// - `scope!("name", async { … })` (or `async move`) gives a future that carries the
///   tag wherever it is polled, see [`Scoped`].
/// - A [`Tag`] may stand in the place of the name, which is a literal: for a constant or
///   a name that is known at run time only, make one (`Tag::new` in a `static`,
///   [`Tag::register`]).
///
/// `"index/postings"` is a child of `"index"`. Scopes nest: the innermost owns.
/// A name that is not valid does not compile.
///
/// # Cost
///
/// The first run at a place looks the name up; every later one is a handful of
/// instructions (`benches/README.md` has the measured time).
///
/// # Concurrency
///
/// A scope is the calling thread's. The guard is not `Send`, so it cannot be
/// held across an `.await` in a future that moves between threads: there, let the
/// future carry the scope. In futures that share a thread (`LocalSet`, `join!`) it can
/// be, and must not: guards are to be dropped innermost first, see [`ScopeGuard`].
///
/// # Examples
///
/// ```
/// use heapledger::scope;
///
/// let words = scope!("dictionary", vec!["a".to_string(), "b".to_string()]);
///
/// fn parse(text: &str) -> Result<Vec<i64>, std::num::ParseIntError> {
///     let _scope = scope!("parser/numbers");
///     text.split(' ').map(str::parse).collect()
/// }
/// assert_eq!(parse("1 2").unwrap().len() + words.len(), 4);
/// ```
///
/// ```compile_fail
/// let _scope = heapledger::scope!("a//b");
/// ```
#[macro_export]
macro_rules! scope {
    ($name:literal $(,)?) => {{
        static SITE: $crate::Tag = $crate::Tag::new($name);
        SITE.enter()
    }};
    ($name:literal, async move $body:block $(,)?) => {
        $crate::InScope::in_scope(async move $body, {
            static SITE: $crate::Tag = $crate::Tag::new($name);
            &SITE
        })
    };
    ($name:literal, async $body:block $(,)?) => {
        $crate::InScope::in_scope(async $body, {
            static SITE: $crate::Tag = $crate::Tag::new($name);
            &SITE
        })
    };
    ($name:literal, $body:expr $(,)?) => {{
        let _scope = $crate::scope!($name);
        $body
    }};
    ($tag:expr $(,)?) => {{
        #[allow(unused_imports)]
        use $crate::NotATag as _;
        $tag.enter()
    }};
    ($tag:expr, async move $body:block $(,)?) => {
        $crate::InScope::in_scope(async move $body, &$tag)
    };
    ($tag:expr, async $body:block $(,)?) => {
        $crate::InScope::in_scope(async $body, &$tag)
    };
    ($tag:expr, $body:expr $(,)?) => {{
        let _scope = $crate::scope!($tag);
        $body
    }};
}
