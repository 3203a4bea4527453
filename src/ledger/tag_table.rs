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
//! thread writes its name, or it has its name for ever, or it is on `lease` to a
//! short-lived tag: none is lost. There is no lock for a forked child to inherit.

use crate::sync::{AtomicU16, AtomicU32, Ordering, UnsafeCell};

use super::lives::Lives;
use super::moves::Moves;
use super::name::{self, TAG_NAME_MAX_BYTES, TagError};
use super::slots::Slots;
use super::{OVERFLOW, UNTAGGED};

/// The bytes of one name.
struct Text {
    len: u8,
    bytes: [u8; TAG_NAME_MAX_BYTES],
}

impl Text {
    const EMPTY: Self = Self { len: 0, bytes: [0; TAG_NAME_MAX_BYTES] };
}

/// The lowest id that is not built in.
pub(super) const FIRST_ID: usize = 2;

/// Up to `TAGS` names; `BUCKETS` is a power of two, at least twice `TAGS`, and
/// `WORDS` as many words of 64 bits as have a bit for every tag.
pub(crate) struct TagTable<const TAGS: usize, const BUCKETS: usize, const WORDS: usize> {
    texts: [UnsafeCell<Text>; TAGS],
    /// The ids one level up. Beside the texts, so that a walk over them is short.
    pub(super) parents: [AtomicU16; TAGS],
    pub(super) lives: Lives<TAGS>,
    pub(super) moves: Moves<TAGS>,
    /// The ids that are somebody's, from `FIRST_ID`.
    ids: Slots<WORDS>,
    /// Where the search for orphans goes on; 0 before the first short life.
    pub(super) cursor: AtomicU32,
    /// Ids by hash of the name; 0 is empty.
    buckets: [AtomicU16; BUCKETS],
    /// Ids from `FIRST_ID` to the highest that was ever used. From 0, so that a
    /// table in static memory is all zeroes and takes no place in the program's
    /// file.
    given: AtomicU32,
}

// SAFETY: a text is written only by the thread that took the id, before the Release
// that publishes it, and only read after the Acquire that saw it. It is written
// again after the life of a short-lived tag ended: by then its holders are gone, and
// so are the readers who were inside the gate when it lived.
unsafe impl<const TAGS: usize, const BUCKETS: usize, const WORDS: usize> Sync
    for TagTable<TAGS, BUCKETS, WORDS>
{
}

impl<const TAGS: usize, const BUCKETS: usize, const WORDS: usize> TagTable<TAGS, BUCKETS, WORDS> {
    #[cfg(not(loom))]
    pub(crate) const fn new() -> Self {
        assert!(BUCKETS.is_power_of_two() && BUCKETS >= 2 * TAGS && TAGS <= WORDS * 64);
        Self {
            texts: [const { UnsafeCell::new(Text::EMPTY) }; TAGS],
            parents: [const { AtomicU16::new(UNTAGGED) }; TAGS],
            lives: Lives::new(),
            moves: Moves::new(),
            ids: Slots::new(),
            cursor: AtomicU32::new(0),
            buckets: [const { AtomicU16::new(0) }; BUCKETS],
            given: AtomicU32::new(0),
        }
    }

    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self {
            texts: core::array::from_fn(|_| UnsafeCell::new(Text::EMPTY)),
            parents: core::array::from_fn(|_| AtomicU16::new(UNTAGGED)),
            lives: Lives::new(),
            moves: Moves::new(),
            ids: Slots::new(),
            cursor: AtomicU32::new(0),
            buckets: core::array::from_fn(|_| AtomicU16::new(0)),
            given: AtomicU32::new(0),
        }
    }

    /// One more than the highest id that was ever used: the bound of a loop over
    /// ids.
    pub(crate) fn len(&self) -> usize {
        // Relaxed: it publishes nothing; who books under an id raised it before,
        // or learned the id from who did.
        (self.given.load(Ordering::Relaxed) as usize).saturating_add(FIRST_ID)
    }

    /// The id of a name, new or known; one that was checked, or heapledger's own.
    /// Parents are interned first.
    pub(crate) fn intern(&self, tag: &str) -> Result<u16, TagError> {
        let id = match self.find(tag) {
            Some(id) => id,
            None => self.add(tag)?,
        };
        // Whoever has an id can read its name: we do not wait for the thread that
        // published the id to come to this line.
        self.lives.name(id);
        Ok(id)
    }

    fn add(&self, tag: &str) -> Result<u16, TagError> {
        // Bounded: a name has at most 60 levels, each call drops one.
        let parent = match name::parent(tag) {
            Some(parent) => self.intern(parent)?,
            None => UNTAGGED,
        };
        let id = self.take_id().ok_or(TagError::TableFull)?;
        self.write(id, tag, parent);
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

    /// Writes name and parent of an id that the calling thread took.
    pub(super) fn write(&self, id: u16, tag: &str, parent: u16) {
        let (Some(text), Some(above)) =
            (self.texts.get(id as usize), self.parents.get(id as usize))
        else {
            return;
        };
        let given = u32::from(id.saturating_sub(FIRST_ID as u16)).saturating_add(1);
        // Relaxed: as in `len`. The load spares ids that come again the locked
        // instruction.
        if self.given.load(Ordering::Relaxed) < given {
            self.given.fetch_max(given, Ordering::Relaxed);
        }
        text.with_mut(|text| {
            // SAFETY: this thread took `id` and has not published it, so no
            // other thread reads or writes this text.
            let text = unsafe { &mut *text };
            text.len = tag.len() as u8;
            for (to, from) in text.bytes.iter_mut().zip(tag.bytes()) {
                *to = from;
            }
        });
        // Relaxed: published by the Release in `publish`, or by that of `begin`.
        above.store(parent, Ordering::Relaxed);
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

    /// The name of an id that `intern` or `find` returned, or that is held.
    pub(crate) fn known_name(&self, id: u16) -> &str {
        let text = self.texts.get(id as usize).and_then(|text| {
            text.with(|text| {
                // SAFETY: the id came out of a bucket, so its text is written
                // and will not change; or it is held, and does not until then.
                let text = unsafe { &*text };
                core::str::from_utf8(text.bytes.get(..text.len as usize)?).ok()
            })
        });
        text.unwrap_or_default()
    }

    /// The name of an id, once it has one; a short-lived tag's only to those inside
    /// the gate.
    pub(crate) fn name(&self, id: u16) -> Option<&str> {
        match id {
            UNTAGGED => Some("(untagged)"),
            OVERFLOW => Some("(overflow)"),
            _ => self.lives.get(id).is_named().then(|| self.known_name(id)),
        }
    }

    /// The id one level up; `None` for a tag of the first level. For a short-lived
    /// tag as `name`.
    pub(crate) fn parent(&self, id: u16) -> Option<u16> {
        if !self.lives.get(id).is_named() {
            return None;
        }
        // Relaxed: written before the id was published.
        match self.parents.get(id as usize)?.load(Ordering::Relaxed) {
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
        self.texts.get(id as usize).is_some_and(|text| {
            text.with(|text| {
                // SAFETY: the id was read from a bucket with Acquire, so its
                // text is written and will not change.
                let text = unsafe { &*text };
                text.bytes.get(..text.len as usize) == Some(tag.as_bytes())
            })
        })
    }

    /// The lowest free id, now for this thread alone.
    pub(super) fn take_id(&self) -> Option<u16> {
        let slot = self.ids.claim()?;
        let id = slot.saturating_add(FIRST_ID);
        if id >= TAGS {
            self.ids.release(slot);
            return None;
        }
        Some(id as u16)
    }

    /// Frees an id that was taken: one that was not published, or whose life ended.
    pub(super) fn give_back(&self, id: u16) {
        if let Some(slot) = (id as usize).checked_sub(FIRST_ID) {
            self.ids.release(slot);
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
        let table: Box<TagTable<16, 32, 1>> = Box::new(TagTable::new());
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
        let table: Box<TagTable<16, 32, 1>> = Box::new(TagTable::new());
        let ids: Vec<u16> = (0..14).map(|n| table.intern(&format!("t{n}")).unwrap()).collect();
        assert_eq!(table.intern("one more"), Err(TagError::TableFull));
        for (n, id) in ids.iter().enumerate() {
            assert_eq!(table.intern(&format!("t{n}")), Ok(*id));
        }
        assert_eq!(table.len(), 16);
    }

    type Full = TagTable<4096, 8192, 64>;

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
