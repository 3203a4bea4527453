//! What the attributes refuse, and how they say it.
//!
//! The messages are in `refused/*.stderr`; `TRYBUILD=overwrite` writes them anew.

#[test]
fn misuse_is_refused_with_a_message_that_helps() {
    trybuild::TestCases::new().compile_fail("tests/refused/*.rs");
}
