//! For tests of which a program has one: they measure the whole process.

/// The thread that started this test may still be noting that it did.
pub fn wait_for_the_harness() {
    let allocated = || heapledger::snapshot().unwrap().counts.allocated_bytes;
    let mut before = u64::MAX;
    while before != allocated() {
        before = allocated();
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
