//! rayon: joins, scopes, spawned work and parallel iterators that keep the scope
//! they were started in.
//!
//! | instead of | write |
//! |---|---|
//! | `rayon::{join, scope, in_place_scope, spawn}` | `heapledger::rayon::{…}` |
//! | `items.par_iter().map(f).collect()` | `items.par_iter().map(f).in_scope(Scope::current()).collect()` |
//! | `pool.install(work)` | `pool.install(Scope::current().wrap(work))` |
//!
//! rayon has no hook around a job: a thread that waits for one job runs others
//! meanwhile, in whatever scope the wait is in. So it is the work that has to carry
//! its scope. Work that was handed to rayon itself belongs to the scope of the
//! thread that happens to run it; to one and the same, if the pool's threads have
//! one ([`ThreadsInScope`]) and nothing on the pool enters others.
//!
//! What rayon itself allocates in these calls (jobs, and at the first use the pool)
//! is not counted by a test or an observation (feature `testing`), nor is work of
//! others that runs while they wait.
//!
//! # Parallel iterators
//!
//! [`in_scope`](crate::InScope::in_scope) is an adapter among the others. On each
//! thread, the scope is current from the beginning of a piece of the work to its
//! end: while its items are made, while the closures before and behind the adapter
//! run, and while the results of pieces are joined. Not in it are
//! - what an operation does before and after the work, such as the buffer that
//!   `collect` makes: that is the caller's,
//! - what adapters before it do to divide the work (`map_with` clones its value):
//!   that is in the scope of the thread that divides,
//! - the pieces of iterators inside: of what `flat_map` returns, only what is
//!   before the adapter, and its closure itself only if it is behind it; use
//!   `flat_map_iter`, or two adapters.
//!
//! The result has no index any more (`zip`, `enumerate` and `rev` go before it;
//! `collect` keeps the order and the allocation in advance).
//!
//! # Cost
//!
//! A join or a spawn: one word for each closure, and the enter and leave of a
//! scope. A parallel iterator: the same for each piece, not for each item.
//!
//! # Examples
//!
//! ```
//! # #[global_allocator]
//! # static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
//! use heapledger::{InScope, Scope, Tag, scope};
//! use rayon::prelude::*;
//!
//! static PARTS: Tag = Tag::new("parts");
//!
//! let (parts, (left, right)) = scope!(PARTS, {
//!     let parts: Vec<_> = (0..1000)
//!         .into_par_iter()
//!         .map(|part| Box::new([part; 4]))
//!         .in_scope(Scope::current())
//!         .collect();
//!     (parts, heapledger::rayon::join(|| vec![0_u8; 100], || vec![0_u8; 200]))
//! });
//! assert!(PARTS.read().unwrap().own.live_bytes() >= 1000 * (16 + 8) + 300);
//! # drop((parts, left, right));
//! ```

use core::ptr;

use ::rayon::ThreadPoolBuilder;

use crate::scope::{Carried, InScope, Scope as Current, Unobserved};

mod iter;

/// `rayon::join`, both closures in the current scope.
///
/// # Panics
///
/// If one of the closures does.
pub fn join<A, B, RA, RB>(a: A, b: B) -> (RA, RB)
where
    A: FnOnce() -> RA + Send,
    B: FnOnce() -> RB + Send,
    RA: Send,
    RB: Send,
{
    let scope = Current::current();
    let (a, b) = (scope.wrap(a), scope.wrap(b));
    Unobserved.run_in(|| ::rayon::join(a, b))
}

/// `rayon::spawn`, in the current scope.
pub fn spawn(work: impl FnOnce() + Send + 'static) {
    let work = Current::current().wrap(work);
    Unobserved.run_in(|| ::rayon::spawn(work));
}

/// `rayon::scope`, in the current scope, as is what is spawned in it.
///
/// # Panics
///
/// If the body does, or work that was spawned.
///
/// # Examples
///
/// ```
/// let mut parts = [const { String::new() }; 8];
/// heapledger::rayon::scope(|s| {
///     for (number, part) in parts.iter_mut().enumerate() {
///         s.spawn(move |_| *part = number.to_string());
///     }
/// });
/// assert_eq!(parts.concat(), "01234567");
/// ```
pub fn scope<'scope, F, R>(body: F) -> R
where
    F: FnOnce(&Scope<'scope>) -> R + Send,
    R: Send,
{
    let body = carried(body);
    Unobserved.run_in(|| ::rayon::scope(body))
}

/// `rayon::in_place_scope`, whose work runs in the scope that spawned it.
///
/// # Panics
///
/// If the body does, or work that was spawned.
pub fn in_place_scope<'scope, F, R>(body: F) -> R
where
    F: FnOnce(&Scope<'scope>) -> R,
{
    let body = carried(body);
    Unobserved.run_in(|| ::rayon::in_place_scope(body))
}

/// `rayon::Scope`, whose work runs in the scope that spawned it.
#[derive(Debug)]
#[repr(transparent)]
pub struct Scope<'scope>(::rayon::Scope<'scope>);

impl<'scope> Scope<'scope> {
    /// rayon's own, to spawn in it with the current scope: for the methods of a
    /// `ThreadPool`.
    ///
    /// # Examples
    ///
    /// ```
    /// use heapledger::{rayon::Scope, scope};
    ///
    /// let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    /// pool.in_place_scope(|s| {
    ///     scope!("parts", Scope::of(s).spawn(|_| drop(vec![0_u8; 100])));
    /// });
    /// ```
    #[must_use]
    pub fn of<'a>(inner: &'a ::rayon::Scope<'scope>) -> &'a Self {
        // SAFETY: `Self` is a transparent wrapper of the same type, and the
        // reference keeps its lifetime.
        unsafe { &*ptr::from_ref(inner).cast::<Self>() }
    }

    /// `rayon::Scope::spawn`, in the current scope.
    pub fn spawn(&self, work: impl FnOnce(&Scope<'scope>) + Send + 'scope) {
        let work = carried(work);
        Unobserved.run_in(|| self.0.spawn(work));
    }
}

/// The work as rayon calls it, with the current scope around it.
fn carried<'scope, R>(
    work: impl FnOnce(&Scope<'scope>) -> R,
) -> impl FnOnce(&::rayon::Scope<'scope>) -> R {
    let work = work.in_scope(Current::current());
    move |scope: &::rayon::Scope<'scope>| work.run(|work| work(Scope::of(scope)))
}

/// Gives the threads of a pool a scope of their own.
///
/// # Examples
///
/// ```
/// use heapledger::{Tag, rayon::ThreadsInScope};
///
/// static POOL: Tag = Tag::new("pool");
///
/// let pool = rayon::ThreadPoolBuilder::new()
///     .num_threads(2)
///     .threads_in_scope(&POOL)
///     .build()
///     .unwrap();
/// assert_eq!(pool.install(|| heapledger::Scope::current()), heapledger::Scope::from(&POOL));
/// ```
pub trait ThreadsInScope {
    /// Lets each thread of the pool begin in the scope.
    ///
    /// To it belongs what rayon itself allocates on these threads, and what work
    /// does that was handed over without a scope of its own. A component with a
    /// pool to itself needs nothing else.
    ///
    /// This sets the pool's `start_handler`, of which there is one: where that is
    /// needed for something else, too, call
    /// [`Scope::enter_thread`](crate::Scope::enter_thread) there.
    #[must_use]
    fn threads_in_scope(self, scope: impl Into<Current>) -> Self;
}

impl<S> ThreadsInScope for ThreadPoolBuilder<S> {
    fn threads_in_scope(self, scope: impl Into<Current>) -> Self {
        let scope = scope.into();
        self.start_handler(move |_| scope.enter_thread())
    }
}
