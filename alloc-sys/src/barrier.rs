//! A memory barrier that one side pays for both: for protocols with a side that
//! runs all the time and one that hardly ever does.
//!
//! Whoever runs all the time writes, calls [`light`] (which only the compiler
//! sees) and reads; the rare side writes, calls [`heavy`] and reads. At least one
//! of the two then sees what the other wrote, as with a sequentially consistent
//! fence on both sides. (Linux: `membarrier`, private and expedited.)

use core::sync::atomic::{Ordering, compiler_fence};

/// The cheap side: no instruction at all.
#[inline(always)]
pub fn light() {
    compiler_fence(Ordering::SeqCst);
}

/// The dear side: every running thread of the process passes a full barrier.
///
/// False where the system cannot do that; then nothing happened, and the rare side
/// must leave alone what the other one uses.
///
/// # Cost
///
/// A system call that interrupts the other processors on which the process runs:
/// microseconds. The first call also announces the process to the kernel.
#[cold]
pub fn heavy() -> bool {
    #[cfg(target_os = "linux")]
    {
        const EXPEDITED: libc::c_int = 1 << 3;
        const REGISTER: libc::c_int = 1 << 4;
        membarrier(EXPEDITED) || (membarrier(REGISTER) && membarrier(EXPEDITED))
    }
    #[cfg(not(target_os = "linux"))]
    false
}

#[cfg(target_os = "linux")]
fn membarrier(command: libc::c_int) -> bool {
    // SAFETY: a system call without pointers; an unknown command is refused.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use core::sync::atomic::{AtomicU32, AtomicU64};

    use super::*;

    /// Dekker's entrance: without barriers both sides find the other one out now
    /// and then.
    #[test]
    fn one_of_both_sides_sees_the_other() {
        assert!(heavy(), "the kernel has membarrier");
        let (often, rare) = (AtomicU64::new(0), AtomicU64::new(0));
        let (seen_by_often, seen_by_rare) = (AtomicU64::new(0), AtomicU64::new(0));
        let turn = AtomicU32::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for round in 1..=20_000 {
                    while turn.load(Ordering::Acquire) != round {
                        core::hint::spin_loop();
                    }
                    often.store(u64::from(round), Ordering::Relaxed);
                    light();
                    seen_by_often.store(rare.load(Ordering::Relaxed), Ordering::Relaxed);
                    turn.store(0, Ordering::Release);
                }
            });
            for round in 1..=20_000_u32 {
                turn.store(round, Ordering::Release);
                rare.store(u64::from(round), Ordering::Relaxed);
                assert!(heavy());
                seen_by_rare.store(often.load(Ordering::Relaxed), Ordering::Relaxed);
                while turn.load(Ordering::Acquire) != 0 {
                    core::hint::spin_loop();
                }
                let seen = [&seen_by_often, &seen_by_rare].map(|it| it.load(Ordering::Relaxed));
                assert!(seen.contains(&u64::from(round)), "round {round}: both missed the other");
            }
        });
    }
}
