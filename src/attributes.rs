//! The attributes, with their documentation and examples.

/// Runs a function under a tag: everything it allocates belongs to the component.
///
/// - `#[scoped("name")]`, or the path of a `static` [`Tag`](crate::Tag):
///   `#[scoped(INDEX)]`.
/// - On functions and methods of any kind but `const fn`.
/// - An `async fn` carries the tag, as [`InScope`](crate::InScope) does: it owns what
///   it allocates whichever thread polls it. It stays `Send` if it was.
///
/// A function that only *returns* a future (`fn f() -> impl Future`) runs under the
/// tag itself, not its future: write `scope!("name", async { … })` there. An
/// argument is dropped after the scope has ended; its memory has its owner anyway.
///
/// # Cost
///
/// That of [`scope!`](crate::scope); in an `async fn`, at each poll.
///
/// # Examples
///
/// ```
/// # #[global_allocator]
/// # static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
/// use heapledger::{Tag, scoped};
///
/// static INDEX: Tag = Tag::new("index");
///
/// #[scoped(INDEX)]
/// fn postings(count: usize) -> Vec<u32> {
///     vec![0; count]
/// }
///
/// #[scoped("loader")]
/// async fn load(path: &str) -> std::io::Result<Vec<u8>> {
///     let text = std::fs::read(path)?;
///     Ok(text)
/// }
///
/// let list = postings(1000);
/// assert_eq!(INDEX.read().unwrap().own.live_bytes(), 4000);
/// # drop(list);
/// ```
pub use heapledger_macros::scoped;

/// Runs a function under a tag, and logs what each call did to memory.
///
/// An event of `tracing` at the target `heapledger` ends each call, with the fields
/// `function`, `elapsed_us`, `live_bytes_delta`, `peak_live_bytes`,
/// `allocated_bytes`, `allocated_blocks`, and `finished`: false if the function
/// panicked, or its future was dropped half-way. The numbers are those of
/// [`Measurement`](crate::Measurement): of the function's tag and the tags below it,
/// over all polls of an `async fn` and on all threads. Calls that overlap in time
/// share the tag, and see each other's memory.
///
/// - `name = "parser/numbers"`: the tag. Otherwise the function's path, such as
///   `my_crate::parser::numbers`.
/// - `level = "debug"`: the event's level, otherwise `info`.
///
/// Without the allocator installed the function still runs; that it was not measured
/// is a warning once, and the field `error` of each event. Needs the features
/// `macros` and `tracing`.
///
/// # Cost
///
/// Where nobody listens at that level, that of [`scoped`] and the question. Otherwise
/// some 20 µs a call (see [`measure`](crate::measure())) and the event; a poll of an
/// `async fn`, 0.3 µs, 1.7 if it allocates. What subscribers allocate for the event is booked
/// to the tag `heapledger/log`.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "tracing")]
/// # mod example {
/// use heapledger::measured;
///
/// #[measured]
/// fn parse(text: &str) -> Vec<String> {
///     text.split(' ').map(str::to_owned).collect()
/// }
///
/// #[measured(name = "search/query", level = "debug")]
/// async fn query(words: &[String]) -> usize {
///     words.len()
/// }
/// // INFO heapledger: my_crate::parse: 0.0003 s, +1.5 KiB live function="my_crate::parse" …
/// # }
/// ```
pub use heapledger_macros::measured;
