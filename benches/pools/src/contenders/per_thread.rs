//! Peers where each thread has objects of its own: in a thread-local, or in an instance
//! that other threads cannot use. What another thread gives back does not come home.

// The box itself goes out, and comes back.
#![expect(clippy::vec_box)]

use std::cell::{Cell, RefCell, UnsafeCell};
use std::hint::black_box;
use std::ops::{Deref, DerefMut};

use bumpalo::Bump;
use infinity_pool::{LocalPinnedPool, LocalPooledMut};
use poolshark::local::LPooled;
use slab::Slab;
use syncpool::SyncPool;
use thread_local::ThreadLocal;

use super::{Boxed, Contender, Hand, List, Object, Opooled, RETAINED, Seen};
use super::{contender, list, make};

/// A list grows without end on a thread that only gives back, if nothing limits it.
fn keep(list: &mut Vec<Box<Object>>, object: Box<Object>) {
    if list.len() < RETAINED {
        list.push(object);
    }
}

thread_local! {
    static LIST: RefCell<Vec<Box<Object>>> = const { RefCell::new(Vec::new()) };
}

/// `LIST` of the thread.
pub struct OfThread;

list!(StdThreadLocal(OfThread) = "std thread_local! Vec<Box>";
    Self;
    |_list| LIST.with_borrow_mut(Vec::pop);
    |_list, object| LIST.with_borrow_mut(|list| keep(list, object)));
list!(ThreadLocalCrate(ThreadLocal<RefCell<Vec<Box<Object>>>>) = "thread_local Vec<Box>";
    Self::new();
    |list| list.get_or_default().borrow_mut().pop();
    |list, object| keep(&mut list.get_or_default().borrow_mut(), object));
list!(RefCelled(RefCell<Vec<Box<Object>>>) = "std RefCell<Vec<Box>>";
    Self::default(); |list| list.borrow_mut().pop(); |list, object| list.borrow_mut().push(object));
list!(Syncpool(RefCell<SyncPool<Object>>) = "syncpool";
    Self::new(SyncPool::with_builder(make));
    |list| Some(list.borrow_mut().get());
    |list, object| drop(list.borrow_mut().put(object)));

contender!(
    /// Keyed by the type, so there is no pool to hold.
    PoolsharkLocal(()) = "poolshark (local)", Seen<LPooled<Boxed>, false>;
    poolshark::local::set_size::<Boxed>(RETAINED, 16); |_pool| Seen(LPooled::take()));

contender!(OpoolLocal(opool::LocalPool<Opooled, Box<Object>>) = "opool LocalPool",
    Seen<opool::RefLocalGuard<'a, Opooled, Box<Object>>, false>;
    opool::LocalPool::new(RETAINED, Opooled); |pool| Seen(pool.get()));

contender!(Refpool(refpool::Pool<Object>) = "refpool", refpool::PoolBox<Object>;
    refpool::Pool::new(RETAINED); |pool| refpool::PoolBox::new(pool, black_box(make())));

contender!(PluralityAlloc(plurality::Pool<Object>) = "plurality Alloc",
    plurality::Alloc<'a, Object>;
    plurality::Pool::new(); |pool| pool.alloc(black_box(make())));

contender!(PluralityBox(plurality::Pool<Object>) = "plurality Box",
    plurality::Box<Object>;
    plurality::Pool::new(); |pool| pool.alloc_box(black_box(make())));

contender!(InfinityPoolLocal(LocalPinnedPool<Object>) = "infinity_pool LocalPinnedPool",
    LocalPooledMut<Object>;
    LocalPinnedPool::new(); |pool| pool.insert(black_box(make())));

contender!(Slabs(UnsafeCell<Slab<Object>>) = "slab", SlabGuard<'a>;
    UnsafeCell::new(Slab::with_capacity(RETAINED)); |slab| SlabGuard::new(slab));

/// A key is all that a slab gives.
pub struct SlabGuard<'a> {
    key: usize,
    slab: &'a UnsafeCell<Slab<Object>>,
}

impl<'a> SlabGuard<'a> {
    #[inline(always)]
    fn new(slab: &'a UnsafeCell<Slab<Object>>) -> Self {
        // SAFETY: no job keeps a reference into the slab while it acquires or releases.
        let key = unsafe { &mut *slab.get() }.insert(black_box(make()));
        Self { key, slab }
    }
}

impl Deref for SlabGuard<'_> {
    type Target = Object;

    #[inline(always)]
    fn deref(&self) -> &Object {
        // SAFETY: as above.
        let slab = unsafe { &*self.slab.get() };
        &slab[self.key]
    }
}

impl DerefMut for SlabGuard<'_> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut Object {
        // SAFETY: as above, and no job keeps a reference to another of its objects.
        let slab = unsafe { &mut *self.slab.get() };
        &mut slab[self.key]
    }
}

impl Drop for SlabGuard<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: as above.
        unsafe { &mut *self.slab.get() }.remove(self.key);
    }
}

/// Memory that only comes back all at once: after 512 objects, if none is out.
pub struct Bumpalo {
    bump: UnsafeCell<Bump>,
    made: Cell<usize>,
    out: Cell<usize>,
}

/// A box in it that says when it goes.
pub struct BumpGuard<'a> {
    object: bumpalo::boxed::Box<'a, Object>,
    out: &'a Cell<usize>,
}

impl Contender for Bumpalo {
    const NAME: &str = "bumpalo Box, reset after 512";
    type Guard<'a> = BumpGuard<'a>;

    fn new() -> Self {
        Self { bump: UnsafeCell::default(), made: Cell::new(0), out: Cell::new(0) }
    }

    #[inline(always)]
    fn acquire(&self) -> BumpGuard<'_> {
        if self.made.get() >= 512 && self.out.get() == 0 {
            // SAFETY: no guard is out, and nothing else borrows it.
            unsafe { (*self.bump.get()).reset() };
            self.made.set(0);
        }
        self.made.set(self.made.get() + 1);
        self.out.set(self.out.get() + 1);
        // SAFETY: not mutably borrowed until no guard is out.
        let bump = unsafe { &*self.bump.get() };
        BumpGuard { object: bumpalo::boxed::Box::new_in(black_box(make()), bump), out: &self.out }
    }
}

impl Deref for BumpGuard<'_> {
    type Target = Object;

    #[inline(always)]
    fn deref(&self) -> &Object {
        &self.object
    }
}

impl DerefMut for BumpGuard<'_> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut Object {
        &mut self.object
    }
}

impl Drop for BumpGuard<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.out.set(self.out.get() - 1);
    }
}
