//! What a tag may be called.

use core::fmt;

/// Longest tag name, in bytes.
pub const TAG_NAME_MAX_BYTES: usize = 120;

/// Why a name was not accepted as a tag.
///
/// # Examples
///
/// ```
/// use heapledger::{Tag, TagError};
/// assert_eq!(Tag::register("").unwrap_err(), TagError::Empty);
/// assert!(Tag::register("a\nb").unwrap_err().to_string().contains("control"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TagError {
    /// The name has no characters.
    Empty,
    /// The name is longer than [`TAG_NAME_MAX_BYTES`]; holds its length in bytes.
    TooLong(usize),
    /// The name has a control character at this byte.
    ControlCharacter(usize),
    /// The name has a quote or a backslash at this byte.
    Quote(usize),
    /// A level between two `/` (or before the first, or after the last) is empty.
    EmptyLevel(usize),
    /// The name begins with a parenthesis, as heapledger's own rows do.
    Parenthesis,
    /// The table of names is full; more bytes are booked to the overflow tag.
    TableFull,
}

impl fmt::Display for TagError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a tag name needs at least one character"),
            Self::TooLong(bytes) => write!(
                f,
                "a tag name may have {TAG_NAME_MAX_BYTES} bytes, this one has {bytes}: shorten it"
            ),
            Self::ControlCharacter(at) => {
                write!(f, "a tag name may not hold control characters (byte {at}): remove it")
            }
            Self::Quote(at) => {
                write!(f, "a tag name may not hold quotes or backslashes (byte {at}): remove it")
            }
            Self::EmptyLevel(at) => write!(
                f,
                "a tag name may not have an empty level (byte {at}): write \"parent/child\""
            ),
            Self::Parenthesis => f.write_str(
                "a tag name may not begin with a parenthesis: \"(untagged)\" and the like are \
                 heapledger's own",
            ),
            Self::TableFull => write!(
                f,
                "all {} tags are in use: further names are booked to \"(overflow)\"; use fewer names",
                super::TAGS_MAX
            ),
        }
    }
}

impl core::error::Error for TagError {}

/// Checks a name; `const`, so that a bad literal does not compile.
pub(crate) const fn check(name: &str) -> Result<(), TagError> {
    let bytes = name.as_bytes();
    if bytes.is_empty() {
        return Err(TagError::Empty);
    }
    if bytes.len() > TAG_NAME_MAX_BYTES {
        return Err(TagError::TooLong(bytes.len()));
    }
    if bytes[0] == b'(' {
        return Err(TagError::Parenthesis);
    }
    let mut at = 0;
    let mut level_is_empty = true;
    while at < bytes.len() {
        let byte = bytes[at];
        // The C1 controls U+0080..=U+009F are 0xC2 followed by 0x80..=0x9F.
        let c1 = byte == 0xC2 && at + 1 < bytes.len() && bytes[at + 1] < 0xA0;
        if byte < 0x20 || byte == 0x7F || c1 {
            return Err(TagError::ControlCharacter(at));
        }
        if byte == b'"' || byte == b'\'' || byte == b'\\' || byte == b'`' {
            return Err(TagError::Quote(at));
        }
        if byte == b'/' {
            if level_is_empty {
                return Err(TagError::EmptyLevel(at));
            }
            level_is_empty = true;
        } else {
            level_is_empty = false;
        }
        at += 1;
    }
    if level_is_empty {
        return Err(TagError::EmptyLevel(bytes.len()));
    }
    Ok(())
}

/// The name of the level above: `"index"` for `"index/postings"`.
pub(crate) fn parent(name: &str) -> Option<&str> {
    // By bytes: `rfind` has bounds checks, and so a way to a panic.
    name.bytes().rposition(|byte| byte == b'/').and_then(|at| name.get(..at))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn accepts_levels_and_unicode_and_refuses_the_rest() {
        for good in ["a", "index/postings", "größe", "a b", "model/all-MiniLM-L6-v2", "日本"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        assert_eq!(check(""), Err(TagError::Empty));
        assert_eq!(check(&"x".repeat(121)), Err(TagError::TooLong(121)));
        assert_eq!(check(&"x".repeat(120)), Ok(()));
        assert_eq!(check("a\n"), Err(TagError::ControlCharacter(1)));
        assert_eq!(check("a\u{85}"), Err(TagError::ControlCharacter(1)));
        assert_eq!(check("a\u{7f}"), Err(TagError::ControlCharacter(1)));
        assert_eq!(check("say \"x\""), Err(TagError::Quote(4)));
        assert_eq!(check("(untagged)"), Err(TagError::Parenthesis));
        assert_eq!(check("/a"), Err(TagError::EmptyLevel(0)));
        assert_eq!(check("a//b"), Err(TagError::EmptyLevel(2)));
        assert_eq!(check("a/"), Err(TagError::EmptyLevel(2)));
    }

    #[test]
    fn parent_is_the_level_above() {
        assert_eq!(parent("a/b/c"), Some("a/b"));
        assert_eq!(parent("a"), None);
    }
}
