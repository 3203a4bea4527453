//! Every kind of function is accepted, and the expansions pass the strictest lints.
#![deny(warnings, clippy::all, clippy::pedantic)]
#![allow(dead_code, missing_docs, reason = "a test")]
#![allow(clippy::unused_async, clippy::unused_self, reason = "they are the kinds to be shown")]

use std::fmt::{Debug, Display};
use std::future::Future;
use std::ops::Deref;

use heapledger::{Tag, measured, scoped};

static TAG: Tag = Tag::new("functions/static");

mod tags {
    pub static INNER: heapledger::Tag = heapledger::Tag::new("functions/inner");
}

#[scoped("functions/plain")]
fn plain() {}

#[scoped(TAG)]
fn by_static(text: &str) -> String {
    text.to_owned()
}

#[scoped(tags::INNER)]
pub(crate) async fn by_path(text: String) -> String {
    text
}

#[scoped("functions/generic")]
fn generic<T, const N: usize>(values: &[T; N]) -> Vec<T>
where
    T: Clone + Debug,
{
    values.to_vec()
}

#[scoped("functions/lifetimes")]
fn lifetimes<'a, 'b: 'a>(first: &'a str, second: &'b str) -> &'a str {
    if first.is_empty() { second } else { first }
}

/// Documented, and more.
#[must_use = "it does nothing by itself"]
#[inline]
#[scoped("functions/impl_trait")]
fn impl_trait<'a>(names: impl Iterator<Item = &'a str> + 'a) -> impl Iterator<Item = String> + 'a {
    names.map(str::to_owned)
}

#[scoped("functions/unsafe")]
unsafe fn unsafe_fn(pointer: *const u8) -> u8 {
    // SAFETY: the caller's.
    unsafe { *pointer }
}

#[scoped("functions/extern")]
#[unsafe(no_mangle)]
pub extern "C" fn heapledger_test_callback(value: u32) -> u32 {
    value + 1
}

#[scoped("functions/inner_attributes")]
fn inner_attributes() -> u32 {
    #![allow(unused_variables)]
    let unused = 1;
    2
}

#[scoped("functions/items")]
fn items_first() -> u32 {
    const ONE: u32 = 1;
    fn two() -> u32 {
        2
    }
    ONE + two()
}

#[scoped("functions/never")]
fn never() -> ! {
    panic!("never")
}

#[scoped("functions/never")]
async fn never_async() -> ! {
    std::future::pending::<()>().await;
    panic!("never")
}

#[scoped("functions/patterns")]
async fn patterns((mut a, b): (Vec<u8>, &[u8]), _: String, [c, ..]: [u8; 2]) -> Vec<u8> {
    a.extend_from_slice(b);
    a.push(c);
    a
}

#[scoped("functions/coerced")]
async fn coerced(
    fail: bool,
) -> Result<Box<dyn Display + Send>, Box<dyn std::error::Error + Send + Sync>> {
    if fail {
        return Err("text becomes an error".into());
    }
    let number: u32 = "17".parse()?;
    Ok(Box::new(number))
}

#[scoped("functions/impl_trait")]
async fn async_impl_trait(count: u8) -> Result<impl Deref<Target = [u8]>, std::num::ParseIntError> {
    let first = "1".parse::<u8>()?;
    Ok(vec![first; count.into()])
}

#[scoped("functions/borrowed")]
async fn borrowed<'a>(text: &'a str, other: &str) -> &'a str {
    let end = other.len().min(text.len());
    &text[..end]
}

/// The scope is not seen by the body, nor does it see the body's names.
#[measured]
#[scoped("functions/hygiene")]
#[allow(clippy::used_underscore_binding, reason = "the names that the expansions use")]
fn hygiene(_scope: u8, _measured: u16, never: u32) -> u64 {
    const SITE: u64 = 1;
    SITE + u64::from(_scope) + u64::from(_measured) + u64::from(never)
}

#[measured(level = "trace")]
#[scoped("functions/hygiene")]
async fn hygiene_async(never: u32) -> u32 {
    const SITE: u32 = 1;
    SITE + never
}

#[measured]
fn r#match() {}

/// The tail's temporaries live as they do without the attribute.
#[scoped("functions/temporaries")]
fn temporaries() -> usize {
    let cell = std::cell::RefCell::new(vec![1, 2]);
    cell.borrow().len()
}

trait Search {
    fn query(&mut self, text: &str) -> usize;
    fn both(&self) -> impl Future<Output = usize> + Send;
    #[scoped("functions/provided")]
    fn provided(&self) -> usize {
        1
    }
}

#[derive(Clone)]
struct Engine<T> {
    queries: Vec<T>,
}

impl<T: for<'a> From<&'a str> + Send + Sync> Search for Engine<T> {
    #[scoped("functions/method")]
    fn query(&mut self, text: &str) -> usize {
        self.queries.push(T::from(text));
        self.queries.len()
    }

    #[measured(name = "functions/both")]
    async fn both(&self) -> usize {
        std::future::ready(()).await;
        self.queries.len()
    }
}

impl<T> Engine<T> {
    #[scoped("functions/by_value")]
    async fn by_value(mut self) -> Option<T> {
        self.queries.pop()
    }

    #[scoped("functions/by_box")]
    #[allow(clippy::boxed_local, reason = "a kind to be shown")]
    fn by_box(self: Box<Self>) -> Vec<T> {
        self.queries
    }

    #[measured(name = "functions/by_reference")]
    async fn by_reference(&mut self, more: T) -> &T {
        self.queries.push(more);
        &self.queries[0]
    }
}

fn is_send<T: Send>(future: T) -> T {
    future
}

#[test]
fn they_are_what_they_were() {
    let mut engine = Engine { queries: vec![String::new()] };
    drop(is_send(engine.clone().by_value()));
    drop(is_send(engine.by_reference(String::new())));
    drop(is_send(engine.both()));
    drop(is_send(by_path(String::new())));
    drop(is_send(patterns((Vec::new(), &[]), String::new(), [1, 2])));
    drop(is_send(coerced(true)));
    drop(is_send(borrowed("a", "b")));
    drop(is_send(hygiene_async(1)));
    drop(is_send(never_async()));
    r#match();
    assert_eq!(hygiene(1, 2, 3), 7);
    assert_eq!(lifetimes("", "b"), "b");
    assert_eq!(items_first() + heapledger_test_callback(1), 5);
    assert_eq!(temporaries(), 2);
    assert_eq!(impl_trait(["a"].into_iter()).count(), 1);
    assert_eq!(generic(&[1, 2]), [1, 2]);
    assert_eq!(engine.query("x") + engine.provided(), 3);
}
