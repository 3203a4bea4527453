//! `scope!` with a string that is no literal.

use heapledger::scope;

const NAME: &str = "index";

fn main() {
    let _guard = scope!(NAME);
    let _value = scope!(concat!("index", "/postings"), 1 + 1);
    scope!(format!("tenant/{}", 7), drop(vec![1]));
}
