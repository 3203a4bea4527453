//! Objects by key, in one piece of memory.

use core::fmt;
use core::mem::ManuallyDrop;
use core::num::NonZeroU64;

use crate::each::each;

/// The key of an object in a [`Slab`]: its place, and the place's generation.
///
/// Each object that comes to a place has another key than all before it, for ever: a
/// stale key finds nothing, and never another object. Keys of one slab mean nothing
/// to another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(NonZeroU64);

impl Key {
    /// `generation` is odd, hence not 0.
    fn new(index: u32, generation: u32) -> Option<Self> {
        NonZeroU64::new(u64::from(generation) << 32 | u64::from(index)).map(Self)
    }

    fn index(self) -> usize {
        self.0.get() as u32 as usize
    }

    fn generation(self) -> u32 {
        (self.0.get() >> 32) as u32
    }

    /// The key as a number, to be kept elsewhere.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        self.0.get()
    }

    /// The key that was this number; any other number is a stale key at worst.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Option<Self> {
        match NonZeroU64::new(bits) {
            Some(bits) => Some(Self(bits)),
            None => None,
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({}@{})", self.index(), self.generation())
    }
}

/// Objects of one type in one piece of memory, each found by its [`Key`].
///
/// For graphs, connection tables, anything that refers to its parts by number.
///
/// # Cost
///
/// Insert, remove and look-up take constant time. An object takes 4 bytes beside
/// itself (8 where it is aligned to 8), a free place as much as an object; places
/// are used again, and never given back before [`shrink_to_fit`](Self::shrink_to_fit).
///
/// # Examples
///
/// ```
/// let mut slab = heapledger::Slab::new();
/// let first = slab.insert("first");
/// assert_eq!(slab.remove(first), Some("first"));
/// let second = slab.insert("second");
/// assert_eq!(slab.get(second), Some(&"second"));
/// assert_eq!(slab.get(first), None);
/// ```
pub struct Slab<T> {
    places: Vec<Place<T>>,
    /// The first free place; the others follow, each from the one before.
    free: u32,
    len: usize,
}

/// `generation` is odd while an object is there: then `content` is `object`,
/// otherwise `next_free`.
struct Place<T> {
    generation: u32,
    content: Content<T>,
}

union Content<T> {
    object: ManuallyDrop<T>,
    next_free: u32,
}

/// Ends the list of free places.
const NONE: u32 = u32::MAX;

impl<T> Place<T> {
    fn is_taken(&self) -> bool {
        self.generation % 2 == 1
    }

    fn object(&self) -> Option<&T> {
        // SAFETY: the generation says that an object is there.
        self.is_taken().then(|| unsafe { &*self.content.object })
    }

    fn object_mut(&mut self) -> Option<&mut T> {
        // SAFETY: the generation says that an object is there.
        self.is_taken().then(|| unsafe { &mut *self.content.object })
    }
}

impl<T> Slab<T> {
    /// An empty slab, without memory.
    #[must_use]
    pub const fn new() -> Self {
        Self { places: Vec::new(), free: NONE, len: 0 }
    }

    /// An empty slab with memory for so many objects.
    #[must_use]
    pub fn with_capacity(objects: usize) -> Self {
        Self { places: Vec::with_capacity(objects), ..Self::new() }
    }

    /// Objects in it.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Takes an object in.
    ///
    /// # Panics
    ///
    /// If there are 4,294,967,295 objects in it already.
    pub fn insert(&mut self, object: T) -> Key {
        let content = Content { object: ManuallyDrop::new(object) };
        self.len += 1;
        if let Some(place) = self.places.get_mut(self.free as usize) {
            let index = self.free;
            // SAFETY: it is in the list, hence free.
            self.free = unsafe { place.content.next_free };
            place.generation += 1;
            place.content = content;
            return Key::new(index, place.generation).expect("a generation that is odd");
        }
        let index = u32::try_from(self.places.len()).ok().filter(|index| *index < NONE);
        let index = index.expect("a slab has room for 4,294,967,295 objects");
        self.places.push(Place { generation: 1, content });
        Key::new(index, 1).expect("a generation that is odd")
    }

    /// Takes an object out; `None` if it is not there any more.
    pub fn remove(&mut self, key: Key) -> Option<T> {
        let place = self.places.get(key.index())?;
        let there = place.generation == key.generation();
        if there { self.take(key.index()) } else { None }
    }

    /// The object; `None` if it is not there any more.
    #[must_use]
    pub fn get(&self, key: Key) -> Option<&T> {
        let place = self.places.get(key.index())?;
        if place.generation == key.generation() { place.object() } else { None }
    }

    /// The object; `None` if it is not there any more.
    #[must_use]
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let place = self.places.get_mut(key.index())?;
        if place.generation == key.generation() { place.object_mut() } else { None }
    }

    /// Whether the object is there.
    #[must_use]
    pub fn contains(&self, key: Key) -> bool {
        self.get(key).is_some()
    }

    /// All objects with their keys, by place.
    pub fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        self.places.iter().zip(0_u32..).filter_map(|(place, index)| {
            Some((Key::new(index, place.generation)?, place.object()?))
        })
    }

    /// All objects with their keys, by place.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Key, &mut T)> {
        self.places.iter_mut().zip(0_u32..).filter_map(|(place, index)| {
            Some((Key::new(index, place.generation)?, place.object_mut()?))
        })
    }

    /// Drops the objects for which `keep` is false.
    ///
    /// # Panics
    ///
    /// If `keep` or the destructor of an object does; the slab stays whole.
    pub fn retain(&mut self, mut keep: impl FnMut(Key, &mut T) -> bool) {
        for index in 0..self.places.len() {
            let Some(place) = self.places.get_mut(index) else { return };
            let Some(key) = Key::new(index as u32, place.generation) else { continue };
            if place.object_mut().is_some_and(|object| !keep(key, object)) {
                drop(self.take(index));
            }
        }
    }

    /// Drops all objects; their keys are stale, and the memory stays.
    ///
    /// # Panics
    ///
    /// If the destructor of an object does, after all of them.
    pub fn clear(&mut self) {
        each(0..self.places.len(), |index| drop(self.take(index)));
    }

    /// Gives memory back that no place needs. Places that are free keep theirs, for
    /// they know which keys are stale.
    pub fn shrink_to_fit(&mut self) {
        self.places.shrink_to_fit();
    }

    /// The object of a place, which is free from now on.
    fn take(&mut self, index: usize) -> Option<T> {
        let place = self.places.get_mut(index)?;
        if !place.is_taken() {
            return None;
        }
        // SAFETY: an object is there, and not any more from the next lines on.
        let object = unsafe { ManuallyDrop::take(&mut place.content.object) };
        place.content = Content { next_free: self.free };
        self.len -= 1;
        if place.generation == u32::MAX {
            // The place has had all its keys: nobody comes here any more.
            place.generation = u32::MAX - 1;
        } else {
            place.generation += 1;
            self.free = index as u32;
        }
        Some(object)
    }
}

impl<T> Drop for Slab<T> {
    fn drop(&mut self) {
        if core::mem::needs_drop::<T>() {
            self.clear();
        }
    }
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for Slab<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

const _: () = assert!(size_of::<Place<u64>>() == 16 && size_of::<Place<u32>>() == 8);
const _: () = assert!(size_of::<Option<Key>>() == 8);

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::rc::Rc;

    use super::*;
    use crate::tests::random::Random;

    #[test]
    fn a_million_operations_as_a_map_does_them() {
        let mut random = Random::new(7);
        let (mut slab, mut model) = (Slab::new(), HashMap::new());
        let mut keys = Vec::new();
        for operation in 0..1_000_000_u64 {
            match random.below(4) {
                0 | 1 if slab.len() < 500 => {
                    let key = slab.insert(Box::new(operation));
                    assert_eq!(model.insert(key, operation), None, "a key was given twice");
                    keys.push(key);
                }
                2 => {
                    let Some(key) = keys.get(random.below(keys.len() as u64 + 1) as usize) else {
                        continue;
                    };
                    assert_eq!(slab.remove(*key).map(|it| *it), model.remove(key));
                }
                _ => {
                    let Some(key) = keys.get(random.below(keys.len() as u64 + 1) as usize) else {
                        continue;
                    };
                    let expected = model.get(key);
                    assert_eq!(slab.get(*key).map(|it| &**it), expected);
                    assert_eq!(slab.get_mut(*key).map(|it| &**it), expected);
                }
            }
            assert_eq!(slab.len(), model.len());
        }
        let listed: HashMap<_, _> = slab.iter().map(|(key, object)| (key, **object)).collect();
        assert_eq!(listed, model);
        slab.retain(|_, object| **object % 2 == 0);
        model.retain(|_, object| *object % 2 == 0);
        assert_eq!(slab.iter_mut().map(|(key, it)| (key, **it)).collect::<HashMap<_, _>>(), model);
    }

    #[test]
    fn a_place_that_has_had_all_its_keys_is_left_alone() {
        let mut slab = Slab::new();
        let first = slab.insert('a');
        slab.remove(first);
        slab.places[0].generation = u32::MAX - 1;
        let last = slab.insert('b');
        assert_eq!((last.index(), last.generation()), (0, u32::MAX));
        assert_eq!(slab.remove(last), Some('b'));
        let next = slab.insert('c');
        assert_eq!((next.index(), next.generation()), (1, 1));
        assert_eq!((slab.get(first), slab.get(last), slab.get(next)), (None, None, Some(&'c')));
        assert_eq!(slab.len(), 1);
    }

    #[test]
    fn keys_are_numbers_and_back() {
        let mut slab = Slab::new();
        let key = slab.insert(());
        assert_eq!(Key::from_bits(key.to_bits()), Some(key));
        assert_eq!(Key::from_bits(0), None);
        let invented = Key::from_bits(2 << 32 | 5).unwrap();
        assert_eq!(slab.get(invented), None);
        assert_eq!(slab.remove(invented), None);
        // Of a free place, the generation it has now.
        slab.remove(key);
        assert_eq!(slab.get(Key::from_bits(2 << 32).unwrap()), None);
        assert_eq!(slab.remove(Key::from_bits(2 << 32).unwrap()), None);
    }

    /// Panics when it is dropped, if told to; the `Rc` counts those that are alive.
    struct Fragile(bool, #[allow(dead_code, reason = "it is counted")] Rc<()>);

    impl Drop for Fragile {
        fn drop(&mut self) {
            assert!(!self.0, "dropped");
        }
    }

    #[test]
    fn destructors_that_panic_leave_nothing_behind() {
        let alive = Rc::new(());
        let fill = |slab: &mut Slab<Fragile>| {
            (0..10).map(|it| slab.insert(Fragile(it % 3 == 0, alive.clone()))).collect::<Vec<_>>()
        };
        let mut slab = Slab::new();
        let keys = fill(&mut slab);
        assert!(catch_unwind(AssertUnwindSafe(|| slab.clear())).is_err());
        assert_eq!((slab.len(), Rc::strong_count(&alive)), (0, 1));
        assert!(keys.iter().all(|key| !slab.contains(*key)));

        fill(&mut slab);
        assert!(catch_unwind(AssertUnwindSafe(|| slab.retain(|_, _| false))).is_err());
        assert_eq!(slab.len(), Rc::strong_count(&alive) - 1);
        assert!(catch_unwind(AssertUnwindSafe(|| drop(slab))).is_err());
        assert_eq!(Rc::strong_count(&alive), 1);
    }
}
