//! Who counts a thread's work beside the ledger: a test, an observation, or nobody.

#[cfg(feature = "testing")]
use crate::alloc::local::local;
#[cfg(feature = "testing")]
use crate::ledger::observer::ObserverId;

use super::Carried;

/// Whose the thread was before; puts it back.
#[cfg(feature = "testing")]
#[derive(Debug)]
pub(crate) struct ObserverBefore(ObserverId);

#[cfg(feature = "testing")]
impl ObserverBefore {
    #[inline]
    pub(super) fn change_to(observer: ObserverId) -> Self {
        let local = local();
        let before = local.observer();
        if observer != before && observer != ObserverId::ANY {
            local.observe(observer);
        }
        Self(before)
    }
}

#[cfg(feature = "testing")]
impl Drop for ObserverBefore {
    #[inline(always)]
    fn drop(&mut self) {
        let local = local();
        if local.observer() != self.0 {
            local.observe(self.0);
        }
    }
}

/// The tag that is current, and no observer: for what others allocate for the work
/// and free when it is nobody's any more, such as `std` for a thread. Counted, it
/// would look like a leak, or hide one.
///
/// Nothing at all without the feature `testing`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unobserved;

impl Carried for Unobserved {
    #[cfg(feature = "testing")]
    type Guard<'a> = ObserverBefore;
    #[cfg(not(feature = "testing"))]
    type Guard<'a> = ();

    #[inline]
    fn enter(&self) -> Self::Guard<'_> {
        #[cfg(feature = "testing")]
        ObserverBefore::change_to(ObserverId::NONE)
    }
}
