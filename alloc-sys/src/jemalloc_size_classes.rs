//! jemalloc's counts by size class.

use core::ffi::{CStr, c_void};
use core::ptr::null_mut;

use tikv_jemalloc_sys as je;

use crate::SizeClass;

/// A family of size classes: the controls that tell about it. In each name but the
/// first, the number that is 0 here is the class's.
pub(super) struct Family {
    len: &'static CStr,
    block_bytes: Control,
    live_blocks: Control,
    allocated_blocks: Control,
}

/// A control with a class's number at one place of its name.
struct Control {
    name: &'static CStr,
    class_at: usize,
}

/// Classes whose blocks share pages.
pub(super) const SMALL: Family = Family {
    len: c"arenas.nbins",
    block_bytes: Control { name: c"arenas.bin.0.size", class_at: 2 },
    // 4096 is MALLCTL_ARENAS_ALL: every arena there is.
    live_blocks: Control { name: c"stats.arenas.4096.bins.0.curregs", class_at: 4 },
    allocated_blocks: Control { name: c"stats.arenas.4096.bins.0.nmalloc", class_at: 4 },
};

/// Classes whose blocks have pages of their own.
pub(super) const LARGE: Family = Family {
    len: c"arenas.nlextents",
    block_bytes: Control { name: c"arenas.lextent.0.size", class_at: 2 },
    live_blocks: Control { name: c"stats.arenas.4096.lextents.0.curlextents", class_at: 4 },
    allocated_blocks: Control { name: c"stats.arenas.4096.lextents.0.nmalloc", class_at: 4 },
};

/// The longest name above has six parts.
const PARTS_MAX: usize = 8;

impl Family {
    pub(super) fn tell(&self, tell: &mut dyn FnMut(SizeClass)) -> Option<()> {
        let block_bytes = self.block_bytes.resolve()?;
        let live_blocks = self.live_blocks.resolve()?;
        let allocated_blocks = self.allocated_blocks.resolve()?;
        for class in 0..u32::try_from(len(self.len)?).ok()? {
            tell(SizeClass {
                block_bytes: block_bytes.read(class)?,
                live_blocks: live_blocks.read(class)?,
                allocated_blocks: allocated_blocks.read(class)?,
            });
        }
        Some(())
    }
}

/// A control's name as numbers.
struct Resolved {
    parts: [usize; PARTS_MAX],
    len: usize,
    class_at: usize,
}

impl Control {
    fn resolve(&self) -> Option<Resolved> {
        let mut parts = [0; PARTS_MAX];
        let mut len = PARTS_MAX;
        // SAFETY: the name is a C string, `parts` has room for `len` numbers.
        let error =
            unsafe { je::mallctlnametomib(self.name.as_ptr(), parts.as_mut_ptr(), &raw mut len) };
        (error == 0).then_some(Resolved { parts, len, class_at: self.class_at })
    }
}

impl Resolved {
    fn read(&self, class: u32) -> Option<u64> {
        let mut parts = self.parts;
        *parts.get_mut(self.class_at)? = class as usize;
        let mut value = 0_u64;
        let mut bytes = size_of::<u64>();
        // SAFETY: the first `len` parts name a control; it writes at most `bytes`
        // to `value`. Every one of them is 8 bytes on a 64-bit target; elsewhere the
        // shorter ones are refused, for the size is checked.
        let error = unsafe {
            je::mallctlbymib(
                parts.as_ptr(),
                self.len,
                (&raw mut value).cast::<c_void>(),
                &raw mut bytes,
                null_mut(),
                0,
            )
        };
        (error == 0).then_some(value)
    }
}

/// How many classes there are.
fn len(name: &CStr) -> Option<u64> {
    let mut value = 0_u32;
    let mut bytes = size_of::<u32>();
    // SAFETY: the name is a C string; the control writes an `unsigned` to `value`.
    let error = unsafe {
        je::mallctl(name.as_ptr(), (&raw mut value).cast::<c_void>(), &raw mut bytes, null_mut(), 0)
    };
    (error == 0).then_some(u64::from(value))
}
