#[heapledger::scoped("index")]
struct Index;

#[heapledger::scoped("index")]
impl Index {}

#[heapledger::scoped("index")]
mod index {}

#[heapledger::measured]
static INDEX: u8 = 1;

fn main() {}
