//! The table of tags: names to dense ids, without a lock.
//!
//! Ids are dense so that the cells of the tags in use share a few pages. A name
//! is found through an open-addressed index of ids. To intern, a thread takes the
//! lowest free id, writes the name into that entry (which nobody else can see
//! yet), and publishes the id by one compare-and-swap on the first empty bucket
//! of its probe sequence. If another thread was first with the same name, its id
//! wins and ours is free again.
//!
//! Invariants: a bucket, once set, never changes; so two threads that intern one
//! name meet at the same bucket and return the same id. An id is free, or one
//! thread writes its name, or it has its name for ever: none is lost. There is no
//! lock for a forked child to inherit.

use crate::sync::{AtomicU16, AtomicU32, Ordering, UnsafeCell};

use super::name::{self, TAG_NAME_MAX_BYTES, TagError};
use super::{OVERFLOW, UNTAGGED};

/// The bytes of one name.
struct Text {
    len: u8,
    bytes: [u8; TAG_NAME_MAX_BYTES],
}

struct Entry {
    text: UnsafeCell<Text>,
    parent: AtomicU16,
}

/// The states of an id: nobody's; one thread's, which writes the name; named.
const FREE: u16 = 0;
const TAKEN: u16 = 1;
const NAMED: u16 = 2;

/// The lowest id that is not built in.
const FIRST_ID: usize = 2;

/// Up to `TAGS` names; `BUCKETS` is a power of two, at least twice `TAGS`.
pub(crate) struct TagTable<const TAGS: usize, const BUCKETS: usize> {
    entries: [Entry; TAGS],
    /// By id. Beside the entries, so that the search for a free id is short.
    states: [AtomicU16; TAGS],
    /// Ids by hash of the name; 0 is empty.
    buckets: [AtomicU16; BUCKETS],
    /// Ids from `FIRST_ID` to the highest that was ever taken. From 0, so that a
    /// table in static memory is all zeroes and takes no place in the program's
    /// file.
    given: AtomicU32,
}

// SAFETY: `text` is written only by the thread that took the id, before the
// Release that publishes it, and only read after the Acquire that saw it.
unsafe impl<const TAGS: usize, const BUCKETS: usize> Sync for TagTable<TAGS, BUCKETS> {}

impl Entry {
    #[cfg(not(loom))]
    const fn new() -> Self {
        Self {
            text: UnsafeCell::new(Text { len: 0, bytes: [0; TAG_NAME_MAX_BYTES] }),
            parent: AtomicU16::new(UNTAGGED),
        }
    }

    #[cfg(loom)]
    fn new() -> Self {
        Self {
            text: UnsafeCell::new(Text { len: 0, bytes: [0; TAG_NAME_MAX_BYTES] }),
            parent: AtomicU16::new(UNTAGGED),
        }
    }
}

impl<const TAGS: usize, const BUCKETS: usize> TagTable<TAGS, BUCKETS> {
    #[cfg(not(loom))]
    pub(crate) const fn new() -> Self {
        assert!(BUCKETS.is_power_of_two() && BUCKETS >= 2 * TAGS && TAGS <= u16::MAX as usize);
        Self {
            entries: [const { Entry::new() }; TAGS],
            states: [const { AtomicU16::new(FREE) }; TAGS],
            buckets: [const { AtomicU16::new(0) }; BUCKETS],
            given: AtomicU32::new(0),
        }
    }

    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self {
            entries: core::array::from_fn(|_| Entry::new()),
            states: core::array::from_fn(|_| AtomicU16::new(FREE)),
            buckets: core::array::from_fn(|_| AtomicU16::new(0)),
            given: AtomicU32::new(0),
        }
    }

    /// One more than the highest id that was ever taken: the bound of a loop over
    /// ids.
    pub(crate) fn len(&self) -> usize {
        // Relaxed: it publishes nothing; who books under an id raised it before,
        // or learned the id from who did.
        (self.given.load(Ordering::Relaxed) as usize).saturating_add(FIRST_ID)
    }

    /// The id of a name, new or known. Parents are interned first.
    pub(crate) fn intern(&self, tag: &str) -> Result<u16, TagError> {
        name::check(tag)?;
        let id = match self.find(tag) {
            Some(id) => id,
            None => self.add(tag)?,
        };
        // Whoever has an id can read its name: we do not wait for the thread that
        // published the id to come to this line.
        if let Some(state) = self.states.get(id as usize) {
            // Release: pairs with the Acquire in `name`; the text is before it,
            // whoever wrote it.
            state.store(NAMED, Ordering::Release);
        }
        Ok(id)
    }

    fn add(&self, tag: &str) -> Result<u16, TagError> {
        // Bounded: a name has at most 60 levels, each call drops one.
        let parent = match name::parent(tag) {
            Some(parent) => self.intern(parent)?,
            None => UNTAGGED,
        };
        let id = self.take_id().ok_or(TagError::TableFull)?;
        let Some(entry) = self.entries.get(id as usize) else {
            return Err(TagError::TableFull);
        };
        entry.text.with_mut(|text| {
            // SAFETY: this thread took `id` and has not published it, so no
            // other thread reads or writes this entry.
            let text = unsafe { &mut *text };
            text.len = tag.len() as u8;
            for (to, from) in text.bytes.iter_mut().zip(tag.bytes()) {
                *to = from;
            }
        });
        // Relaxed: published by the Release in `publish`.
        entry.parent.store(parent, Ordering::Relaxed);
        match self.publish(tag, id) {
            Some(winner) if winner == id => Ok(id),
            Some(winner) => {
                self.give_back(id);
                Ok(winner)
            }
            None => {
                self.give_back(id);
                Err(TagError::TableFull)
            }
        }
    }

    /// The id of a known name.
    pub(crate) fn find(&self, tag: &str) -> Option<u16> {
        for bucket in self.probe(tag) {
            // Acquire: pairs with the Release in `publish`; the entry's text is
            // written before its id is seen.
            match bucket.load(Ordering::Acquire) {
                0 => return None,
                id if self.text_is(id, tag) => return Some(id),
                _ => {}
            }
        }
        None
    }

    /// The name of an id that `intern` or `find` returned.
    pub(crate) fn known_name(&self, id: u16) -> &str {
        let text = self.entries.get(id as usize).and_then(|entry| {
            entry.text.with(|text| {
                // SAFETY: the id came out of a bucket, so its text is written
                // and will not change.
                let text = unsafe { &*text };
                core::str::from_utf8(text.bytes.get(..text.len as usize)?).ok()
            })
        });
        text.unwrap_or_default()
    }

    /// The name of an id, once it has one.
    pub(crate) fn name(&self, id: u16) -> Option<&str> {
        match id {
            UNTAGGED => return Some("(untagged)"),
            OVERFLOW => return Some("(overflow)"),
            _ => {}
        }
        // Acquire: pairs with the Release in `intern`.
        let state = self.states.get(id as usize)?.load(Ordering::Acquire);
        (state == NAMED).then(|| self.known_name(id))
    }

    /// The id one level up; `None` for a tag of the first level.
    pub(crate) fn parent(&self, id: u16) -> Option<u16> {
        // Relaxed: written before the id was published, never again.
        match self.entries.get(id as usize)?.parent.load(Ordering::Relaxed) {
            UNTAGGED => None,
            parent => Some(parent),
        }
    }

    /// Puts `id` into the first bucket of the probe sequence that is empty, or
    /// finds the same name there; returns the id that holds the name. `None` is
    /// not reached: there are twice as many buckets as ids.
    fn publish(&self, tag: &str, id: u16) -> Option<u16> {
        for bucket in self.probe(tag) {
            // Release: pairs with the Acquire in `find`. Acquire: we may read
            // the text of the id that is there.
            match bucket.compare_exchange(0, id, Ordering::Release, Ordering::Acquire) {
                Ok(_) => return Some(id),
                Err(other) if self.text_is(other, tag) => return Some(other),
                Err(_) => {}
            }
        }
        None
    }

    fn text_is(&self, id: u16, tag: &str) -> bool {
        #[cfg(loom)]
        if !crate::sync::step() {
            return true; // A mutant's: any name in the bucket passes for ours.
        }
        self.entries.get(id as usize).is_some_and(|entry| {
            entry.text.with(|text| {
                // SAFETY: the id was read from a bucket with Acquire, so its
                // text is written and will not change.
                let text = unsafe { &*text };
                text.bytes.get(..text.len as usize) == Some(tag.as_bytes())
            })
        })
    }

    /// The lowest free id, now for this thread alone.
    fn take_id(&self) -> Option<u16> {
        for (given, state) in (0_u16..).zip(self.states.get(FIRST_ID..)?) {
            // Relaxed: a hint; the exchange decides.
            if state.load(Ordering::Relaxed) != FREE {
                continue;
            }
            // Acquire: pairs with the Release in `give_back`, whose thread wrote
            // to the entry before us.
            if state.compare_exchange(FREE, TAKEN, Ordering::Acquire, Ordering::Relaxed).is_ok() {
                // Relaxed: as in `len`.
                self.given.fetch_max(u32::from(given).saturating_add(1), Ordering::Relaxed);
                return Some(given.saturating_add(FIRST_ID as u16));
            }
        }
        None
    }

    /// Frees an id that was taken and not published.
    fn give_back(&self, id: u16) {
        if let Some(state) = self.states.get(id as usize) {
            // Release: pairs with the Acquire in `take_id`.
            state.store(FREE, Ordering::Release);
        }
    }

    fn probe(&self, tag: &str) -> impl Iterator<Item = &AtomicU16> {
        let start = hash(tag) as usize;
        (0..BUCKETS).filter_map(move |step| self.buckets.get((start + step) & (BUCKETS - 1)))
    }
}

/// FNV-1a, 64 bits, folded: short names, no state, no table.
fn hash(tag: &str) -> u32 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in tag.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    (hash ^ (hash >> 32)) as u32
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn interning_is_idempotent_and_knows_parents() {
        let table: Box<TagTable<16, 32>> = Box::new(TagTable::new());
        let postings = table.intern("index/postings").unwrap();
        let index = table.find("index").unwrap();
        assert_eq!(table.intern("index/postings"), Ok(postings));
        assert_eq!(table.parent(postings), Some(index));
        assert_eq!(table.parent(index), None);
        assert_eq!(table.name(postings), Some("index/postings"));
        assert_eq!(table.len(), 4);
    }

    #[test]
    fn a_full_table_refuses_new_names_and_keeps_the_old() {
        let table: Box<TagTable<16, 32>> = Box::new(TagTable::new());
        let ids: Vec<u16> = (0..14).map(|n| table.intern(&format!("t{n}")).unwrap()).collect();
        assert_eq!(table.intern("one more"), Err(TagError::TableFull));
        for (n, id) in ids.iter().enumerate() {
            assert_eq!(table.intern(&format!("t{n}")), Ok(*id));
        }
        assert_eq!(table.len(), 16);
    }

    type Full = TagTable<4096, 8192>;

    /// Interns `names` names from 8 threads; `meet` makes them all come to each
    /// name at one time. Every thread gets the same ids; none is lost.
    fn intern_from_eight_threads(names: usize, meet: bool) {
        let table: Box<Full> = Box::new(Full::new());
        let gate = Barrier::new(8);
        let intern_all = |thread: usize| -> Vec<u16> {
            let mut ids = vec![0; names];
            for n in 0..names {
                // Each thread begins elsewhere, unless they are to meet.
                let n = if meet { n } else { (n + thread * names / 8) % names };
                if meet {
                    gate.wait();
                }
                let name = format!("name {n}");
                ids[n] = table.intern(&name).unwrap();
                assert_eq!(table.name(ids[n]), Some(&*name), "the name of an id one holds");
            }
            ids
        };
        let ids: Vec<_> = std::thread::scope(|scope| {
            let intern_all = &intern_all;
            let threads = [0, 1, 2, 3, 4, 5, 6, 7];
            let threads = threads.map(|thread| scope.spawn(move || intern_all(thread)));
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        for other in &ids[1..] {
            assert_eq!(ids[0], *other, "one name, two ids");
        }
        let mut distinct = ids[0].clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), names, "two names, one id");
        for n in names..4094 {
            assert!(table.intern(&format!("name {n}")).is_ok(), "ids were lost: {n} names fit");
        }
        assert_eq!(table.intern("one more"), Err(TagError::TableFull));
        assert_eq!(table.len(), 4096);
    }

    #[test]
    fn eight_threads_intern_four_thousand_names() {
        intern_from_eight_threads(4000, false);
    }

    #[test]
    fn eight_threads_that_meet_at_every_name_lose_no_id() {
        intern_from_eight_threads(1000, true);
    }
}
