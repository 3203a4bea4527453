//! No pool at all: an object allocated and freed each time, by one allocator or another.

use std::alloc::{GlobalAlloc, Layout, System, handle_alloc_error};
use std::hint::black_box;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

use mimalloc::MiMalloc;

use super::{Contender, Object, contender, make};

contender!(Boxes(()) = "Box (jemalloc)", Box<Object>; (); |_it| Box::new(black_box(make())));

/// An allocator that is not the process's.
pub trait Allocator: GlobalAlloc + 'static {
    const NAME: &str;
    const IT: Self;
}

impl Allocator for MiMalloc {
    const NAME: &str = "Box (mimalloc)";
    const IT: Self = Self;
}

impl Allocator for System {
    const NAME: &str = "Box (the system's malloc)";
    const IT: Self = Self;
}

/// What a `Box` of such an allocator would be.
pub struct BoxIn<A: Allocator>(NonNull<Object>, PhantomData<A>);

// SAFETY: it owns its object, and any thread may free what another allocated.
unsafe impl<A: Allocator> Send for BoxIn<A> {}

impl<A: Allocator> BoxIn<A> {
    #[inline(always)]
    fn new(object: Object) -> Self {
        let layout = Layout::new::<Object>();
        // SAFETY: an object is not of zero size.
        let Some(place) = NonNull::new(unsafe { A::IT.alloc(layout) }) else {
            handle_alloc_error(layout)
        };
        let place = place.cast();
        // SAFETY: allocated for an object, just now.
        unsafe { place.write(object) };
        Self(place, PhantomData)
    }
}

impl<A: Allocator> Deref for BoxIn<A> {
    type Target = Object;

    #[inline(always)]
    fn deref(&self) -> &Object {
        // SAFETY: written when it was allocated, and owned.
        unsafe { self.0.as_ref() }
    }
}

impl<A: Allocator> DerefMut for BoxIn<A> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut Object {
        // SAFETY: written when it was allocated, and owned.
        unsafe { self.0.as_mut() }
    }
}

impl<A: Allocator> Drop for BoxIn<A> {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: allocated by it with this layout, and freed here only.
        unsafe { A::IT.dealloc(self.0.as_ptr().cast(), Layout::new::<Object>()) };
    }
}

/// Boxes of that allocator.
pub struct BoxesIn<A>(PhantomData<fn() -> A>);

impl<A: Allocator> Contender for BoxesIn<A> {
    const NAME: &str = A::NAME;
    type Guard<'a> = BoxIn<A>;

    fn new() -> Self {
        Self(PhantomData)
    }

    #[inline(always)]
    fn acquire(&self) -> BoxIn<A> {
        BoxIn::new(black_box(make()))
    }
}
