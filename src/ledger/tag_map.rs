//! The tag map: the owners of blocks that cannot carry a record.
//!
//! Keyed by address, with a granule that depends on the block's layout: two
//! blocks of at least g bytes never start in the same g bytes, and `dealloc`
//! knows the layout, so one entry of two bytes per g bytes of address space is
//! enough (0.4 % at 512 bytes). Three levels, like a page table: a root in zeroed
//! static memory (4 GiB an entry), nodes (2 MiB an entry), leaves by granule. A
//! leaf exists only where something was tagged; everywhere else a lookup ends at
//! the first or second null.
//!
//! Invariant: an entry is not zero exactly while a tagged block of that granule
//! starts there. The owner is taken out *before* the block goes back to the
//! backend, so that another thread that is given the same address finds the
//! entry empty.

use core::sync::atomic::{AtomicPtr, AtomicU16, AtomicUsize, Ordering};

use heapledger_alloc_sys::os_pages;

use super::fault::FAULTS;

const CHUNK_SHIFT: u32 = 21;
const NODE_SHIFT: u32 = 32;
const ADDRESS_BITS: u32 = if cfg!(target_pointer_width = "64") { 48 } else { 32 };
const NODES: usize = if ADDRESS_BITS > NODE_SHIFT { 1 << (ADDRESS_BITS - NODE_SHIFT) } else { 1 };
const CHUNKS: usize = 1 << (NODE_SHIFT - CHUNK_SHIFT);
const CHUNK_MASK: usize = (1 << CHUNK_SHIFT) - 1;

/// Leaves of one chunk, by granule.
#[repr(C, align(32))]
struct Chunk {
    leaves: [AtomicPtr<AtomicU16>; 4],
}

#[repr(C)]
struct Node {
    chunks: [Chunk; CHUNKS],
}

impl Node {
    /// The place of a leaf; always there, the index being masked.
    #[inline(always)]
    fn leaf(&self, address: usize, granule: Granule) -> Option<&AtomicPtr<AtomicU16>> {
        self.chunks.get((address >> CHUNK_SHIFT) % CHUNKS)?.leaves.get(granule as usize)
    }
}

static ROOT: [AtomicPtr<Node>; NODES] = [const { AtomicPtr::new(core::ptr::null_mut()) }; NODES];

/// Bytes of address space the map has asked for, for `self_overhead`.
static MAPPED_BYTES: AtomicUsize = AtomicUsize::new(0);

/// Which of the maps a block belongs to: decided by its layout alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Granule {
    /// Blocks of 7 and 8 bytes.
    Word,
    /// Small blocks aligned to 16 and more.
    Quantum,
    /// Blocks of 512 bytes and more, or so aligned.
    Large,
}

/// Smallest block of the large granule.
pub(crate) const LARGE_MIN: usize = 1 << Granule::Large.shift();

impl Granule {
    /// The largest granule that two blocks of this layout cannot share: a block
    /// takes up at least its size, and starts at a multiple of its alignment.
    #[inline(always)]
    pub(crate) const fn of(size: usize, align: usize) -> Self {
        if size >= LARGE_MIN || align >= LARGE_MIN {
            Self::Large
        } else if size >= 16 || align >= 16 {
            Self::Quantum
        } else {
            Self::Word
        }
    }

    #[inline(always)]
    const fn shift(self) -> u32 {
        match self {
            Self::Word => 3,
            Self::Quantum => 4,
            Self::Large => 9,
        }
    }
}

/// The entry of an address, if its leaf exists.
#[inline(always)]
fn entry(address: usize, granule: Granule) -> Option<&'static AtomicU16> {
    // Acquire, here and below: pairs with the Release in `leaf_or_map`.
    let node = ROOT.get(address >> NODE_SHIFT)?.load(Ordering::Acquire);
    if node.is_null() {
        return None;
    }
    // SAFETY: nodes live for ever.
    let leaf = unsafe { &*node }.leaf(address, granule)?.load(Ordering::Acquire);
    if leaf.is_null() {
        return None;
    }
    // SAFETY: a leaf has one entry for every granule of its chunk and lives for
    // ever.
    Some(unsafe { &*leaf.add((address & CHUNK_MASK) >> granule.shift()) })
}

/// Takes the owner of a block out of the map; 0 if it has none.
#[inline]
pub(crate) fn take(block: *const u8, granule: Granule) -> u16 {
    let Some(entry) = entry(block.addr(), granule) else {
        return 0;
    };
    // Relaxed: the block came to this thread from the one that put the owner in,
    // by something that orders the two.
    let owner = entry.load(Ordering::Relaxed);
    if owner != 0 {
        entry.store(0, Ordering::Relaxed);
    }
    owner
}

/// Puts a block's owner into the map if its leaf exists.
#[inline(always)]
pub(crate) fn put_where_mapped(block: *const u8, granule: Granule, owner: u16) -> bool {
    match entry(block.addr(), granule) {
        Some(entry) => {
            // Relaxed: as in `take`.
            entry.store(owner, Ordering::Relaxed);
            true
        }
        None => false,
    }
}

/// Puts a block's owner into the map; false if no memory for it could be had.
#[inline]
pub(crate) fn put(block: *const u8, granule: Granule, owner: u16) -> bool {
    put_where_mapped(block, granule, owner)
        || (map_leaf(block.addr(), granule) && put_where_mapped(block, granule, owner))
}

/// Maps the leaf of an address, and the node above it.
#[cold]
#[inline(never)]
fn map_leaf(address: usize, granule: Granule) -> bool {
    let Some(place) = ROOT.get(address >> NODE_SHIFT) else {
        return false;
    };
    let Some(node) = load_or_map(place, size_of::<Node>()) else {
        return false;
    };
    let bytes = size_of::<AtomicU16>() << (CHUNK_SHIFT - granule.shift());
    // SAFETY: nodes live for ever.
    let leaf = unsafe { &*node }.leaf(address, granule);
    leaf.is_some_and(|leaf| load_or_map(leaf, bytes).is_some())
}

/// The pointer at `place`, mapping zeroed memory for it if it is null.
fn load_or_map<T>(place: &AtomicPtr<T>, bytes: usize) -> Option<*mut T> {
    let there = place.load(Ordering::Acquire);
    if !there.is_null() {
        return Some(there);
    }
    let bytes = bytes.max(os_pages::page_size());
    let fresh = os_pages::map_zeroed(bytes).cast::<T>();
    if fresh.is_null() {
        FAULTS.no_memory_for_tables.raise();
        return None;
    }
    // Release: pairs with the Acquire loads; the zeroes are there first.
    match place.compare_exchange(core::ptr::null_mut(), fresh, Ordering::AcqRel, Ordering::Acquire)
    {
        Ok(_) => {
            MAPPED_BYTES.fetch_add(bytes, Ordering::Relaxed);
            Some(fresh)
        }
        Err(other) => {
            // SAFETY: mapped above with this length, seen by nobody.
            unsafe { os_pages::unmap(fresh.cast(), bytes) };
            Some(other)
        }
    }
}

/// Bytes of address space the map has taken so far.
pub(crate) fn mapped_bytes() -> usize {
    MAPPED_BYTES.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn granules_follow_the_layout() {
        for (size, align, shift) in [
            (7, 1, 3),
            (8, 8, 3),
            (1, 16, 4),
            (300, 16, 4),
            (511, 256, 4),
            (512, 8, 9),
            (8, 1024, 9),
            (1 << 20, 8, 9),
        ] {
            assert_eq!(Granule::of(size, align).shift(), shift, "{size} {align}");
        }
    }

    #[test]
    fn a_taken_owner_is_gone_and_neighbours_stay() {
        let base = 0x6123_4560_0000_usize;
        let granule = Granule::of(64, 16);
        for index in 0..100 {
            let block = core::ptr::without_provenance(base + index * 64);
            assert_eq!(take(block, granule), 0);
            assert!(put(block, granule, index as u16 + 1));
        }
        for index in 0..100 {
            let block = core::ptr::without_provenance(base + index * 64);
            assert_eq!(take(block, granule), index as u16 + 1);
            assert_eq!(take(block, granule), 0);
        }
    }

    #[test]
    fn an_address_beyond_the_map_is_refused() {
        let block = core::ptr::without_provenance(usize::MAX & !4095);
        assert!(!put(block, Granule::of(4096, 8), 7));
        assert_eq!(take(block, Granule::of(4096, 8)), 0);
    }
}
