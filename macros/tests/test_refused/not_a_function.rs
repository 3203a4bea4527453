#[heapledger::test(no_leaks)]
struct Budget;

fn main() {}
