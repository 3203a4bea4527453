//! A scope as a value: what work takes along when it goes to another thread.

use core::hash::{Hash, Hasher};

use crate::alloc::local::local;
use crate::ledger::leases::Lease;
#[cfg(feature = "testing")]
use crate::ledger::observer::ObserverId;
use crate::ledger::registry::TAGS;

#[cfg(feature = "testing")]
use super::observed::ObserverBefore;
use super::{EphemeralTag, HeldScopeGuard, InScope, Tag, TagId};

/// The current scope as a value, to make it current again elsewhere.
///
/// Scopes belong to a thread. Work that goes to another one (a spawned thread, a
/// thread pool, a callback) takes the scope along: [`Scope::current`] where it is
/// handed over, [`enter`](Self::enter) or [`run`](Self::run) where it runs.
///
/// A scope does not keep a short-lived tag ([`Tag::ephemeral`]) alive. Entering it
/// does; but if the last handle was dropped before, what runs in the scope is booked
/// to the tag's parent, never to another tag that got its number since. Work that
/// may come later than that takes the handle along.
///
/// # Cost
///
/// One word, `Copy`. Taking it is two loads; entering costs a test more than entering
/// a [`Tag`]. With the feature `testing` it is a word and a half, and where a test
/// counts the work, the thread goes over to the test and back at each entering: 30 ns,
/// more with hundreds of tags.
///
/// # Concurrency
///
/// Work that is counted for a test (feature `testing`) is counted for it wherever
/// its scope is entered, as long as the test runs. A scope made from a tag takes
/// along the test it was made in; made outside of any, it leaves that as it is.
///
/// # Examples
///
/// ```
/// # #[global_allocator]
/// # static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
/// use heapledger::{Scope, Tag, scope};
///
/// static INDEX: Tag = Tag::new("index");
///
/// let postings = scope!(INDEX, {
///     let scope = Scope::current();
///     std::thread::spawn(move || scope.run(|| vec![0_u8; 4096])).join().unwrap()
/// });
/// assert!(INDEX.read().unwrap().own.live_bytes() >= 4096);
/// # drop(postings);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Scope {
    lease: Lease,
    /// Who counts the work, beside the ledger.
    #[cfg(feature = "testing")]
    observer: ObserverId,
}

#[cfg(not(feature = "testing"))]
const _: () = assert!(size_of::<Scope>() == 8, "a scope is one word");

impl Scope {
    /// The calling thread's current scope.
    #[inline]
    #[must_use]
    pub fn current() -> Self {
        let local = local();
        Self {
            // Current, so it does not become another tag's.
            lease: TAGS.lease_of(local.tag_id()),
            #[cfg(feature = "testing")]
            observer: local.observer(),
        }
    }

    /// The scope of a tag, observed as the work is that makes it, or wherever it runs.
    #[inline]
    pub(super) fn of(lease: Lease) -> Self {
        Self {
            lease,
            #[cfg(feature = "testing")]
            observer: match local().observer() {
                ObserverId::NONE => ObserverId::ANY,
                observer => observer,
            },
        }
    }

    /// The number of the scope's tag.
    #[must_use]
    pub const fn tag_id(self) -> TagId {
        TagId::new(self.lease.id)
    }

    /// Makes the scope current on this thread until the guard is dropped.
    #[inline]
    pub fn enter(self) -> EnteredScope {
        EnteredScope {
            #[cfg(feature = "testing")]
            _observer: ObserverBefore::change_to(self.observer),
            _scope: HeldScopeGuard::enter(EphemeralTag::hold_or_parent(self.lease)),
        }
    }

    /// The same scope with its work counted by an observer.
    #[cfg(feature = "testing")]
    pub(crate) fn observed_by(self, observer: ObserverId) -> Self {
        Self { observer, ..self }
    }

    /// Runs a closure in the scope.
    ///
    /// # Panics
    ///
    /// If the closure does; the scope that was current before is current again.
    #[inline]
    pub fn run<R>(self, body: impl FnOnce() -> R) -> R {
        let _scope = self.enter();
        body()
    }

    /// Puts the scope around a closure, for whoever runs it and wherever.
    ///
    /// The closure runs in the scope; one that is dropped instead is dropped in it.
    ///
    /// # Cost
    ///
    /// One word beside the closure, no allocation.
    ///
    /// # Examples
    ///
    /// ```
    /// use heapledger::Scope;
    ///
    /// let (jobs, queue) = std::sync::mpsc::channel::<Box<dyn FnOnce() + Send>>();
    /// jobs.send(Box::new(Scope::current().wrap(|| { /* … */ }))).unwrap();
    /// # drop(queue);
    /// ```
    #[inline]
    pub fn wrap<R, F: FnOnce() -> R>(self, work: F) -> impl FnOnce() -> R + use<R, F> {
        let work = work.in_scope(self);
        move || work.run(|work| work())
    }

    /// Makes the scope current for the rest of the thread's life.
    ///
    /// For the hooks of thread pools that run when a thread starts. Scopes that
    /// the thread enters later end in this one.
    ///
    /// # Examples
    ///
    /// ```
    /// static POOL: heapledger::Tag = heapledger::Tag::new("pool");
    ///
    /// std::thread::spawn(|| {
    ///     heapledger::Scope::from(&POOL).enter_thread();
    ///     // … and run what comes in.
    /// });
    /// ```
    pub fn enter_thread(self) {
        core::mem::forget(self.enter());
    }
}

impl From<&Tag> for Scope {
    /// The scope that [`Tag::enter`] makes current.
    #[inline]
    fn from(tag: &Tag) -> Self {
        Self::of(Lease::permanent(tag.id().get()))
    }
}

impl From<Tag> for Scope {
    #[inline]
    fn from(tag: Tag) -> Self {
        Self::from(&tag)
    }
}

// `scope!` puts a `&` before the tag that it is given, whatever that is.

impl From<&&Tag> for Scope {
    #[inline]
    fn from(tag: &&Tag) -> Self {
        Self::from(*tag)
    }
}

impl From<&Self> for Scope {
    #[inline]
    fn from(scope: &Self) -> Self {
        *scope
    }
}

/// Scopes are equal if their tags are.
impl PartialEq for Scope {
    fn eq(&self, other: &Self) -> bool {
        self.lease == other.lease
    }
}

impl Eq for Scope {}

impl Hash for Scope {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.lease.hash(state);
    }
}

/// Keeps a [`Scope`] current on this thread until it is dropped.
///
/// Made by [`Scope::enter`]. Drop puts back what was current when the guard was
/// made, as that of a [`ScopeGuard`](crate::ScopeGuard) does: innermost first.
#[must_use = "the scope ends when the guard is dropped: bind it, `let _scope = …;`"]
#[derive(Debug)]
pub struct EnteredScope {
    /// Dropped first: what it puts back is meant for the observer of its time.
    _scope: HeldScopeGuard,
    #[cfg(feature = "testing")]
    _observer: ObserverBefore,
}
