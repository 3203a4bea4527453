//! Peers of which all threads use one: what any thread gives back is used again.

use std::borrow::{Borrow, BorrowMut};
use std::cell::UnsafeCell;
use std::hint::black_box;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex};

use concurrent_arena::{Arena, ArenaArc};
use crossbeam_queue::{ArrayQueue, SegQueue};
use lockfree_object_pool::{LinearObjectPool, LinearOwnedReusable, LinearReusable};
use lockfree_object_pool::{MutexObjectPool, MutexReusable};
use lockfree_object_pool::{SpinLockObjectPool, SpinLockReusable};
use regex_automata::util::pool as regex;
use sharded_slab::pool::{OwnedRefMut, RefMut};

use super::{Contender, Hand, List, Loan, Object, RETAINED, Seen, TakesBack};
use super::{contender, list, make, make_box, reset};

list!(ArrayQueued(ArrayQueue<Box<Object>>) = "crossbeam-queue ArrayQueue<Box>";
    Self::new(RETAINED); |list| list.pop(); |list, object| drop(list.push(object)));
list!(SegQueued(SegQueue<Box<Object>>) = "crossbeam-queue SegQueue<Box>";
    Self::new(); |list| list.pop(); |list, object| list.push(object));
list!(Mutexed(Mutex<Vec<Box<Object>>>) = "std Mutex<Vec<Box>>";
    Self::default();
    |list| list.lock().expect("nobody panics").pop();
    |list, object| list.lock().expect("nobody panics").push(object));
list!(ParkingLot(parking_lot::Mutex<Vec<Box<Object>>>) = "parking_lot Mutex<Vec<Box>>";
    Self::default(); |list| list.lock().pop(); |list, object| list.lock().push(object));
list!(Bag(sdd::Bag<Box<Object>>) = "sdd Bag<Box>";
    Self::new(); |list| list.pop(); |list, object| list.push(object));

contender!(Regex(regex::Pool<Box<Object>, fn() -> Box<Object>>) = "regex-automata",
    Seen<regex::PoolGuard<'a, Box<Object>, fn() -> Box<Object>>, true>;
    regex::Pool::new(make_box); |pool| Seen(pool.get()));

contender!(ObjectPool(object_pool::Pool<Box<Object>>) = "object-pool",
    Seen<object_pool::Reusable<'a, Box<Object>>, true>;
    object_pool::Pool::new(0, make_box); |pool| Seen(pool.pull(make_box)));

contender!(Linear(LinearObjectPool<Object>) = "lockfree-object-pool (linear)",
    LinearReusable<'a, Object>;
    LinearObjectPool::new(make, reset); |pool| pool.pull());

contender!(LinearOwned(Arc<LinearObjectPool<Object>>) = "lockfree-object-pool (linear, owned)",
    LinearOwnedReusable<Object>;
    Arc::new(LinearObjectPool::new(make, reset)); |pool| pool.pull_owned());

contender!(Spin(SpinLockObjectPool<Box<Object>>) = "lockfree-object-pool (spin)",
    Seen<SpinLockReusable<'a, Box<Object>>, false>;
    SpinLockObjectPool::new(make_box, |it| reset(it)); |pool| Seen(pool.pull()));

contender!(Locked(MutexObjectPool<Box<Object>>) = "lockfree-object-pool (mutex)",
    Seen<MutexReusable<'a, Box<Object>>, false>;
    MutexObjectPool::new(make_box, |it| reset(it)); |pool| Seen(pool.pull()));

/// How `opool` makes and resets.
pub struct Opooled;

impl opool::PoolAllocator<Box<Object>> for Opooled {
    fn reset(&self, object: &mut Box<Object>) {
        reset(object);
    }

    fn allocate(&self) -> Box<Object> {
        make_box()
    }
}

contender!(Opool(opool::Pool<Opooled, Box<Object>>) = "opool",
    Seen<opool::RefGuard<'a, Opooled, Box<Object>>, false>;
    opool::Pool::new(RETAINED, Opooled); |pool| Seen(pool.get()));

contender!(OpoolRc(Arc<opool::Pool<Opooled, Box<Object>>>) = "opool (rc)",
    Seen<opool::RcGuard<Opooled, Box<Object>>, false>;
    opool::Pool::new(RETAINED, Opooled).to_rc(); |pool| Seen(Arc::clone(pool).get_rc()));

/// An object in a box, for those that want a trait of theirs implemented.
pub struct Boxed(Box<Object>);

impl Borrow<Object> for Boxed {
    fn borrow(&self) -> &Object {
        &self.0
    }
}

impl BorrowMut<Object> for Boxed {
    fn borrow_mut(&mut self) -> &mut Object {
        &mut self.0
    }
}

impl poolshark::Poolable for Boxed {
    fn empty() -> Self {
        Self(make_box())
    }

    fn reset(&mut self) {
        reset(&mut self.0);
    }

    fn capacity(&self) -> usize {
        1
    }
}

// SAFETY: the number is of this place in the source, and nothing else is named by it.
unsafe impl poolshark::IsoPoolable for Boxed {
    const DISCRIMINANT: Option<poolshark::Discriminant> =
        poolshark::Discriminant::new(poolshark::location_id!());
}

impl dynamic_pool::DynamicReset for Boxed {
    fn reset(&mut self) {
        reset(&mut self.0);
    }
}

contender!(Poolshark(poolshark::global::Pool<Boxed>) = "poolshark (global)",
    Seen<poolshark::global::GPooled<Boxed>, false>;
    poolshark::global::Pool::new(RETAINED, 16); |pool| Seen(pool.take()));

contender!(DynamicPool(dynamic_pool::DynamicPool<Boxed>) = "dynamic-pool",
    Seen<dynamic_pool::DynamicPoolItem<Boxed>, false>;
    dynamic_pool::DynamicPool::new(0, RETAINED, || Boxed(make_box())); |pool| Seen(pool.take()));

contender!(
    /// It makes nothing: filled beforehand, with more than any job has out.
    Deadpool(deadpool::unmanaged::Pool<Box<Object>>) = "deadpool (unmanaged)",
    Seen<deadpool::unmanaged::Object<Box<Object>>, true>;
    (0..RETAINED).map(|_| make_box()).collect::<Vec<_>>().into();
    |pool| Seen(pool.try_get().expect("more than any job has out")));

contender!(InfinityPool(infinity_pool::PinnedPool<Object>) = "infinity_pool PinnedPool",
    infinity_pool::PooledMut<Object>;
    infinity_pool::PinnedPool::new(); |pool| pool.insert(black_box(make())));

contender!(
    /// Only acquiring is under the lock.
    LockedPlurality(Mutex<plurality::Pool<Object>>) = "plurality Box, Mutex<Pool>",
    plurality::Box<Object>;
    Mutex::new(plurality::Pool::new());
    |pool| pool.lock().expect("nobody panics").alloc_box(black_box(make())));

/// An object that `sharded-slab` clears.
#[derive(Clone, Copy)]
pub struct Cleared(Object);

impl Borrow<Object> for Cleared {
    fn borrow(&self) -> &Object {
        &self.0
    }
}

impl BorrowMut<Object> for Cleared {
    fn borrow_mut(&mut self) -> &mut Object {
        &mut self.0
    }
}

impl Default for Cleared {
    fn default() -> Self {
        Self(make())
    }
}

impl sharded_slab::Clear for Cleared {
    fn clear(&mut self) {
        reset(&mut self.0);
    }
}

/// Its guards stay on their thread.
pub struct ShardedSlab(sharded_slab::Pool<Cleared>);

impl TakesBack for ShardedSlab {
    type Held<'a> = RefMut<'a, Cleared>;

    fn take_back<'a>(&'a self, held: RefMut<'a, Cleared>) {
        let key = held.key();
        drop(held);
        self.0.clear(key);
    }
}

impl Contender for ShardedSlab {
    const NAME: &str = "sharded-slab";
    type Guard<'a> = Loan<'a, Self>;

    fn new() -> Self {
        Self(sharded_slab::Pool::new())
    }

    #[inline(always)]
    fn acquire(&self) -> Loan<'_, Self> {
        Loan::new(self, self.0.create().expect("room"))
    }
}

/// These guards go to other threads, and count themselves.
pub struct ShardedSlabOwned(Arc<sharded_slab::Pool<Cleared>>);

impl TakesBack for ShardedSlabOwned {
    type Held<'a> = OwnedRefMut<Cleared>;

    fn take_back(&self, held: OwnedRefMut<Cleared>) {
        let key = held.key();
        drop(held);
        self.0.clear(key);
    }
}

impl Contender for ShardedSlabOwned {
    const NAME: &str = "sharded-slab (owned)";
    type Guard<'a> = Loan<'a, Self>;

    fn new() -> Self {
        Self(Arc::new(sharded_slab::Pool::new()))
    }

    #[inline(always)]
    fn acquire(&self) -> Loan<'_, Self> {
        Loan::new(self, Arc::clone(&self.0).create_owned().expect("room"))
    }
}

contender!(ConcurrentArena(Arena<Alone, 4, 256>) = "concurrent_arena", ArenaGuard;
    Arena::new(); |arena| ArenaGuard(arena.insert(Alone(UnsafeCell::new(black_box(make()))))));

/// An object in the arena, which gives shared references only.
pub struct Alone(UnsafeCell<Object>);

// SAFETY: only its guard reaches it.
unsafe impl Sync for Alone {}

/// The one guard of an object in the arena.
pub struct ArenaGuard(ArenaArc<Alone, 4, 256>);

impl Deref for ArenaGuard {
    type Target = Object;

    #[inline(always)]
    fn deref(&self) -> &Object {
        // SAFETY: the reference that made the object is never cloned, so this guard is
        // the only way to it.
        unsafe { &*self.0.0.get() }
    }
}

impl DerefMut for ArenaGuard {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut Object {
        // SAFETY: as above, and the guard is borrowed mutably.
        unsafe { &mut *self.0.0.get() }
    }
}

impl Drop for ArenaGuard {
    #[inline(always)]
    fn drop(&mut self) {
        ArenaArc::remove(&self.0);
    }
}
