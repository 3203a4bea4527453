//! `#[scoped]`: the whole function runs under a tag.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::{Error, Result};

use crate::function::Function;

pub(crate) fn expand(options: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let mut function = Function::parse("scoped", item)?;
    if function.is_async() {
        return Err(Error::new_spanned(function.signature.asyncness, "async fn: not yet"));
    }
    let body = &function.body;
    function.body = quote_spanned! {Span::mixed_site()=>
        let _scope = ::heapledger::scope!(#options);
        #body
    };
    Ok(function.into_token_stream())
}
