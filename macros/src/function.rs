//! A function with a body, as the attributes take it apart and put it together.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::token::Brace;
use syn::visit_mut::{VisitMut, visit_type_mut};
use syn::{Attribute, Error, Result, ReturnType, Signature, Token, Type, Visibility, parse_quote};

/// A function or method. The body stays tokens: the compiler explains what is
/// wrong in it better than a second parser.
pub(crate) struct Function {
    pub(crate) attributes: Vec<Attribute>,
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

    /// The body for an `async` block that is awaited in the function.
    ///
    /// The compiler knows what an `async fn` returns before it looks at the body:
    /// `?`, `return` and coercions rely on it. A block learns it from the first
    /// `return` in it, so this one comes first; it is never taken.
    pub(crate) fn async_body(&self) -> TokenStream {
        let body = &self.body;
        let mut output = match &self.signature.output {
            ReturnType::Default => parse_quote!(()),
            ReturnType::Type(_, output) => Type::clone(output),
        };
        if matches!(output, Type::Never(_)) {
            return body.clone();
        }
        ImplTraitIsInferred.visit_type_mut(&mut output);
        quote_spanned! {Span::mixed_site()=>
            if let ::core::option::Option::Some(never) = ::core::option::Option::None::<#output> {
                return never;
            }
            { #body }
        }
    }
}

/// In a body there is no `impl Trait`, but the compiler may work it out: `_`.
struct ImplTraitIsInferred;

impl VisitMut for ImplTraitIsInferred {
    fn visit_type_mut(&mut self, output: &mut Type) {
        match output {
            Type::ImplTrait(_) => *output = parse_quote!(_),
            other => visit_type_mut(self, other),
        }
    }
}

impl ToTokens for Function {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { attributes, visibility, signature, brace, inner_attributes, body } = self;
        tokens.extend(quote!(#(#attributes)* #visibility #signature));
        brace.surround(tokens, |tokens| tokens.extend(quote!(#(#inner_attributes)* #body)));
    }
}
