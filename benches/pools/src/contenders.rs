//! The contenders: everything that can give an object and take it back.

use std::ops::DerefMut;
use std::sync::Mutex;

use crossbeam_queue::ArrayQueue;
use lockfree_object_pool::LinearObjectPool;
use opool::PoolAllocator;

/// What is pooled: 64 bytes; made by writing all of them, reset by writing one word.
pub type Object = [u64; 8];

pub fn make() -> Object {
    [1; 8]
}

pub fn reset(object: &mut Object) {
    object[0] = 0;
}

/// Something that gives objects; dropping the guard gives one back.
pub trait Contender: Sync {
    const NAME: &str;
    /// Whether its guards go to other threads.
    const IS_SEND: bool = true;
    type Guard<'a>: DerefMut<Target = Object>
    where
        Self: 'a;

    fn new() -> Self;

    /// What a thread acquires from, if not from the same as all others.
    fn for_thread(&self) -> Option<Self>
    where
        Self: Sized,
    {
        None
    }

    fn acquire(&self) -> Self::Guard<'_>;
}

pub struct Boxes;

impl Contender for Boxes {
    const NAME: &str = "Box (jemalloc)";
    type Guard<'a> = Box<Object>;

    fn new() -> Self {
        Self
    }

    #[inline(always)]
    fn acquire(&self) -> Box<Object> {
        Box::new(std::hint::black_box(make()))
    }
}

pub struct Dynamic(heapledger::Pool<Object>);

impl Contender for Dynamic {
    const NAME: &str = "heapledger Pool";
    type Guard<'a> = heapledger::PoolGuard<'a, Object>;

    fn new() -> Self {
        let pool = heapledger::Pool::builder("bench", make).reset(reset).retained_unlimited();
        Self(pool.build().expect("a pool"))
    }

    #[inline(always)]
    fn acquire(&self) -> Self::Guard<'_> {
        self.0.acquire()
    }
}

/// Guards without a lifetime, counted by each thread for itself or by all together.
pub struct Handle<const OWN: bool>(heapledger::PoolHandle<Object>);

impl<const OWN: bool> Contender for Handle<OWN> {
    const NAME: &str = if OWN { "heapledger PoolHandle" } else { "the same, one for all threads" };
    type Guard<'a> = heapledger::OwnedGuard<Object>;

    fn new() -> Self {
        Self(Dynamic::new().0.handle())
    }

    fn for_thread(&self) -> Option<Self> {
        OWN.then(|| Self(self.0.clone()))
    }

    #[inline(always)]
    fn acquire(&self) -> Self::Guard<'_> {
        self.0.acquire()
    }
}

heapledger::pool! {
    pub static OBJECTS: Object = make(), reset = reset, retained_max = 1 << 20;
}

pub struct Static;

impl Contender for Static {
    const NAME: &str = "heapledger pool!";
    type Guard<'a> = heapledger::StaticGuard<OBJECTS>;

    fn new() -> Self {
        Self
    }

    #[inline(always)]
    fn acquire(&self) -> Self::Guard<'_> {
        OBJECTS.acquire()
    }
}

pub struct ShardedSlab(sharded_slab::Pool<Cleared>);

#[derive(Clone, Copy)]
pub struct Cleared(Object);

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

pub struct ShardedGuard<'a> {
    object: Option<sharded_slab::pool::RefMut<'a, Cleared>>,
    pool: &'a sharded_slab::Pool<Cleared>,
}

impl std::ops::Deref for ShardedGuard<'_> {
    type Target = Object;

    fn deref(&self) -> &Object {
        &self.object.as_ref().expect("until it is dropped").0
    }
}

impl DerefMut for ShardedGuard<'_> {
    fn deref_mut(&mut self) -> &mut Object {
        &mut self.object.as_mut().expect("until it is dropped").0
    }
}

impl Drop for ShardedGuard<'_> {
    fn drop(&mut self) {
        let key = self.object.take().map(|object| object.key());
        self.pool.clear(key.expect("until it is dropped"));
    }
}

impl Contender for ShardedSlab {
    const NAME: &str = "sharded-slab";
    const IS_SEND: bool = false;
    type Guard<'a> = ShardedGuard<'a>;

    fn new() -> Self {
        Self(sharded_slab::Pool::new())
    }

    fn acquire(&self) -> ShardedGuard<'_> {
        ShardedGuard { object: Some(self.0.create().expect("room")), pool: &self.0 }
    }
}

pub struct Lockfree(LinearObjectPool<Object>);

impl Contender for Lockfree {
    const NAME: &str = "lockfree-object-pool";
    type Guard<'a> = lockfree_object_pool::LinearReusable<'a, Object>;

    fn new() -> Self {
        Self(LinearObjectPool::new(make, reset))
    }

    fn acquire(&self) -> Self::Guard<'_> {
        self.0.pull()
    }
}

/// `object-pool` has no reset of its own: this one resets before it gives back.
pub struct ObjectPool(object_pool::Pool<Box<Object>>);

pub struct ObjectGuard<'a>(object_pool::Reusable<'a, Box<Object>>);

impl std::ops::Deref for ObjectGuard<'_> {
    type Target = Object;

    fn deref(&self) -> &Object {
        &self.0
    }
}

impl DerefMut for ObjectGuard<'_> {
    fn deref_mut(&mut self) -> &mut Object {
        &mut self.0
    }
}

impl Drop for ObjectGuard<'_> {
    fn drop(&mut self) {
        reset(&mut self.0);
    }
}

impl Contender for ObjectPool {
    const NAME: &str = "object-pool";
    type Guard<'a> = ObjectGuard<'a>;

    fn new() -> Self {
        Self(object_pool::Pool::new(0, || Box::new(make())))
    }

    fn acquire(&self) -> ObjectGuard<'_> {
        ObjectGuard(self.0.pull(|| Box::new(make())))
    }
}

pub struct Opool(opool::Pool<OpoolMaker, Box<Object>>);

pub struct OpoolMaker;

impl PoolAllocator<Box<Object>> for OpoolMaker {
    fn reset(&self, object: &mut Box<Object>) {
        reset(object);
    }

    fn allocate(&self) -> Box<Object> {
        Box::new(make())
    }
}

pub struct OpoolGuard<'a>(opool::RefGuard<'a, OpoolMaker, Box<Object>>);

impl std::ops::Deref for OpoolGuard<'_> {
    type Target = Object;

    fn deref(&self) -> &Object {
        &self.0
    }
}

impl DerefMut for OpoolGuard<'_> {
    fn deref_mut(&mut self) -> &mut Object {
        &mut self.0
    }
}

impl Contender for Opool {
    const NAME: &str = "opool";
    type Guard<'a> = OpoolGuard<'a>;

    fn new() -> Self {
        Self(opool::Pool::new(4096, OpoolMaker))
    }

    fn acquire(&self) -> OpoolGuard<'_> {
        OpoolGuard(self.0.get())
    }
}

type RegexMake = fn() -> Box<Object>;

pub struct Regex(regex_automata::util::pool::Pool<Box<Object>, RegexMake>);

pub struct RegexGuard<'a>(regex_automata::util::pool::PoolGuard<'a, Box<Object>, RegexMake>);

impl std::ops::Deref for RegexGuard<'_> {
    type Target = Object;

    fn deref(&self) -> &Object {
        &self.0
    }
}

impl DerefMut for RegexGuard<'_> {
    fn deref_mut(&mut self) -> &mut Object {
        &mut self.0
    }
}

impl Drop for RegexGuard<'_> {
    fn drop(&mut self) {
        reset(&mut self.0);
    }
}

impl Contender for Regex {
    const NAME: &str = "regex-automata";
    type Guard<'a> = RegexGuard<'a>;

    fn new() -> Self {
        Self(regex_automata::util::pool::Pool::new(|| Box::new(make())))
    }

    fn acquire(&self) -> RegexGuard<'_> {
        RegexGuard(self.0.get())
    }
}

pub struct Poolshark(poolshark::global::Pool<PoolsharkObject>);

pub struct PoolsharkObject(Box<Object>);

impl poolshark::Poolable for PoolsharkObject {
    fn empty() -> Self {
        Self(Box::new(make()))
    }

    fn reset(&mut self) {
        reset(&mut self.0);
    }

    fn capacity(&self) -> usize {
        1
    }
}

pub struct PoolsharkGuard(poolshark::global::GPooled<PoolsharkObject>);

impl std::ops::Deref for PoolsharkGuard {
    type Target = Object;

    fn deref(&self) -> &Object {
        &self.0.0
    }
}

impl DerefMut for PoolsharkGuard {
    fn deref_mut(&mut self) -> &mut Object {
        &mut self.0.0
    }
}

impl Contender for Poolshark {
    const NAME: &str = "poolshark (global)";
    type Guard<'a> = PoolsharkGuard;

    fn new() -> Self {
        Self(poolshark::global::Pool::new(4096, 16))
    }

    fn acquire(&self) -> PoolsharkGuard {
        PoolsharkGuard(self.0.take())
    }
}

/// A queue or a list of boxes, as programs make their pools by hand.
pub trait ByHand: Sync {
    const NAME: &str;
    fn new() -> Self;
    fn take(&self) -> Option<Box<Object>>;
    fn put(&self, object: Box<Object>);
}

pub struct Hand<B>(B);

pub struct HandGuard<'a, B: ByHand> {
    object: Option<Box<Object>>,
    from: &'a B,
}

impl<B: ByHand> std::ops::Deref for HandGuard<'_, B> {
    type Target = Object;

    fn deref(&self) -> &Object {
        self.object.as_ref().expect("until it is dropped")
    }
}

impl<B: ByHand> DerefMut for HandGuard<'_, B> {
    fn deref_mut(&mut self) -> &mut Object {
        self.object.as_mut().expect("until it is dropped")
    }
}

impl<B: ByHand> Drop for HandGuard<'_, B> {
    fn drop(&mut self) {
        if let Some(mut object) = self.object.take() {
            reset(&mut object);
            self.from.put(object);
        }
    }
}

impl<B: ByHand> Contender for Hand<B> {
    const NAME: &str = B::NAME;
    type Guard<'a>
        = HandGuard<'a, B>
    where
        B: 'a;

    fn new() -> Self {
        Self(B::new())
    }

    fn acquire(&self) -> HandGuard<'_, B> {
        let object = self.0.take().unwrap_or_else(|| Box::new(make()));
        HandGuard { object: Some(object), from: &self.0 }
    }
}

impl ByHand for ArrayQueue<Box<Object>> {
    const NAME: &str = "ArrayQueue<Box>";

    fn new() -> Self {
        Self::new(4096)
    }

    fn take(&self) -> Option<Box<Object>> {
        self.pop()
    }

    fn put(&self, object: Box<Object>) {
        let _ = self.push(object);
    }
}

impl ByHand for Mutex<Vec<Box<Object>>> {
    const NAME: &str = "Mutex<Vec<Box>>";

    fn new() -> Self {
        Self::new(Vec::new())
    }

    fn take(&self) -> Option<Box<Object>> {
        self.lock().expect("nobody panics").pop()
    }

    fn put(&self, object: Box<Object>) {
        self.lock().expect("nobody panics").push(object);
    }
}
