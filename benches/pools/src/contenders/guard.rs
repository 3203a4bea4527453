//! Guards, where a peer has none of its own, or one that does not do all of the work.

use std::borrow::{Borrow, BorrowMut};
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};

use super::{Contender, Object, make_box, reset};

/// What an object can be reached through: a box of it, or a peer's guard.
pub trait Holder: DerefMut<Target: BorrowMut<Object>> {}

impl<H: DerefMut<Target: BorrowMut<Object>>> Holder for H {}

/// A peer's guard, seen as the object in it, which it resets if the peer does not.
pub struct Seen<H: Holder, const RESET: bool>(pub H);

impl<H: Holder, const RESET: bool> Deref for Seen<H, RESET> {
    type Target = Object;

    #[inline(always)]
    fn deref(&self) -> &Object {
        (*self.0).borrow()
    }
}

impl<H: Holder, const RESET: bool> DerefMut for Seen<H, RESET> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut Object {
        (*self.0).borrow_mut()
    }
}

impl<H: Holder, const RESET: bool> Drop for Seen<H, RESET> {
    #[inline(always)]
    fn drop(&mut self) {
        if RESET {
            reset(self);
        }
    }
}

/// Something that has to be told when an object comes back.
pub trait TakesBack {
    type Held<'a>: Holder
    where
        Self: 'a;

    fn take_back<'a>(&'a self, held: Self::Held<'a>);
}

/// A guard that tells it.
pub struct Loan<'a, P: TakesBack> {
    held: ManuallyDrop<P::Held<'a>>,
    from: &'a P,
}

impl<'a, P: TakesBack> Loan<'a, P> {
    #[inline(always)]
    pub fn new(from: &'a P, held: P::Held<'a>) -> Self {
        Self { held: ManuallyDrop::new(held), from }
    }
}

impl<P: TakesBack> Deref for Loan<'_, P> {
    type Target = Object;

    #[inline(always)]
    fn deref(&self) -> &Object {
        (**self.held).borrow()
    }
}

impl<P: TakesBack> DerefMut for Loan<'_, P> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut Object {
        (**self.held).borrow_mut()
    }
}

impl<P: TakesBack> Drop for Loan<'_, P> {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: taken here only, and nothing sees it afterwards.
        let held = unsafe { ManuallyDrop::take(&mut self.held) };
        self.from.take_back(held);
    }
}

/// A queue or a list of boxes, as programs make their pools by hand.
pub trait List: 'static {
    const NAME: &str;

    fn new() -> Self;

    fn take(&self) -> Option<Box<Object>>;

    fn put(&self, object: Box<Object>);
}

/// A pool of such a list.
pub struct Hand<L>(L);

impl<L: List> TakesBack for Hand<L> {
    type Held<'a> = Box<Object>;

    #[inline(always)]
    fn take_back(&self, mut held: Box<Object>) {
        reset(&mut held);
        self.0.put(held);
    }
}

impl<L: List> Contender for Hand<L> {
    const NAME: &str = L::NAME;
    type Guard<'a> = Loan<'a, Self>;

    fn new() -> Self {
        Self(L::new())
    }

    #[inline(always)]
    fn acquire(&self) -> Loan<'_, Self> {
        Loan::new(self, self.0.take().unwrap_or_else(make_box))
    }
}
