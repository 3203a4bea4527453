//! Static pools: `pool!`.
//!
//! A type stands for the pool, so a guard is the object's address and nothing else,
//! and everything about the pool is known where it is compiled.

use core::alloc::Layout;
use core::convert::Infallible;
use core::fmt;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;
use std::sync::Once;

use crate::alloc::local::{PARTS, local};
use crate::reclaim::{self, PoolKind, PoolStatistics, Reclaimer, ReclaimerStatistics};
use crate::scope::Tag;

use super::in_slot::InSlot;
use super::objects::{self, Objects};
use super::shard::Shard;
use super::shards::{Row, Shards};
use super::store::{Limits, Store};
use super::terms::UNLIMITED;
use super::{settings, statistics};

/// Makes a static pool: objects that are used again instead of made again, at the
/// lowest price there is.
///
/// ```text
/// pool! {
///     [pub] static NAME: Type = <expression that makes one>
///         [, reset = <function of &mut Type>]
///         [, retained_max = <objects>]
///         [, retained_bytes_max = <bytes>, weigher = <function of &Type to bytes>]
///         [, retain_after_panic = true]
///         [, name = "name"];
/// }
/// ```
///
/// `NAME.acquire()` gives a [`StaticGuard`] of one word, of the type
/// `StaticGuard<NAME>`. The pool's tag is `pool/NAME`, or `pool/<name>`. The parts mean
/// what they mean in a [`PoolBuilder`](crate::PoolBuilder), and come in this order; the
/// limits and `true` are constants.
///
/// # Cost
///
/// As a [`Pool`](crate::Pool) without its look-ups; `benches/README.md` has the
/// measured times. 128 bytes of zeroed static memory for each of 1,024 threads, of
/// which those that never come cost nothing.
///
/// # Concurrency
///
/// As a [`Pool`](crate::Pool). It is listed among [`pools`](crate::pools) after its
/// first use.
///
/// # Examples
///
/// ```
/// heapledger::pool! {
///     /// Buffers to read files into.
///     static BUFFERS: Vec<u8> = Vec::with_capacity(64 << 10), reset = Vec::clear;
/// }
///
/// let mut buffer: heapledger::StaticGuard<BUFFERS> = BUFFERS.acquire();
/// buffer.extend_from_slice(b"text");
/// assert_eq!(size_of_val(&buffer), 8);
/// drop(buffer);
/// assert!(BUFFERS.acquire().is_empty());
/// assert_eq!(BUFFERS.statistics().created, 1);
/// ```
#[macro_export]
macro_rules! pool {
    ($(
        $(#[$attribute:meta])*
        $visible:vis static $name:ident: $object:ty = $make:expr
            $(, reset = $reset:expr)?
            $(, retained_max = $retained_max:expr)?
            $(, retained_bytes_max = $bytes_max:expr, weigher = $weigher:expr)?
            $(, retain_after_panic = $after_panic:expr)?
            $(, name = $text:literal)?
            $(,)?
    );+ $(;)?) => {$(
        $(#[$attribute])*
        #[allow(non_camel_case_types, missing_docs, clippy::upper_case_acronyms)]
        $visible struct $name {
            never_made: ::core::convert::Infallible,
        }

        const _: () = {
            static SHARDS: $crate::StaticShards = $crate::StaticShards::new();
            static CORE: $crate::StaticCore<$name> =
                $crate::StaticCore::new($crate::pool!(@name $name $($text)?), &SHARDS)
                    $(.retained_max($retained_max))?
                    $(.retained_bytes_max($bytes_max))?;

            // SAFETY: both are statics of this block, made for each other.
            unsafe impl $crate::StaticObjects for $name {
                type Object = $object;
                const HAS_WEIGHER: bool = false $(| !stringify!($weigher).is_empty())?;
                const RETAIN_AFTER_PANIC: bool = false $(| $after_panic)?;

                #[inline(always)]
                fn core() -> &'static $crate::StaticCore<Self> {
                    &CORE
                }

                #[inline(always)]
                fn shards() -> &'static $crate::StaticShards {
                    &SHARDS
                }

                fn make() -> $object {
                    $make
                }

                #[inline(always)]
                fn reset(_object: &mut $object) {
                    $( $crate::static_reset(_object, $reset); )?
                }

                fn weigh(_object: &$object) -> usize {
                    0 $( + $crate::static_weight(_object, $weigher) )?
                }
            }
        };

        $(#[$attribute])*
        $visible static $name: $crate::StaticPool<$name> = $crate::StaticPool::new();
    )+};
    (@name $name:ident) => { concat!("pool/", stringify!($name)) };
    (@name $name:ident $text:literal) => { concat!("pool/", $text) };
    ($($other:tt)*) => {
        compile_error!(
            "a static pool is written `[pub] static NAME: Type = <expression>`, and behind it, \
             in this order and each only where it is needed: `reset = <function>`, \
             `retained_max = <constant>`, `retained_bytes_max = <constant>, weigher = \
             <function>`, `retain_after_panic = true`, `name = \"name\"`"
        );
    };
}

/// What `pool!` writes about a static pool. Not for programs.
///
/// # Safety
///
/// - `core` and `shards` are always the same two statics, and the core was made with
///   these shards, which no other core has.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no static pool",
    label = "not the name of a pool that `heapledger::pool!` made",
    note = "name the pool, not its objects: `StaticGuard<BUFFERS>`"
)]
pub unsafe trait StaticObjects: Sized + 'static {
    type Object: Send + 'static;
    const HAS_WEIGHER: bool;
    const RETAIN_AFTER_PANIC: bool;

    fn core() -> &'static StaticCore<Self>;
    fn shards() -> &'static StaticShards;
    fn make() -> Self::Object;
    fn reset(object: &mut Self::Object);
    fn weigh(object: &Self::Object) -> usize;
}

#[doc(hidden)]
#[inline(always)]
pub fn static_reset<T>(object: &mut T, reset: impl FnOnce(&mut T)) {
    reset(object);
}

#[doc(hidden)]
#[inline(always)]
pub fn static_weight<T>(object: &T, weigher: impl FnOnce(&T) -> usize) -> usize {
    weigher(object)
}

/// The shards of a static pool: zeroed memory.
#[doc(hidden)]
pub struct StaticShards(Row);

impl StaticShards {
    #[must_use]
    #[allow(clippy::new_without_default, reason = "for statics")]
    pub const fn new() -> Self {
        Self([const { Shard::new() }; _])
    }
}

/// The rest of a static pool.
#[doc(hidden)]
pub struct StaticCore<P: StaticObjects> {
    store: Store,
    limits: Limits,
    has_max: bool,
    listed: Once,
    objects: PhantomData<fn() -> P>,
}

impl<P: StaticObjects> StaticCore<P> {
    #[must_use]
    pub const fn new(tag: &'static str, shards: &'static StaticShards) -> Self {
        let object = Layout::new::<P::Object>();
        let shards = Shards::new(&shards.0);
        Self {
            store: Store::new(shards, Tag::new(tag), object, 1, P::HAS_WEIGHER),
            limits: Limits { retained_max: 0, retained_bytes_max: UNLIMITED },
            has_max: false,
            listed: Once::new(),
            objects: PhantomData,
        }
    }

    #[must_use]
    pub const fn retained_max(mut self, objects: usize) -> Self {
        self.limits.retained_max = objects as u64;
        self.has_max = true;
        self
    }

    #[must_use]
    pub const fn retained_bytes_max(mut self, bytes: usize) -> Self {
        self.limits.retained_bytes_max = bytes as u64;
        self
    }
}

impl<P: StaticObjects> Objects for StaticCore<P> {
    type Object = P::Object;

    #[inline(always)]
    fn store(&self) -> &Store {
        &self.store
    }

    #[inline(always)]
    fn own_shard(&self) -> Option<&Shard> {
        // Not by the thread's place: the row's address is a constant, and a sum of it
        // and the place as the address of each access is slower than a comparison.
        P::shards().0[..PARTS].get(local().number() as usize)
    }

    #[inline(always)]
    unsafe fn check_in(&self, object: NonNull<P::Object>) {
        // SAFETY: the caller's promise.
        unsafe {
            objects::check_in(self, object, |object| {
                P::reset(object);
                true
            });
        };
    }

    fn weigh(&self, object: &P::Object) -> u64 {
        P::weigh(object) as u64
    }

    fn retains_after_panic(&self) -> bool {
        P::RETAIN_AFTER_PANIC
    }

    fn begin(&self) {
        self.listed.call_once(|| {
            let max = self.has_max.then_some(self.limits.retained_max);
            self.store.limit(Limits {
                retained_max: max.unwrap_or_else(settings::default_retained_max_or_say),
                ..self.limits
            });
            reclaim::register_static(P::core());
        });
    }
}

impl<P: StaticObjects> Reclaimer for StaticCore<P> {
    fn name(&self) -> &str {
        statistics::name_of(&self.store)
    }

    fn tag(&self) -> &Tag {
        self.store.tag()
    }

    fn shrink(&self, target_bytes: u64) -> u64 {
        statistics::freed_by_shrink(self, target_bytes)
    }

    fn statistics(&self) -> ReclaimerStatistics {
        ReclaimerStatistics::Pool(statistics::of(&self.store, PoolKind::Unbounded))
    }
}

/// A static pool; made by [`pool!`](crate::pool!).
pub struct StaticPool<P: StaticObjects> {
    objects: PhantomData<fn() -> P>,
}

impl<P: StaticObjects> StaticPool<P> {
    #[doc(hidden)]
    #[must_use]
    #[allow(clippy::new_without_default, reason = "for statics")]
    pub const fn new() -> Self {
        Self { objects: PhantomData }
    }

    /// An object that is ready, or a new one.
    ///
    /// # Panics
    ///
    /// If making one does.
    #[inline]
    pub fn acquire(&self) -> StaticGuard<P> {
        self.acquire_or(P::make)
    }

    /// An object that is ready, or what `make` makes, under the pool's tag.
    ///
    /// # Panics
    ///
    /// If `make` does.
    #[inline]
    pub fn acquire_or(&self, make: impl FnOnce() -> P::Object) -> StaticGuard<P> {
        match objects::acquire(P::core(), || Ok::<_, Infallible>(make())) {
            // SAFETY: from this pool, for this caller.
            Ok(object) => unsafe { StaticGuard::new(object) },
            Err(never) => match never {},
        }
    }

    /// An object that is ready, and none otherwise.
    pub fn acquire_ready(&self) -> Option<StaticGuard<P>> {
        let object = objects::acquire_ready(P::core())?;
        // SAFETY: from this pool, for this caller.
        Some(unsafe { StaticGuard::new(object) })
    }

    /// So many objects, ready ones first.
    ///
    /// # Panics
    ///
    /// If making one does; what was acquired until then goes back.
    pub fn acquire_many(&self, objects: usize) -> Vec<StaticGuard<P>> {
        (0..objects).map(|_| self.acquire()).collect()
    }

    /// Puts an object in that was made elsewhere; it is reset as others are.
    ///
    /// # Panics
    ///
    /// If the reset does.
    pub fn put(&self, object: P::Object) {
        objects::put(P::core(), object);
    }

    /// Takes a ready object out for good; `None` if none is ready.
    #[must_use]
    pub fn get(&self) -> Option<P::Object> {
        self.acquire_ready().map(StaticGuard::into_inner)
    }

    /// As [`Pool::shrink`](crate::Pool::shrink).
    pub fn shrink(&self, target_bytes: u64) -> u64 {
        Reclaimer::shrink(P::core(), target_bytes)
    }

    /// Drops all ready objects; returns the bytes freed. As `shrink(0)`.
    pub fn shrink_idle(&self) -> u64 {
        self.shrink(0)
    }

    /// The name, without `pool/`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        statistics::name_of(&P::core().store)
    }

    /// The tag that owns the pool's memory.
    #[must_use]
    pub fn tag(&self) -> &'static Tag {
        P::core().store.tag()
    }

    /// As [`Pool::statistics`](crate::Pool::statistics).
    #[must_use]
    pub fn statistics(&self) -> PoolStatistics {
        P::core().begin();
        statistics::of(&P::core().store, PoolKind::Unbounded)
    }
}

impl<P: StaticObjects> fmt::Debug for StaticPool<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = statistics::name_of(&P::core().store);
        f.debug_struct("StaticPool").field("name", &name).finish()
    }
}

/// An object of a static pool; goes back when dropped. One word, and `'static`.
///
/// Otherwise as a [`PoolGuard`](crate::PoolGuard).
#[must_use = "the object goes back when the guard is dropped"]
pub struct StaticGuard<P: StaticObjects> {
    object: InSlot<P::Object>,
    pool: PhantomData<fn() -> P>,
}

impl<P: StaticObjects> StaticGuard<P> {
    /// # Safety
    ///
    /// - The object is complete, in a slot of this pool, and nobody else's.
    #[inline(always)]
    unsafe fn new(object: NonNull<P::Object>) -> Self {
        // SAFETY: the caller's promise.
        Self { object: unsafe { InSlot::new(object) }, pool: PhantomData }
    }

    /// Takes the object out of the pool for good.
    #[must_use]
    pub fn into_inner(guard: Self) -> P::Object {
        let guard = ManuallyDrop::new(guard);
        // SAFETY: the guard's, complete, and not used afterwards.
        unsafe { objects::take_out(P::core(), guard.object.slot()) }
    }
}

impl<P: StaticObjects> Drop for StaticGuard<P> {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: the guard's, complete, and not used afterwards.
        unsafe { P::core().check_in(self.object.slot()) };
    }
}

impl<P: StaticObjects> Deref for StaticGuard<P> {
    type Target = P::Object;

    #[inline(always)]
    fn deref(&self) -> &P::Object {
        &self.object
    }
}

impl<P: StaticObjects> DerefMut for StaticGuard<P> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut P::Object {
        &mut self.object
    }
}

impl<P: StaticObjects> fmt::Debug for StaticGuard<P>
where
    P::Object: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.object.fmt(f)
    }
}
