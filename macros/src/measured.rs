//! `#[measured]`: what each call took is logged through `tracing`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::{Error, LitStr, Result, Token};

use crate::function::Function;
use crate::tag::check_name;

const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// `can_log`: whether heapledger was built with what the expansion names.
pub(crate) fn expand(
    options: TokenStream,
    item: TokenStream,
    can_log: bool,
) -> Result<TokenStream> {
    let mut function = Function::parse("measured", item)?;
    let Options { name, level } = syn::parse2(options)?;
    if !can_log {
        return Err(Error::new(
            Span::call_site(),
            "#[heapledger::measured] logs through `tracing`: turn on heapledger's feature `tracing`",
        ));
    }
    let name = name.map_or_else(
        || {
            let ident = function.signature.ident.to_string();
            let ident = ident.trim_start_matches("r#");
            quote!(::core::concat!(::core::module_path!(), "::", #ident))
        },
        LitStr::into_token_stream,
    );
    let level = level.unwrap_or_else(|| Ident::new("INFO", Span::call_site()));
    let here = Span::mixed_site();
    // The `static` in a block of its own: the body must not see its name.
    let site = quote_spanned! {here=> {
        static SITE: ::heapledger::__private::Site = ::heapledger::__private::Site::new(
            #name,
            ::heapledger::__private::Level::#level,
        );
        &SITE
    }};
    function.body = if function.is_async() {
        let body = function.async_body();
        quote_spanned!(here=> ::heapledger::__private::Site::future(#site, async move { #body }).await)
    } else {
        let body = &function.body;
        quote_spanned!(here=> let _measured = ::heapledger::__private::Site::start(#site); { #body })
    };
    Ok(function.into_token_stream())
}

#[derive(Default)]
struct Options {
    name: Option<LitStr>,
    level: Option<Ident>,
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        const EXPECTED: &str = "expected `name = \"…\"` or `level = \"…\"`";
        let mut options = Self::default();
        while !input.is_empty() {
            let start = input.fork();
            let expected = || start.error(EXPECTED);
            let option: Ident = input.parse().map_err(|_| expected())?;
            input.parse::<Token![=]>().map_err(|_| Error::new_spanned(&option, EXPECTED))?;
            let value: LitStr = input.parse()?;
            let is_new = if option == "name" {
                check_name(&value)?;
                options.name.replace(value).is_none()
            } else if option == "level" {
                options.level.replace(level(&value)?).is_none()
            } else {
                return Err(expected());
            };
            if !is_new {
                return Err(Error::new_spanned(&option, format!("`{option}` is given twice")));
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(options)
    }
}

/// The constant of `tracing::Level`.
fn level(value: &LitStr) -> Result<Ident> {
    if !LEVELS.contains(&&*value.value()) {
        return Err(Error::new_spanned(value, format!("expected one of {}", LEVELS.join(", "))));
    }
    Ok(Ident::new(&value.value().to_uppercase(), value.span()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_tracing_it_says_which_feature_is_missing() {
        let function = quote!(
            fn f() {}
        );
        assert!(expand(TokenStream::new(), function.clone(), true).is_ok());
        let error = expand(TokenStream::new(), function, false).unwrap_err();
        assert!(error.to_string().contains("feature `tracing`"), "{error}");
    }
}
