#[heapledger::test(no_leaks, no_leaks)]
fn twice() {}

fn main() {}
