//! A panic's exception object, which has to be aligned to more than it asks for.
//!
//! std allocates it as 56 bytes aligned to 8 and hands it to the unwinder as an
//! `_Unwind_Exception`, which the C++ ABI aligns to 16. LLVM's unwinder on x86-64
//! writes to it with an instruction that faults where it is not: a panic in a scope was
//! a segmentation fault on musl, because a block with a header starts at 8 modulo 16,
//! and every `malloc` gives 0. So there, blocks of this size are allocated without a
//! header, outside of all scopes, while a panic is under way. GCC's unwinder writes
//! eight bytes at a time (seen in libgcc 12.2 and 14.2): where it is, nothing is done.

/// `panic_unwind`'s `Exception` on 64-bit targets: the unwinder's 32 bytes, a canary,
/// a boxed payload.
const EXCEPTION_BYTES: usize = 56;

/// Whether the unwinder insists.
const IS_STRICT: bool = cfg!(all(target_arch = "x86_64", not(target_env = "gnu")));

/// Whether a block of this size may be an exception object.
#[inline(always)]
pub(super) fn may_be_exception(size: usize) -> bool {
    // An atomic load; where any thread panics, a thread-local one without destructor.
    IS_STRICT && size == EXCEPTION_BYTES && std::thread::panicking()
}
