#[heapledger::scoped("index")]
const fn scoped() {}

#[heapledger::measured]
const fn measured() {}

fn main() {}
