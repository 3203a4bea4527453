//! The attributes of heapledger, which re-exports and documents them: use
//! `heapledger` with its feature `macros`, not this crate.
//!
//! Entry points only; each attribute is a module of its own.

mod function;
mod scoped;

use proc_macro::TokenStream;

#[allow(missing_docs)] // Documented where heapledger re-exports it.
#[proc_macro_attribute]
pub fn scoped(options: TokenStream, item: TokenStream) -> TokenStream {
    scoped::expand(options.into(), item.into())
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}
