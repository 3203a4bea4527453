//! A function with a body, as the attributes take it apart and put it together.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::parse::{Parse, ParseStream};
use syn::token::Brace;
use syn::{Attribute, Error, Result, Signature, Token, Visibility};

/// A function or method. The body stays tokens: the compiler explains what is
/// wrong in it better than a second parser.
pub(crate) struct Function {
    attributes: Vec<Attribute>,
    visibility: Visibility,
    pub(crate) signature: Signature,
    brace: Brace,
    inner_attributes: Vec<Attribute>,
    pub(crate) body: TokenStream,
}

impl Function {
    /// Parses the item an attribute is on; the message names the attribute.
    pub(crate) fn parse(attribute: &str, item: TokenStream) -> Result<Self> {
        let parse = |input: ParseStream<'_>| Self::parse_item(attribute, input);
        syn::parse::Parser::parse2(parse, item)
    }

    fn parse_item(attribute: &str, input: ParseStream<'_>) -> Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let visibility = input.parse()?;
        let start = input.fork();
        let Ok(signature) = input.parse::<Signature>() else {
            let message = format!("#[heapledger::{attribute}] goes on a function or method");
            return Err(start.error(message));
        };
        if input.peek(Token![;]) {
            let message = format!(
                "this function has no body: put #[heapledger::{attribute}] on the implementation"
            );
            return Err(Error::new_spanned(&signature.ident, message));
        }
        if let Some(keyword) = signature.constness {
            let message = format!(
                "#[heapledger::{attribute}] does not go on a `const fn`: nothing is allocated at \
                 compile time; remove `const`, or use `scope!` in the caller"
            );
            return Err(Error::new_spanned(keyword, message));
        }
        let content;
        let brace = syn::braced!(content in input);
        let inner_attributes = content.call(Attribute::parse_inner)?;
        let body = TokenStream::parse(&content)?;
        Ok(Self { attributes, visibility, signature, brace, inner_attributes, body })
    }

    pub(crate) fn is_async(&self) -> bool {
        self.signature.asyncness.is_some()
    }
}

impl ToTokens for Function {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { attributes, visibility, signature, brace, inner_attributes, body } = self;
        tokens.extend(quote!(#(#attributes)* #visibility #signature));
        brace.surround(tokens, |tokens| tokens.extend(quote!(#(#inner_attributes)* #body)));
    }
}
