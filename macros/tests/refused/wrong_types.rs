#[heapledger::scoped("index")]
async fn tail() -> u32 {
    "text"
}

#[heapledger::scoped("index")]
async fn early(now: bool) -> u32 {
    if now {
        return "text";
    }
    1
}

fn main() {}
