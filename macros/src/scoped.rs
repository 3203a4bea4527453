//! `#[scoped]`: the whole function runs under a tag.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::Result;
use syn::spanned::Spanned;

use crate::function::Function;
use crate::tag::TagOption;

pub(crate) fn expand(options: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let mut function = Function::parse("scoped", item)?;
    let here = Span::mixed_site();
    let tag = match syn::parse2(options)? {
        // The `static` in a block of its own: the body must not see its name.
        TagOption::Name(name) => quote_spanned! {here=> {
            static SITE: ::heapledger::Tag = ::heapledger::Tag::new(#name);
            &SITE
        }},
        // By a variable, so that a wrong type is said of what was written.
        TagOption::Static(path) => {
            let tag = quote_spanned!(path.span().resolved_at(here)=> &#path);
            quote_spanned!(here=> { let tag: &::heapledger::Tag = #tag; tag })
        }
    };
    function.body = if function.is_async() {
        let body = function.async_body();
        quote_spanned!(here=> ::heapledger::InScope::in_scope(async move { #body }, #tag).await)
    } else {
        let body = &function.body;
        quote_spanned!(here=> let _scope = ::heapledger::Tag::enter(#tag); { #body })
    };
    Ok(function.into_token_stream())
}
