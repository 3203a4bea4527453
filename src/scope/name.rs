//! The name of a tag, as a value.

use core::fmt;
use core::hash::{Hash, Hasher};
use core::ops::Deref;

use crate::ledger::name::TAG_NAME_MAX_BYTES;

/// A tag's name, with its levels: a string of at most [`TAG_NAME_MAX_BYTES`] bytes
/// that is inside the value.
///
/// A short-lived tag's name is gone with it, so readings keep a copy. It is a `str`
/// in all but memory: it needs none of the heap.
///
/// # Examples
///
/// ```
/// use heapledger::Tag;
///
/// let query = Tag::ephemeral("query/17").unwrap();
/// let name = query.name();
/// drop(query);
/// assert_eq!(name, "query/17");
/// assert!(name.starts_with("query/"));
/// ```
#[derive(Clone, Copy)]
pub struct TagName {
    len: u8,
    bytes: [u8; TAG_NAME_MAX_BYTES],
}

impl TagName {
    /// No name.
    pub const EMPTY: Self = Self { len: 0, bytes: [0; TAG_NAME_MAX_BYTES] };

    /// A copy; of what is too long, the beginning.
    pub(crate) fn new(name: &str) -> Self {
        let mut copy = Self::EMPTY;
        let end = name.floor_char_boundary(TAG_NAME_MAX_BYTES);
        let from = name.as_bytes().get(..end).unwrap_or_default();
        if let Some(to) = copy.bytes.get_mut(..from.len()) {
            to.copy_from_slice(from);
            copy.len = from.len() as u8;
        }
        copy
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..self.len as usize).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl Deref for TagName {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl Default for TagName {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl fmt::Debug for TagName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Display for TagName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl PartialEq for TagName {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for TagName {}

impl PartialEq<str> for TagName {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for TagName {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl Hash for TagName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for TagName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for TagName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl serde::de::Visitor<'_> for Text {
            type Value = TagName;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a name of at most {TAG_NAME_MAX_BYTES} bytes")
            }

            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<TagName, E> {
                if name.len() > TAG_NAME_MAX_BYTES {
                    return Err(E::invalid_length(name.len(), &self));
                }
                Ok(TagName::new(name))
            }
        }

        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_the_name_or_its_beginning() {
        assert_eq!(TagName::new("größe/a"), "größe/a");
        assert_eq!(TagName::default(), "");
        let long = "ü".repeat(61);
        assert_eq!(TagName::new(&long), *"ü".repeat(60));
        assert_eq!(TagName::new(&format!("x{long}")).len(), 119);
        assert_eq!(format!("{0} {0:?}", TagName::new("a")), "a \"a\"");
    }
}
