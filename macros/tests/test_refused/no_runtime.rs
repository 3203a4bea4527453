#[heapledger::test(no_leaks)]
async fn has_no_runtime() {}

fn main() {}
