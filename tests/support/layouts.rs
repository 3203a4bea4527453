//! Layouts from every regime of the allocator, and their limits most of all.

use core::alloc::Layout;

use super::random::Random;

/// The ways in which the allocator treats a layout, by the sizes and alignments
/// that its documentation gives; not taken from its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Regime {
    /// 1–6 bytes.
    Tiny,
    /// 7 and 8 bytes.
    Word,
    /// 9–511 bytes.
    Small,
    /// 512 bytes and more.
    Large,
    /// A megabyte and more: the backend maps pages for it.
    Huge,
    /// Aligned to 16 and more, less than 512 bytes and alignment.
    Aligned,
    /// Aligned to 16 and more, 512 bytes or alignment, and more.
    AlignedLarge,
}

pub const REGIMES: [Regime; 7] = [
    Regime::Tiny,
    Regime::Word,
    Regime::Small,
    Regime::Large,
    Regime::Huge,
    Regime::Aligned,
    Regime::AlignedLarge,
];

impl Regime {
    /// The sizes next to the limits, where an error by one shows.
    pub const fn edge_sizes(self) -> &'static [usize] {
        match self {
            Self::Tiny => &[1, 2, 5, 6],
            Self::Word => &[7, 8],
            Self::Small => &[9, 15, 16, 17, 24, 496, 503, 504, 505, 510, 511],
            Self::Large => &[512, 513, 519, 520, 4095, 4096, 4097],
            Self::Huge => &[(1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20],
            Self::Aligned => &[1, 6, 7, 8, 9, 15, 16, 17, 255, 511],
            Self::AlignedLarge => &[1, 8, 511, 512, 513, 4096, 5000],
        }
    }

    /// The alignments that keep any of the sizes in the regime.
    pub const fn alignments(self) -> &'static [usize] {
        match self {
            Self::Tiny | Self::Word | Self::Small | Self::Large | Self::Huge => &[1, 2, 4, 8],
            Self::Aligned => &[16, 32, 64, 128, 256],
            Self::AlignedLarge => &[512, 1024, 4096],
        }
    }

    /// A size of the regime: next to a limit half of the time.
    pub fn size(self, random: &mut Random) -> usize {
        if random.chance(1, 2) {
            return random.pick(self.edge_sizes());
        }
        match self {
            Self::Tiny => random.within(1, 6),
            Self::Word => random.within(7, 8),
            Self::Small => random.within(9, 511),
            // Most of them small: the square of a uniform number.
            Self::Large => 512 + random.below(256).pow(2) * random.below(256) / 256,
            Self::Huge => random.within(1 << 20, 4 << 20),
            Self::Aligned => random.within(1, 511),
            Self::AlignedLarge => random.within(1, 8192),
        }
    }
}

/// A layout as programs ask for: small ones most of the time.
pub fn random_layout(random: &mut Random) -> Layout {
    let regime = random_regime(random);
    let (size, align) = (regime.size(random), random.pick(regime.alignments()));
    Layout::from_size_align(size, align).expect("a valid layout")
}

/// A new size for a `realloc` at this alignment: of any regime.
pub fn random_size(random: &mut Random) -> usize {
    random_regime(random).size(random)
}

fn random_regime(random: &mut Random) -> Regime {
    match random.below(4000) {
        0..1000 => Regime::Tiny,
        1000..1500 => Regime::Word,
        1500..3100 => Regime::Small,
        3100..3500 => Regime::Large,
        3500..3501 => Regime::Huge,
        3501..3850 => Regime::Aligned,
        _ => Regime::AlignedLarge,
    }
}
