//! Budgets for an expression.

/// Asserts how many allocations an expression makes; gives its value.
///
/// - `assert_allocs!(<= 3, expression)`: at most so many,
/// - `assert_allocs!(== 3, expression)`: exactly so many,
/// - `assert_allocs!(baseline = "name", expression)`: no more, and no more bytes,
///   than the line of that name in the package's `heapledger-baseline.txt` says;
///   with `UPDATE=1` in the environment the line is written.
///
/// A `realloc` is an allocation. The expression is a closure's body: it cannot
/// `return`, use `?` or `.await`. [`testing`](crate::testing) says what is counted.
///
/// # Panics
///
/// If there were more, with the tags that grew; or if nothing can be counted
/// because heapledger is not the program's allocator.
///
/// # Examples
///
/// ```
/// # #[global_allocator]
/// # static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
/// let words = heapledger::assert_allocs!(<= 3, vec!["a".to_string(), "b".to_string()]);
/// heapledger::assert_allocs!(== 0, words.len());
/// ```
///
/// ```should_panic
/// # #[global_allocator]
/// # static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
/// heapledger::assert_allocs!(<= 1, vec!["a".to_string(), "b".to_string()]);
/// ```
#[macro_export]
macro_rules! assert_allocs {
    (<= $max:expr, $body:expr $(,)?) => {
        $crate::testing::run::check(
            &$crate::testing::Budget::new().max_allocs($max),
            concat!("assert_allocs!(<= ", stringify!($max), ", ", stringify!($body), ")"),
            || $body,
        )
    };
    (== $exact:expr, $body:expr $(,)?) => {
        $crate::testing::run::check(
            &$crate::testing::Budget::new().exact_allocs($exact),
            concat!("assert_allocs!(== ", stringify!($exact), ", ", stringify!($body), ")"),
            || $body,
        )
    };
    (baseline = $name:expr, $body:expr $(,)?) => {
        $crate::testing::run::check(
            &$crate::testing::Budget::new().baseline(env!("CARGO_MANIFEST_DIR"), $name),
            concat!("assert_allocs!(baseline = ", stringify!($name), ", ", stringify!($body), ")"),
            || $body,
        )
    };
    ($($other:tt)*) => {
        compile_error!(
            "write `assert_allocs!(<= 3, expression)`, `assert_allocs!(== 3, expression)` or \
             `assert_allocs!(baseline = \"name\", expression)`"
        )
    };
}

/// Asserts how many bytes an expression has live at one time; gives its value.
///
/// `assert_peak!(<= 64 * KIB, expression)`. What was live before does not count.
/// The expression is a closure's body, as in [`assert_allocs!`](crate::assert_allocs).
///
/// # Panics
///
/// If it was more, with the tags that grew; or if nothing can be counted.
///
/// # Examples
///
/// ```
/// # #[global_allocator]
/// # static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
/// use heapledger::{assert_peak, testing::KIB};
///
/// let sum = assert_peak!(<= 8 * KIB, vec![1_u64; 1000].iter().sum::<u64>());
/// assert_eq!(sum, 1000);
/// ```
#[macro_export]
macro_rules! assert_peak {
    (<= $max:expr, $body:expr $(,)?) => {
        $crate::testing::run::check(
            &$crate::testing::Budget::new().max_live($max),
            concat!("assert_peak!(<= ", stringify!($max), ", ", stringify!($body), ")"),
            || $body,
        )
    };
    ($($other:tt)*) => {
        compile_error!("write `assert_peak!(<= 64 * KIB, expression)`: bytes, with `testing::KIB`")
    };
}

/// Asserts that an expression leaves nothing behind, however often it runs.
///
/// `assert_no_growth!(iters = 1000, expression)` runs the expression 100 times (a
/// tenth), so that caches are full, then 1000 times: at the end no more bytes and
/// no more blocks may be live than before. The values are dropped at once.
///
/// # Panics
///
/// If more are live, with the tags that grew; or if nothing can be counted.
///
/// # Examples
///
/// ```
/// # #[global_allocator]
/// # static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
/// let mut cache = std::collections::HashMap::new();
/// heapledger::assert_no_growth!(iters = 1000, cache.insert("key", "value".to_string()));
/// ```
#[macro_export]
macro_rules! assert_no_growth {
    (iters = $iterations:expr, $body:expr $(,)?) => {
        $crate::testing::run::check_no_growth(
            concat!(
                "assert_no_growth!(iters = ",
                stringify!($iterations),
                ", ",
                stringify!($body),
                ")"
            ),
            $iterations,
            || $body,
        )
    };
    ($($other:tt)*) => {
        compile_error!("write `assert_no_growth!(iters = 1000, expression)`")
    };
}
