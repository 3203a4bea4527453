//! The attributes of heapledger, which re-exports and documents them: use
//! `heapledger` with its feature `macros`, not this crate.
//!
//! Entry points only; each attribute is a module of its own.

mod function;
mod measured;
mod scoped;
mod tag;

use proc_macro::TokenStream;

// Documented where heapledger re-exports them, so that the examples compile there.

#[allow(missing_docs)]
#[proc_macro_attribute]
pub fn scoped(options: TokenStream, item: TokenStream) -> TokenStream {
    or_explain(scoped::expand(options.into(), item.into()))
}

#[allow(missing_docs)]
#[proc_macro_attribute]
pub fn measured(options: TokenStream, item: TokenStream) -> TokenStream {
    let can_log = cfg!(feature = "tracing");
    or_explain(measured::expand(options.into(), item.into(), can_log))
}

fn or_explain(expanded: syn::Result<proc_macro2::TokenStream>) -> TokenStream {
    expanded.unwrap_or_else(|error| error.to_compile_error()).into()
}
