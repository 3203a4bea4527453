fn forms() {
    heapledger::assert_allocs!(3, vec![1]);
    heapledger::assert_peak!(64, vec![1]);
    heapledger::assert_no_growth!(1000, vec![1]);
}

fn main() {}
