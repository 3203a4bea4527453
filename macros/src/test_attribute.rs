//! `#[test]`: a test with a budget for its memory.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::meta::ParseNestedMeta;
use syn::parse::Parser;
use syn::{Attribute, Error, Lit, LitInt, LitStr, Result, ReturnType, parse_quote};

use crate::function::Function;
use crate::size;

const EXAMPLE: &str = "#[heapledger::test(max_live = \"1MiB\", max_allocs = 10, no_leaks)]";

pub(crate) fn expand(options: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let mut function = Function::parse("test", item)?;
    let budget = Budget::parse(options, &function)?;
    let has_test = function.attributes.iter().any(is_test);
    let here = Span::mixed_site();
    let run = quote_spanned!(here=> ::heapledger::testing::run);
    if function.is_async() {
        if !has_test {
            let message = format!(
                "an `async` test needs a runtime: put its attribute below this one, as in\n\
                 {EXAMPLE}\n\
                 #[tokio::test]\n\
                 async fn {}() {{ … }}",
                function.signature.ident
            );
            return Err(Error::new_spanned(function.signature.asyncness, message));
        }
        let body = function.async_body();
        function.body = quote_spanned!(here=>
            #run::AsyncTest::begin().run(async move { #body }).await.end(&#budget));
    } else {
        if !has_test {
            function.attributes.insert(0, parse_quote!(#[::core::prelude::v1::test]));
        }
        let body = &function.body;
        let output = match &function.signature.output {
            ReturnType::Default => quote!(-> ()),
            output => output.to_token_stream(),
        };
        function.body = quote_spanned!(here=> #run::test(&#budget, || #output { #body }));
    }
    Ok(function.into_token_stream())
}

/// Whether an attribute makes a test of its function: `#[test]`, `#[tokio::test]`.
fn is_test(attribute: &Attribute) -> bool {
    attribute.path().segments.last().is_some_and(|last| last.ident == "test")
}

/// The options, as calls on a `Budget`.
struct Budget(TokenStream);

impl Budget {
    fn parse(options: TokenStream, function: &Function) -> Result<Self> {
        let mut budget = Self(TokenStream::new());
        let mut seen = Vec::new();
        let set = |option: ParseNestedMeta<'_>| {
            let name = option.path.get_ident().map(ToString::to_string).unwrap_or_default();
            if seen.contains(&name) {
                return Err(option.error(format!("`{name}` is there twice")));
            }
            budget.set(&name, &option, function)?;
            seen.push(name);
            Ok(())
        };
        syn::meta::parser(set).parse2(options)?;
        if seen.is_empty() {
            let message = format!("say what the test may use, as in {EXAMPLE}");
            return Err(Error::new(Span::call_site(), message));
        }
        Ok(budget)
    }

    fn set(&mut self, name: &str, option: &ParseNestedMeta<'_>, function: &Function) -> Result<()> {
        let call = match name {
            "max_live" | "max_bytes" => {
                let bytes = bytes(&option.value()?.parse()?)?;
                let method = &option.path;
                quote!(.#method(#bytes))
            }
            "max_allocs" => {
                let count = count(&option.value()?.parse()?)?;
                quote!(.max_allocs(#count))
            }
            "allocs" => {
                let count = count(&option.value()?.parse()?)?;
                quote!(.exact_allocs(#count))
            }
            "no_leaks" => quote!(.no_leaks()),
            "baseline" => {
                let name = if option.input.peek(syn::Token![=]) {
                    let name: LitStr = option.value()?.parse()?;
                    check_baseline(&name)?;
                    name.into_token_stream()
                } else {
                    let ident = function.signature.ident.to_string();
                    quote!(::core::concat!(::core::module_path!(), "::", #ident))
                };
                quote!(.baseline(::core::env!("CARGO_MANIFEST_DIR"), #name))
            }
            _ => {
                return Err(option.error(
                    "expected `max_live`, `max_bytes`, `max_allocs`, `allocs`, `no_leaks` or \
                     `baseline`",
                ));
            }
        };
        self.0.extend(call);
        Ok(())
    }
}

impl ToTokens for Budget {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let calls = &self.0;
        tokens.extend(quote!(::heapledger::testing::Budget::new() #calls));
    }
}

fn bytes(value: &Lit) -> Result<u64> {
    match value {
        Lit::Int(number) => whole(number, size::EXPECTED),
        Lit::Str(text) => size::parse(&text.value())
            .map_err(|problem| Error::new_spanned(value, format!("{problem}; {}", size::EXPECTED))),
        _ => Err(Error::new_spanned(value, size::EXPECTED)),
    }
}

fn count(value: &Lit) -> Result<u64> {
    const EXPECTED: &str = "expected a number of allocations, as in 10";
    match value {
        Lit::Int(number) => whole(number, EXPECTED),
        _ => Err(Error::new_spanned(value, EXPECTED)),
    }
}

fn whole(number: &LitInt, expected: &str) -> Result<u64> {
    number.base10_parse().map_err(|_| Error::new_spanned(number, expected))
}

/// The file's rule for names; here for a message at the right place.
fn check_baseline(name: &LitStr) -> Result<()> {
    let text = name.value();
    if text.is_empty() || text.starts_with('#') || text.contains(char::is_whitespace) {
        let message = "a baseline's name has no spaces, and does not begin with `#`";
        return Err(Error::new_spanned(name, message));
    }
    Ok(())
}
