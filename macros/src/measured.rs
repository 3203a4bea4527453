//! `#[measured]`: what each call took is logged through `tracing`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::meta::ParseNestedMeta;
use syn::parse::Parser;
use syn::{Error, LitStr, Result};

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
    let Options { name, level } = Options::parse(options)?;
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
        quote_spanned!(here=> let _measured = ::heapledger::__private::Site::start(#site); #body)
    };
    Ok(function.into_token_stream())
}

struct Options {
    name: Option<LitStr>,
    level: Ident,
}

impl Options {
    fn parse(options: TokenStream) -> Result<Self> {
        let mut parsed = Self { name: None, level: Ident::new("INFO", Span::call_site()) };
        syn::meta::parser(|option| parsed.set(&option)).parse2(options)?;
        Ok(parsed)
    }

    fn set(&mut self, option: &ParseNestedMeta<'_>) -> Result<()> {
        if option.path.is_ident("name") {
            let name = option.value()?.parse()?;
            check_name(&name)?;
            self.name = Some(name);
        } else if option.path.is_ident("level") {
            let level: LitStr = option.value()?.parse()?;
            if !LEVELS.contains(&&*level.value()) {
                let message = format!("expected one of {}", LEVELS.join(", "));
                return Err(Error::new_spanned(level, message));
            }
            self.level = Ident::new(&level.value().to_uppercase(), level.span());
        } else {
            return Err(
                option.error("unknown option: there are `name = \"…\"` and `level = \"…\"`")
            );
        }
        Ok(())
    }
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
