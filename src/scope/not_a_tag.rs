//! What `scope!` says to who gives it a name that is no literal.

/// In scope where [`scope!`](crate::scope) enters a tag, so that a string has a method
/// of that name: one that nothing can call, and that says what to write instead.
pub trait NotATag {
    #[doc(hidden)]
    fn enter(&self)
    where
        Self: IsATag,
    {
    }
}

impl NotATag for str {}

#[diagnostic::on_unimplemented(
    message = "`scope!` takes a name that is a literal, or a tag; this is another string",
    label = "not a literal",
    note = "for a constant: `static TAG: Tag = Tag::new(NAME);`, then `scope!(TAG, …)`",
    note = "for a name that is known at run time only: `let tag = Tag::register(&name)?;`, then `scope!(tag, …)`"
)]
pub trait IsATag {}
