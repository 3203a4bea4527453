//! What the ledger says about the tags of a test, since the test began.

use core::alloc::{GlobalAlloc, Layout};
use std::sync::OnceLock;

use heapledger::{Counts, ScopeGuard, Tag, TagId, read_tag};

use super::model::{Model, Owner};

/// The tags of a test; owner 0 is everything outside a scope.
pub struct Ledger {
    tags: Vec<Tag>,
    start: Vec<Counts>,
}

/// The tags of all tests: those whose numbers fit into a byte, and as many around
/// and above 255, the last of which all tests use.
struct Tags {
    low: Vec<Tag>,
    high: Vec<Tag>,
}

const TAGS_EACH: usize = 24;
const FILLED: u16 = 240;

impl Tags {
    fn get() -> &'static Self {
        static TAGS: OnceLock<Tags> = OnceLock::new();
        TAGS.get_or_init(|| {
            let low = family("low");
            let full = |n| register(&format!("filler/{n}")).id().get() >= FILLED;
            assert!((0..FILLED).any(full));
            Self { low, high: family("high") }
        })
    }
}

fn family(name: &str) -> Vec<Tag> {
    (0..TAGS_EACH).map(|n| register(&format!("{name}/{}/{n}", n % 3))).collect()
}

fn register(name: &str) -> Tag {
    Tag::register(name).expect("room for the tags of a test")
}

impl Ledger {
    /// Tags for `owners` owners (the first stands for untagged), half of them with
    /// numbers about 255 or above, and where their counts stand.
    pub fn new(allocator: &impl GlobalAlloc, owners: usize) -> Self {
        // Readings are errors before the allocator has served anything.
        let layout = Layout::new::<u64>();
        // SAFETY: the size is not 0; the block is freed with its layout.
        unsafe { allocator.dealloc(allocator.alloc(layout), layout) };
        let Tags { low, high } = Tags::get();
        // The first high one is well above 255, the others begin below it.
        let tags = (1..owners)
            .map(|n| if n % 2 == 0 { &high[high.len() - n / 2] } else { &low[n / 2] })
            .cloned()
            .collect();
        let mut ledger = Self { tags, start: Vec::new() };
        ledger.start = (0..owners).map(|owner| ledger.read(owner)).collect();
        ledger
    }

    pub fn owners(&self) -> usize {
        self.start.len()
    }

    pub fn id(&self, owner: Owner) -> TagId {
        match owner {
            0 => TagId::UNTAGGED,
            _ => self.tags[owner - 1].id(),
        }
    }

    /// Makes an owner current; not for 0, outside is where no scope is.
    pub fn enter(&self, owner: Owner) -> ScopeGuard {
        self.tags[owner - 1].enter()
    }

    /// Runs `body` under an owner; for 0 as it is, which must be outside.
    pub fn run<R>(&self, owner: Owner, body: impl FnOnce() -> R) -> R {
        let _scope = (owner != 0).then(|| self.enter(owner));
        body()
    }

    /// The counts of one owner since the test began.
    pub fn counts(&self, owner: Owner) -> Counts {
        self.read(owner).since(&self.start[owner])
    }

    /// Compares every owner with the model: bytes and blocks, live and totals.
    ///
    /// # Panics
    ///
    /// If one differs.
    pub fn assert_equals(&self, model: &Model, when: &str) {
        for (owner, expected) in model.counts().into_iter().enumerate() {
            let counts = self.counts(owner);
            assert!(
                counts == expected,
                "the ledger differs from the model, {when}, owner {owner} ({:?}):\n \
                 ledger {counts:?}\n  model {expected:?}",
                self.id(owner),
            );
        }
    }

    fn read(&self, owner: Owner) -> Counts {
        read_tag(self.id(owner)).expect("an installed allocator").own
    }
}
