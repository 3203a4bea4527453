//! `#[scoped]`: the whole function runs under a tag.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::Result;

use crate::function::Function;
use crate::tag::TagOption;

pub(crate) fn expand(options: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let mut function = Function::parse("scoped", item)?;
    let tag = match syn::parse2(options)? {
        TagOption::Name(name) => name.into_token_stream(),
        TagOption::Static(path) => path.into_token_stream(),
    };
    let here = Span::mixed_site();
    function.body = if function.is_async() {
        let body = function.async_body();
        quote_spanned!(here=> ::heapledger::scope!(#tag, async move { #body }).await)
    } else {
        let body = &function.body;
        quote_spanned!(here=> let _scope = ::heapledger::scope!(#tag); #body)
    };
    Ok(function.into_token_stream())
}
