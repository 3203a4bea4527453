#[heapledger::scoped("index\n")]
async fn work() {}

fn main() {}
