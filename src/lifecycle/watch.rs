//! Watching single objects: which of them are still alive.

use core::any::type_name;
use core::cell::RefCell;
use core::panic::Location;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::ledger::registry::TAGS;
use crate::scope::Scope;

use super::TAG;
use super::watchlist::{Birth, Entry, List, Object};

type Process = dyn Object + Send;
type Thread = dyn Object;
type Gone<O> = Vec<(WatchId, Entry<O>)>;

/// Objects behind an `Arc`.
static PROCESS: Mutex<List<Process>> = Mutex::new(List::new());

thread_local! {
    /// Objects behind an `Rc`: they cannot leave the thread, nor can their handles.
    static THREAD: RefCell<List<Thread>> = const { RefCell::new(List::new()) };
}

/// Which watch; unique in the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WatchId(u64);

/// A watched object, as it was when it was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Watched {
    /// Its watch.
    pub id: WatchId,
    /// The name it was given when the watch began.
    pub name: String,
    /// Its type's name, as the compiler tells it.
    pub type_name: &'static str,
    /// The name of the tag that was current when the watch began.
    pub tag: String,
    /// Where the watch began.
    pub site: &'static Location<'static>,
    /// Time since the watch began.
    pub age: Duration,
    /// Owners that keep the object alive; 0 once it is dropped.
    pub strong_count: usize,
}

/// Watches an object behind an `Arc`, which it does not keep alive.
///
/// Call it where the object is made: what is recorded (the tag, the place in the
/// source, the time) is then its birth. [`survivors`] lists it until it is dropped,
/// or until [`unwatch`].
///
/// # Cost
///
/// 0.2 µs with the drop's notice, under a lock, and some 300 bytes. The `Weak` that is kept
/// holds back the memory of a dropped object (its own, not what it owned) until the
/// drop is noticed: by [`sweep`], by [`survivors`], or by a later `watch`, which
/// looks whenever the list has doubled.
///
/// # Concurrency
///
/// The list belongs to the process.
///
/// # Examples
///
/// ```
/// use heapledger::lifecycle::{survivors, watch};
/// use std::sync::Arc;
///
/// let model = Arc::new(vec![0_u8; 1000]);
/// watch(&model, "my_object");
/// assert_eq!(survivors()[0].name, "my_object");
///
/// drop(model);
/// assert!(survivors().is_empty());
/// ```
#[track_caller]
pub fn watch<T>(object: &Arc<T>, name: &str) -> WatchId
where
    T: ?Sized + Send + Sync + 'static,
{
    watch_with(object, name, |_| {})
}

/// [`watch`]es an object, and calls a function once when its drop is noticed.
///
/// A `Weak` is not told about the drop, it has to look: the call comes from the
/// next [`sweep`] or [`survivors`], or a later `watch`, on that thread and after
/// all locks are released.
///
/// # Examples
///
/// ```
/// use heapledger::lifecycle::{sweep, watch_with};
/// use std::sync::{Arc, mpsc};
///
/// let (send, events) = mpsc::channel();
/// let object = Arc::new(17);
/// watch_with(&object, "my_object", move |it| send.send(it.name).unwrap());
///
/// drop(object);
/// sweep();
/// assert_eq!(events.recv().unwrap(), "my_object");
/// ```
#[track_caller]
pub fn watch_with<T>(
    object: &Arc<T>,
    name: &str,
    on_drop: impl FnOnce(Watched) + Send + 'static,
) -> WatchId
where
    T: ?Sized + Send + Sync + 'static,
{
    let birth = birth::<T>(name);
    let scope = TAG.enter();
    let entry =
        Entry { birth, object: Box::new((Arc::downgrade(object), on_drop)) as Box<Process> };
    let id = next_id();
    let gone = process().add(id, entry);
    drop(scope);
    tell(gone);
    id
}

/// Watches an object behind an `Rc`; as [`watch`], in a list of the calling thread.
///
/// Only this thread's [`survivors`] lists it, and only while the thread lives.
/// `None` if the thread is at its end, too late to watch anything.
///
/// # Examples
///
/// A cycle keeps itself alive:
///
/// ```
/// use heapledger::lifecycle::{survivors, watch_rc};
/// use std::{cell::RefCell, rc::Rc};
///
/// struct Node {
///     next: RefCell<Option<Rc<Node>>>,
/// }
///
/// let node = Rc::new(Node { next: RefCell::new(None) });
/// *node.next.borrow_mut() = Some(Rc::clone(&node));
/// watch_rc(&node, "node");
/// drop(node);
/// assert_eq!(survivors()[0].name, "node");
/// ```
#[track_caller]
pub fn watch_rc<T: ?Sized + 'static>(object: &Rc<T>, name: &str) -> Option<WatchId> {
    watch_rc_with(object, name, |_| {})
}

/// Watches an object behind an `Rc`, and calls a function once when its drop is
/// noticed: [`watch_rc`] and [`watch_with`] in one.
///
/// # Examples
///
/// ```
/// use heapledger::lifecycle::{sweep, watch_rc_with};
/// use std::rc::Rc;
///
/// let object = Rc::new(17);
/// watch_rc_with(&object, "my_object", |it| println!("{} lived {:?}", it.name, it.age));
/// drop(object);
/// assert_eq!(sweep(), 1);
/// ```
#[track_caller]
pub fn watch_rc_with<T: ?Sized + 'static>(
    object: &Rc<T>,
    name: &str,
    on_drop: impl FnOnce(Watched) + 'static,
) -> Option<WatchId> {
    let birth = birth::<T>(name);
    let scope = TAG.enter();
    let entry = Entry { birth, object: Box::new((Rc::downgrade(object), on_drop)) as Box<Thread> };
    let id = next_id();
    let gone = THREAD.try_with(|list| list.borrow_mut().add(id, entry)).ok()?;
    drop(scope);
    tell(gone);
    Some(id)
}

/// Ends a watch. `false` if there was none: the object's drop was noticed before,
/// or it is an `Rc`'s and another thread's.
///
/// # Examples
///
/// ```
/// use heapledger::lifecycle::{survivors, unwatch, watch};
/// use std::sync::Arc;
///
/// let object = Arc::new(17);
/// let id = watch(&object, "my_object");
/// assert!(unwatch(id) && !unwatch(id));
/// assert!(survivors().is_empty());
/// ```
pub fn unwatch(id: WatchId) -> bool {
    // Both are dropped after the lists are free again: dropping what a callback
    // holds may do anything.
    let of_process = process().remove(id);
    let of_thread = THREAD.try_with(|list| list.borrow_mut().remove(id)).ok().flatten();
    of_process.is_some() || of_thread.is_some()
}

/// The watched objects that are alive, oldest first: all behind an `Arc`, and the
/// calling thread's behind an `Rc`.
///
/// # Cost
///
/// Some 100 ns an object, under a lock. Calls what waits for a drop, see
/// [`watch_with`].
///
/// # Concurrency
///
/// Objects that others drop at the same time may or may not be listed.
///
/// # Panics
///
/// If a function given to [`watch_with`] does; all others are called before.
///
/// # Examples
///
/// ```
/// use heapledger::lifecycle::{survivors, watch};
/// use std::sync::Arc;
///
/// let object = Arc::new(17);
/// watch(&object, "my_object");
/// for it in survivors() {
///     println!("{} ({}) of {}: {:?} old, {} owners", it.name, it.type_name, it.tag, it.age, it.strong_count);
/// }
/// ```
#[must_use]
pub fn survivors() -> Vec<Watched> {
    sweep();
    let _scope = TAG.enter();
    let mut alive: Vec<Watched> = process().alive().collect();
    // A thread at its end has no list any more.
    let _ = THREAD.try_with(|list| alive.extend(list.borrow().alive()));
    alive.sort_by_key(|watched| watched.id);
    alive
}

/// Looks which watched objects were dropped, takes them off the list and calls what
/// waits for it, see [`watch_with`]. Returns how many they are.
///
/// # Panics
///
/// If a function given to [`watch_with`] does; all others are called before.
///
/// # Examples
///
/// ```
/// use heapledger::lifecycle::{sweep, watch};
/// use std::sync::Arc;
///
/// let object = Arc::new(17);
/// watch(&object, "my_object");
/// assert_eq!(sweep(), 0);
/// drop(object);
/// assert_eq!((sweep(), sweep()), (1, 0));
/// ```
pub fn sweep() -> usize {
    let scope = TAG.enter();
    let of_process = process().take_gone();
    let of_thread = THREAD.try_with(|list| list.borrow_mut().take_gone()).unwrap_or_default();
    drop(scope);
    let count = of_process.len() + of_thread.len();
    // Whatever the first ones do, the others are told as well.
    let told = catch_unwind(AssertUnwindSafe(|| tell(of_process)));
    tell(of_thread);
    told.unwrap_or_else(|panic| resume_unwind(panic));
    count
}

/// Every change to the list is one call that leaves it whole.
fn process() -> MutexGuard<'static, List<Process>> {
    PROCESS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn next_id() -> WatchId {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    // Relaxed: a number, it publishes nothing.
    WatchId(NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Here and now, as the caller's caller sees it.
#[track_caller]
fn birth<T: ?Sized>(name: &str) -> Birth {
    let tag = TAGS.name(Scope::current().tag_id().get()).unwrap_or_default();
    let site = Location::caller();
    let _scope = TAG.enter();
    let (name, tag) = (name.to_owned(), tag.to_owned());
    Birth { name, type_name: type_name::<T>(), tag, site, born: Instant::now() }
}

/// Tells all; goes on with the first panic after that.
fn tell<O: Object + ?Sized>(gone: Gone<O>) {
    let mut first_panic = None;
    for (id, entry) in gone {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| entry.tell(id))) {
            first_panic.get_or_insert(panic);
        }
    }
    if let Some(panic) = first_panic {
        resume_unwind(panic);
    }
}
