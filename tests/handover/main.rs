//! Hazard 31, on the runtimes and pools that programs use: work that travels owns
//! what it allocates, to the byte, wherever it runs and however it ends.
//!
//! Each test has tags of its own, so they may run beside each other. Runtimes and
//! pools are shut down before their tags are read: what a task leaves in them (a
//! queue that it made grow, a thread that was started for it) is its own until then.
//!
//! Seen to fail: with each `in_scope`, `wrap` and `run` of `src/handover` taken out.

mod crossbeam;
mod rayon;
mod rayon_iter;
mod streams;
mod tokio;
mod tokio_reach;

use std::sync::Mutex;

use heapledger::Tag;

#[global_allocator]
static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();

fn buffer(bytes: usize) -> Vec<u8> {
    Vec::with_capacity(bytes)
}

/// Live bytes and blocks of a tag itself.
fn live(name: &str) -> (u64, u64) {
    let tag = Tag::register(name).expect("a valid name");
    let own = tag.read().expect("an installed allocator").own;
    (own.live_bytes(), own.live_blocks())
}

/// Tags, and blocks that were made for them, to compare with what the ledger says.
struct Expected {
    tags: Vec<Tag>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    blocks: Vec<Vec<u8>>,
    /// Bytes and blocks, for each tag.
    counts: Vec<(u64, u64)>,
}

impl Expected {
    /// As many tags, and room for as many blocks, so that keeping allocates nothing.
    fn new(name: &str, tags: usize, blocks: usize) -> Self {
        let tags: Vec<Tag> = (0..tags)
            .map(|number| Tag::register(&format!("{name}/{number}")).expect("there is room"))
            .collect();
        let kept = Kept { blocks: Vec::with_capacity(blocks), counts: vec![(0, 0); tags.len()] };
        Self { tags, kept: Mutex::new(kept) }
    }

    fn tag(&self, number: usize) -> &Tag {
        &self.tags[number % self.tags.len()]
    }

    /// Makes a block in whatever scope is current, which has to be this tag's.
    fn keep(&self, number: usize, bytes: usize) {
        let block = buffer(bytes);
        let mut kept = self.kept.lock().expect("nobody panics in here");
        assert!(kept.blocks.len() < kept.blocks.capacity(), "the test made too little room");
        kept.blocks.push(block);
        let (tag_bytes, tag_blocks) = &mut kept.counts[number % self.tags.len()];
        *tag_bytes += bytes as u64;
        *tag_blocks += 1;
    }

    /// That each tag holds what was kept for it, and nothing once that is gone.
    /// Returns how many blocks there were.
    fn check(&self) -> u64 {
        let kept = std::mem::take(&mut *self.kept.lock().expect("as above"));
        for (tag, expected) in self.tags.iter().zip(&kept.counts) {
            assert_eq!(live(tag.name()), *expected, "{tag}");
        }
        drop(kept.blocks);
        for tag in &self.tags {
            assert_eq!(live(tag.name()), (0, 0), "{tag}");
        }
        kept.counts.iter().map(|(_, blocks)| blocks).sum()
    }
}

/// Keeps a block when it is dropped.
struct Will<'a> {
    expected: &'a Expected,
    number: usize,
    bytes: usize,
}

impl Drop for Will<'_> {
    fn drop(&mut self) {
        self.expected.keep(self.number, self.bytes);
    }
}
