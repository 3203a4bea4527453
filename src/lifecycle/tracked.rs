//! `Tracked`: a value that is counted while it lives.

use core::any::{TypeId, type_name};
use core::fmt;
use core::ops::{Deref, DerefMut};

use crate::ledger::registry::TAGS;
use crate::scope::TagId;

use super::census::{self, Counter};

/// A value that counts as an instance of its type while it lives.
///
/// It counts under the tag that is current when it is made, whichever thread or
/// scope drops it. It is as `Send` and `Sync` as the value, and reads as it.
///
/// To count a type's instances wherever they are made, put a
/// `Tracked<PhantomData<Self>>` into a field.
///
/// # Cost
///
/// One word beside the value. Making one looks the type up and adds to a shared
/// counter, dropping one adds to another: no lock, and no allocation but for the
/// first instances of a type: 4 ns for both, as two atomic additions take, and as
/// much more as those do where threads make instances of one type at a time. A type's
/// counters take 1 KiB, and 1 KiB for each 64 tags; they stay.
///
/// # Concurrency
///
/// Counts are exact at rest; see [`instances`].
///
/// # Examples
///
/// ```
/// use heapledger::lifecycle::{Tracked, instances};
///
/// struct Session {
///     user: String,
/// }
///
/// let session = Tracked::new(Session { user: "ada".into() });
/// assert_eq!(session.user, "ada");
/// assert_eq!(instances::<Session>().live(), 1);
///
/// let Session { user } = session.into_inner();
/// assert_eq!((user.as_str(), instances::<Session>().live()), ("ada", 0));
/// ```
pub struct Tracked<T> {
    value: T,
    /// After the value: an instance counts until it is dropped.
    _counted: Counted,
}

/// One instance, in its counter.
struct Counted(&'static Counter);

impl Drop for Counted {
    #[inline]
    fn drop(&mut self) {
        self.0.remove();
    }
}

impl<T: 'static> Tracked<T> {
    /// Counts a value as an instance of its type, under the current tag.
    #[inline]
    #[must_use]
    pub fn new(value: T) -> Self {
        let counter = Counter::current::<T>();
        counter.add();
        Self { value, _counted: Counted(counter) }
    }
}

impl<T> Tracked<T> {
    /// The value, which does not count any more.
    #[inline]
    #[must_use]
    pub fn into_inner(self) -> T {
        self.value
    }
}

impl<T> Deref for Tracked<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Tracked<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

/// The copy is an instance of its own, under the tag that is current now.
impl<T: Clone + 'static> Clone for Tracked<T> {
    fn clone(&self) -> Self {
        Self::new(self.value.clone())
    }
}

impl<T: Default + 'static> Default for Tracked<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: 'static> From<T> for Tracked<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: fmt::Debug> fmt::Debug for Tracked<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

/// How many instances there were; those that live are the difference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct InstanceCounts {
    /// Instances ever made.
    pub created: u64,
    /// Instances that were dropped, or gave up their value.
    pub dropped: u64,
}

impl InstanceCounts {
    /// Instances that live.
    #[must_use]
    pub const fn live(&self) -> u64 {
        self.created - self.dropped
    }
}

/// The instances of a type that were made under one tag.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct TagInstances {
    /// The tag's number.
    pub id: TagId,
    /// The tag's name.
    pub tag: String,
    /// How many there were.
    pub counts: InstanceCounts,
}

/// How many [`Tracked`] instances of a type there are and were.
///
/// # Cost
///
/// Two passes over the counters of the type. No allocation, but for a type that
/// was never asked about nor made.
///
/// # Concurrency
///
/// Exact while no instance is made or dropped. While others make and drop some,
/// every drop that is counted has its creation counted: `live()` is never
/// negative, and at most what was made during the reading above the truth.
///
/// # Examples
///
/// ```
/// use heapledger::lifecycle::{Tracked, instances};
///
/// struct Connection;
///
/// let pool = vec![Tracked::new(Connection), Tracked::new(Connection)];
/// assert_eq!(instances::<Connection>().live(), 2);
/// drop(pool);
/// assert_eq!(instances::<Connection>().live(), 0);
/// assert_eq!(instances::<Connection>().created, 2);
/// ```
#[must_use]
pub fn instances<T: 'static>() -> InstanceCounts {
    census::total(TypeId::of::<T>())
}

/// How many [`Tracked`] instances of a type there are and were, for each tag under
/// which some were made.
///
/// # Concurrency
///
/// As for [`instances`], for each tag by itself.
///
/// # Examples
///
/// ```
/// use heapledger::lifecycle::{Tracked, instances_by_tag};
/// use heapledger::scope;
///
/// struct Page;
///
/// let page = scope!("cache", Tracked::new(Page));
/// let by_tag = instances_by_tag::<Page>();
/// assert_eq!((by_tag[0].tag.as_str(), by_tag[0].counts.live()), ("cache", 1));
/// # drop(page);
/// ```
#[must_use]
pub fn instances_by_tag<T: 'static>() -> Vec<TagInstances> {
    census::by_tag(TypeId::of::<T>())
        .map(|(id, counts)| {
            let tag = TAGS.name(id.get()).unwrap_or_default().to_owned();
            TagInstances { id, tag, counts }
        })
        .collect()
}

/// There is more than one instance of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotSingleton {
    /// The type's name, as the compiler tells it.
    pub type_name: &'static str,
    /// How many instances live.
    pub live: u64,
}

impl fmt::Display for NotSingleton {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { type_name, live } = self;
        write!(
            f,
            "{live} instances of `{type_name}` live where at most one should: make it once and \
             share it; `instances_by_tag` says where they were made"
        )
    }
}

impl core::error::Error for NotSingleton {}

/// Tells whether at most one [`Tracked`] instance of a type lives.
///
/// # Errors
///
/// [`NotSingleton`] if there are more; it says how many.
///
/// # Examples
///
/// ```
/// use heapledger::lifecycle::{Tracked, check_singleton};
///
/// struct Settings;
///
/// let one = Tracked::new(Settings);
/// assert!(check_singleton::<Settings>().is_ok());
/// let two = Tracked::new(Settings);
/// assert_eq!(check_singleton::<Settings>().unwrap_err().live, 2);
/// # drop((one, two));
/// ```
pub fn check_singleton<T: 'static>() -> Result<(), NotSingleton> {
    match instances::<T>().live() {
        0 | 1 => Ok(()),
        live => Err(NotSingleton { type_name: type_name::<T>(), live }),
    }
}

/// Panics if more than one [`Tracked`] instance of a type lives, in builds with
/// debug assertions; does nothing in others.
///
/// # Panics
///
/// With debug assertions, if [`check_singleton`] gives an error.
///
/// # Examples
///
/// ```should_panic
/// use heapledger::lifecycle::{Tracked, assert_singleton};
///
/// struct Settings;
///
/// let (one, two) = (Tracked::new(Settings), Tracked::new(Settings));
/// assert_singleton::<Settings>();
/// ```
#[track_caller]
pub fn assert_singleton<T: 'static>() {
    if cfg!(debug_assertions)
        && let Err(error) = check_singleton::<T>()
    {
        panic!("{error}");
    }
}
