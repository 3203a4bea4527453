//! How many objects a pool has from the beginning.

use super::PoolError;

#[derive(Clone, Copy)]
pub(super) enum Prefill {
    Objects(u64),
    /// Of the pool's limit.
    Fraction(f64),
}

impl Prefill {
    pub(super) const NONE: Self = Self::Objects(0);

    /// So many objects, in a pool with this limit.
    pub(super) fn of(self, limit: Option<u64>) -> Result<u64, PoolError> {
        // 0.29 of 100 is 28.999… in binary, and 29 to whoever says it.
        const SLACK: f64 = 1.0 + 4.0 * f64::EPSILON;
        match (self, limit) {
            (Self::Objects(objects), _) => Ok(objects),
            (Self::Fraction(of), Some(limit)) if (0.0..=1.0).contains(&of) => {
                Ok(((limit as f64 * of * SLACK) as u64).min(limit))
            }
            (Self::Fraction(fraction), _) => Err(PoolError::Prefill { fraction }),
        }
    }
}
