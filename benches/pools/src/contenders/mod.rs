//! The contenders: everything that can give an object and take it back.

mod boxes;
mod guard;
mod own;
mod per_thread;
mod shared;

use std::marker::PhantomData;
use std::ops::DerefMut;

pub use boxes::*;
use guard::*;
pub use own::*;
pub use per_thread::*;
pub use shared::*;

/// What is pooled: 64 bytes; made by writing all of them, reset by writing one word.
/// Where a peer pools memory only, acquiring makes the object, and nothing resets it.
pub type Object = [u64; 8];

/// What those that want a limit keep at most: more than any job has out.
const RETAINED: usize = 4096;

pub fn make() -> Object {
    [1; 8]
}

/// In a box where a peer would move the object into its guard and back.
fn make_box() -> Box<Object> {
    Box::new(make())
}

pub fn reset(object: &mut Object) {
    object[0] = 0;
}

/// Something that gives objects; dropping the guard gives one back.
pub trait Contender: 'static {
    const NAME: &str;
    type Guard<'a>: DerefMut<Target = Object>;

    fn new() -> Self;

    fn acquire(&self) -> Self::Guard<'_>;
}

/// Where a thread finds what it acquires from.
pub trait Source: Sync + 'static {
    type Pool: Contender;

    fn with<R>(&self, body: impl FnOnce(&Self::Pool) -> R) -> R;
}

/// All threads acquire from one.
impl<C: Contender + Sync> Source for C {
    type Pool = C;

    fn with<R>(&self, body: impl FnOnce(&C) -> R) -> R {
        body(self)
    }
}

/// Each thread makes one for itself, of what several cannot use.
pub struct OneEach<C>(pub PhantomData<fn() -> C>);

impl<C: Contender> Source for OneEach<C> {
    type Pool = C;

    fn with<R>(&self, body: impl FnOnce(&C) -> R) -> R {
        body(&C::new())
    }
}

/// A contender that a peer makes, but for its names: the pool, the name in the table,
/// the guard; how to make the pool, and how to acquire from it.
macro_rules! contender {
    (
        $(#[$doc:meta])*
        $name:ident($pool:ty) = $text:literal, $guard:ty;
        $new:expr; |$it:ident| $acquire:expr
    ) => {
        $(#[$doc])*
        pub struct $name($pool);

        impl Contender for $name {
            const NAME: &str = $text;
            type Guard<'a> = $guard;

            fn new() -> Self {
                Self($new)
            }

            #[inline(always)]
            fn acquire(&self) -> Self::Guard<'_> {
                let $it = &self.0;
                $acquire
            }
        }
    };
}
use contender;

/// A contender by hand: how to make the list, to take a box from it, and to put one there.
macro_rules! list {
    (
        $name:ident($list:ty) = $text:literal;
        $new:expr; |$from:ident| $take:expr; |$to:ident, $it:ident| $put:expr
    ) => {
        pub type $name = Hand<$list>;

        impl List for $list {
            const NAME: &str = $text;

            fn new() -> Self {
                $new
            }

            #[inline(always)]
            fn take(&self) -> Option<Box<Object>> {
                let $from = self;
                $take
            }

            #[inline(always)]
            fn put(&self, $it: Box<Object>) {
                let $to = self;
                $put;
            }
        }
    };
}
use list;
