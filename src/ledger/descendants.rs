//! The tags below a tag: a set of ids that fits on the stack.

use super::TAGS_MAX;
use super::read::tags_len;
use super::registry::Reading;

/// A bit for every tag whose parent, or parent's parent, … is the one asked for.
pub(crate) struct Descendants([u64; TAGS_MAX / 64]);

impl Descendants {
    /// Walks up from every tag there is. A child's id may be lower than its
    /// parent's (a spare id is used again), so there is no shorter order.
    pub(crate) fn of(reading: &Reading, id: u16) -> Self {
        let mut bits = [0; TAGS_MAX / 64];
        // Names have levels above the last one, and only the last one is short-lived.
        let candidates = if reading.life(id).is_short() { 0 } else { tags_len() };
        for candidate in 0..candidates as u16 {
            if reading.ancestors(candidate).any(|ancestor| ancestor == id)
                && let Some(word) = bits.get_mut(candidate as usize / 64)
            {
                *word |= 1 << (candidate % 64);
            }
        }
        Self(bits)
    }

    /// The ids, in ascending order.
    pub(crate) fn ids(&self) -> impl Iterator<Item = u16> {
        self.0.iter().enumerate().flat_map(|(index, &word)| {
            let mut left = word;
            core::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros())?;
                left &= left.wrapping_sub(1);
                Some(index as u16 * 64 + bit as u16)
            })
        })
    }
}
