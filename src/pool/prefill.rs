//! How many objects a pool has from the beginning.

use super::PoolError;
use super::terms::UNLIMITED;

#[derive(Clone, Copy)]
pub(super) enum Prefill {
    Objects(u64),
    /// Of the pool's limit.
    Fraction(f64),
}

impl Prefill {
    pub(super) const NONE: Self = Self::Objects(0);

    /// So many objects.
    pub(super) fn of(self, limit: u64) -> Result<u64, PoolError> {
        match self {
            Self::Objects(objects) => Ok(objects),
            Self::Fraction(of) if limit != UNLIMITED && (0.0..=1.0).contains(&of) => {
                Ok((limit as f64 * of) as u64)
            }
            Self::Fraction(fraction) => Err(PoolError::Prefill { fraction }),
        }
    }
}
