//! What work can take along: a copy of a scope, or a handle that owns its tag.

use super::{EnteredScope, EphemeralTag, HeldScopeGuard, Scope};

/// A scope in the form in which a future keeps it, see
/// [`Scoped`](crate::Scoped). Not to be implemented elsewhere.
pub trait Carried: sealed::Sealed {
    /// What keeps the scope current on a thread.
    type Guard<'a>
    where
        Self: 'a;

    /// Makes the scope current on this thread until the guard is dropped.
    fn enter(&self) -> Self::Guard<'_>;

    /// Runs a closure in the scope.
    #[inline]
    fn run_in<R>(&self, body: impl FnOnce() -> R) -> R {
        let _scope = self.enter();
        body()
    }
}

impl Carried for Scope {
    type Guard<'a> = EnteredScope;

    #[inline]
    fn enter(&self) -> EnteredScope {
        Scope::enter(*self)
    }
}

impl Carried for EphemeralTag {
    // A lent one could be forgotten, and the handle dropped.
    type Guard<'a> = HeldScopeGuard;

    #[inline]
    fn enter(&self) -> HeldScopeGuard {
        Self::enter(self)
    }

    // The handle is there until the closure has ended: it need not be counted again.
    #[inline]
    fn run_in<R>(&self, body: impl FnOnce() -> R) -> R {
        self.run(body)
    }
}

/// What [`in_scope`](crate::InScope::in_scope) takes: a [`Tag`](crate::Tag), a
/// reference to one, a [`Scope`], or anything else that is `Into<Scope>`; or an
/// [`EphemeralTag`], which it then keeps alive, or a reference to one, which it clones.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a scope",
    label = "give a `&Tag`, a `Tag` or a `Scope`",
    note = "for a name, write `scope!(\"name\", async {{ … }})`, or `Tag::register(name)?` where it is known at run time only"
)]
pub trait IntoScope {
    /// The form in which it is kept.
    type Carried: Carried;

    /// Converts it.
    fn into_carried(self) -> Self::Carried;
}

impl<S: Into<Scope>> IntoScope for S {
    type Carried = Scope;

    #[inline]
    fn into_carried(self) -> Scope {
        self.into()
    }
}

impl IntoScope for EphemeralTag {
    type Carried = Self;

    #[inline]
    fn into_carried(self) -> Self {
        self
    }
}

impl IntoScope for &EphemeralTag {
    type Carried = EphemeralTag;

    #[inline]
    fn into_carried(self) -> EphemeralTag {
        self.clone()
    }
}

// As for a `Tag`: `scope!` puts a `&` before what it is given.
impl IntoScope for &&EphemeralTag {
    type Carried = EphemeralTag;

    #[inline]
    fn into_carried(self) -> EphemeralTag {
        (*self).clone()
    }
}

mod sealed {
    /// Entering has to end with what was current before: only this crate's do.
    pub trait Sealed {}

    impl Sealed for super::Scope {}
    impl Sealed for super::EphemeralTag {}
    impl Sealed for super::super::Unobserved {}
}
