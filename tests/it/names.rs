//! Which names are tags, and what is said about those that are not.

use heapledger::{TAG_NAME_MAX_BYTES, Tag, TagError};

use super::random::Random;

/// The error of a name that is not valid.
fn error(name: &str) -> TagError {
    Tag::register(name).expect_err(name)
}

#[test]
fn bad_names_are_told_what_is_wrong_and_where() {
    let longest = "n".repeat(TAG_NAME_MAX_BYTES);
    assert_eq!(error(""), TagError::Empty);
    assert_eq!(error(&format!("{longest}n")), TagError::TooLong(TAG_NAME_MAX_BYTES + 1));
    assert_eq!(error(&"é".repeat(61)), TagError::TooLong(122));
    assert_eq!(error(&"x".repeat(1 << 20)), TagError::TooLong(1 << 20));
    for (name, at) in [("\0", 0), ("a\nb", 1), ("ab\t", 2), ("a\u{7f}", 1), ("é\u{85}", 2)] {
        assert_eq!(error(name), TagError::ControlCharacter(at), "{name:?}");
    }
    for (name, at) in [("\"", 0), ("it's", 2), ("a\\b", 1), ("`", 0)] {
        assert_eq!(error(name), TagError::Quote(at), "{name:?}");
    }
    for (name, at) in [("/", 0), ("/a", 0), ("a/", 2), ("a//b", 2), ("a/b//", 4)] {
        assert_eq!(error(name), TagError::EmptyLevel(at), "{name:?}");
    }
}

#[test]
fn errors_say_what_to_do() {
    for (name, word) in [
        ("", "at least one character"),
        ("a\0", "control characters"),
        ("a'b", "quotes"),
        ("a//b", "empty level"),
        ("(overflow)", "parenthesis"),
        (&"x".repeat(200), "shorten"),
    ] {
        let told = error(name).to_string();
        assert!(told.contains(word), "{told}");
    }
}

#[test]
fn good_names_are_kept_as_they_are() {
    let longest = "n".repeat(TAG_NAME_MAX_BYTES);
    let deepest = "d/".repeat(TAG_NAME_MAX_BYTES / 2 - 1) + "d";
    for name in [
        "x",
        "with space",
        "index/postings",
        "日本語/索引",
        "ümlaut",
        " ",
        ".",
        "{}",
        "<a>&",
        "%s",
        &longest,
        &deepest,
    ] {
        let tag = Tag::register(name).unwrap();
        assert_eq!(tag.name(), name);
        assert_eq!(tag.read().unwrap().name(), name);
    }
}

/// Arbitrary text is a tag or an error, never a panic; and it is a tag exactly
/// if a plain reading of the rules says so. 10^5 names that are not valid, and a
/// few that are (there is room for 4,096).
#[test]
fn arbitrary_text_is_a_tag_or_an_error() {
    const PIECES: [&str; 15] = [
        "a",
        "b",
        "(",
        "/",
        "//",
        "\"",
        "'",
        "\\",
        "`",
        "\n",
        "\u{0}",
        "\u{9f}",
        "é",
        "\u{10ffff}",
        "",
    ];
    let mut random = Random::new(22);
    for _ in 0..100_000 {
        let pieces = random.below(40);
        let name: String = (0..pieces).map(|_| random.pick(&PIECES)).collect();
        let valid = is_valid(&name);
        // Few of the valid ones, so that the table does not fill.
        if !valid || name.len() < 3 {
            assert_eq!(Tag::register(&name).is_ok(), valid, "{name:?}");
        }
    }
}

fn is_valid(name: &str) -> bool {
    let unwanted = |c: char| c.is_control() || matches!(c, '"' | '\'' | '\\' | '`');
    name.len() <= 120
        && !name.contains(unwanted)
        && name.split('/').all(|level| !level.is_empty())
        && !name.starts_with('(')
}
