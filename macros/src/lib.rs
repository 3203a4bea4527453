//! The attributes of heapledger, which re-exports and documents them: use
//! `heapledger` with its feature `macros`, not this crate.
//!
//! Entry points only; each attribute is a module of its own.

mod function;
mod measured;
mod scoped;
mod size;
mod tag;
mod test_attribute;

use proc_macro::TokenStream;

// Documented where heapledger re-exports them, so that the examples compile there.

#[allow(missing_docs)]
#[proc_macro_attribute]
pub fn scoped(options: TokenStream, item: TokenStream) -> TokenStream {
    or_explain(&item, scoped::expand(options.into(), item.clone().into()))
}

#[allow(missing_docs)]
#[proc_macro_attribute]
pub fn measured(options: TokenStream, item: TokenStream) -> TokenStream {
    let can_log = cfg!(feature = "tracing");
    or_explain(&item, measured::expand(options.into(), item.clone().into(), can_log))
}

#[allow(missing_docs)]
#[proc_macro_attribute]
pub fn test(options: TokenStream, item: TokenStream) -> TokenStream {
    or_explain(&item, test_attribute::expand(options.into(), item.clone().into()))
}

/// The item stays beside the message: nobody wants to read that it is missing, too.
fn or_explain(item: &TokenStream, expanded: syn::Result<proc_macro2::TokenStream>) -> TokenStream {
    expanded.map(TokenStream::from).unwrap_or_else(|error| {
        let mut tokens = TokenStream::from(error.to_compile_error());
        tokens.extend(item.clone());
        tokens
    })
}
