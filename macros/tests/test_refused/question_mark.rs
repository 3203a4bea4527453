// The expression is a closure's body: `?` would leave the closure only.
fn question_mark() -> Result<(), std::num::ParseIntError> {
    let _number: i32 = heapledger::assert_allocs!(<= 3, "1".parse::<i32>()?);
    Ok(())
}

fn main() {}
