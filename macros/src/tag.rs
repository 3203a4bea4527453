//! What an attribute says about a tag: its name, or the path of a `static`.

use proc_macro2::Span;
use syn::parse::{Parse, ParseStream};
use syn::{Error, LitStr, Path, Result};

/// `"name"` or `path::to::TAG`.
pub(crate) enum TagOption {
    Name(LitStr),
    Static(Path),
}

impl Parse for TagOption {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        const EXPECTED: &str = "expected a name in quotes, as in #[heapledger::scoped(\"index\")], \
                                or the path of a `static` heapledger::Tag";
        if input.is_empty() {
            return Err(Error::new(Span::call_site(), EXPECTED));
        }
        let option = if input.peek(LitStr) {
            let name = input.parse()?;
            check_name(&name)?;
            Self::Name(name)
        } else {
            let start = input.fork();
            Self::Static(input.parse().map_err(|_| start.error(EXPECTED))?)
        };
        if input.is_empty() { Ok(option) } else { Err(input.error(EXPECTED)) }
    }
}

/// The ledger's rule for names; here for a message at the right place.
pub(crate) fn check_name(name: &LitStr) -> Result<()> {
    explain(&name.value()).map_err(|problem| Error::new_spanned(name, problem))
}

fn explain(name: &str) -> std::result::Result<(), String> {
    if name.is_empty() {
        return Err("a tag name needs at least one character".into());
    }
    if name.len() > 120 {
        let bytes = name.len();
        return Err(format!("a tag name may have 120 bytes, this one has {bytes}: shorten it"));
    }
    if name.starts_with('(') {
        return Err("a tag name may not begin with a parenthesis: remove it".into());
    }
    if name.chars().any(char::is_control) {
        return Err("a tag name may not hold control characters: remove them".into());
    }
    if name.contains(['"', '\'', '\\', '`']) {
        return Err("a tag name may not hold quotes or backslashes: remove them".into());
    }
    if name.split('/').any(str::is_empty) {
        return Err("a tag name may not have an empty level: write \"parent/child\"".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same names as the ledger accepts, or what compiles here fails there.
    #[test]
    fn the_rule_is_the_ledgers() {
        let long = "é".repeat(60);
        let mut names: Vec<String> = (0..=0x100)
            .filter_map(char::from_u32)
            .flat_map(|c| [c.to_string(), format!("a{c}"), format!("{c}b"), format!("a{c}b")])
            .collect();
        names.extend(["", "a/b", "a//b", "größe/日本", "\u{2028}", "a b"].map(str::to_owned));
        names.extend([long.clone(), format!("{long}x"), "x".repeat(120), "x".repeat(121)]);
        let mut refused = 0;
        for name in names {
            let ours = explain(&name).is_ok();
            refused += usize::from(!ours);
            assert_eq!(ours, heapledger::Tag::register(&name).is_ok(), "{name:?}");
        }
        assert!(refused > 200, "only {refused} names were refused");
    }
}
