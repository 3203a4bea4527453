//! From the bytes of a file to a title and plain text.

mod html;
mod markdown;

use std::path::Path;

use crate::skipped::Reason;

/// Source files whose lines are longer than this on average were written by a
/// program for a program: minified scripts, embedded data.
const GENERATED_LINE_BYTES: usize = 300;

/// What a search needs of a document.
#[derive(Debug, PartialEq, Eq)]
pub struct Extracted {
    pub title: String,
    pub text: String,
}

/// Title and text of a file, by the kind that its extension tells.
pub fn extract(file: &Path, bytes: &[u8]) -> Result<Extracted, Reason> {
    let content = decode(bytes);
    let extension = file.extension().unwrap_or_default().to_ascii_lowercase();
    let (title, text) = match extension.to_str() {
        Some("html" | "htm" | "xhtml") => html::extract(&content)?,
        Some("md" | "markdown") => markdown::extract(&content),
        Some("txt" | "text" | "rst" | "adoc" | "org" | "tex") => (None, content.into_owned()),
        _ if is_generated(&content) => return Err(Reason::Generated),
        _ => (None, content.into_owned()),
    };
    if !text.chars().any(char::is_alphanumeric) {
        return Err(Reason::Empty);
    }
    let title = title
        .map(|title| one_line(&title))
        .filter(|title| !title.is_empty())
        .unwrap_or_else(|| one_line(&file.file_name().unwrap_or_default().to_string_lossy()));
    Ok(Extracted { title, text })
}

/// Text of any encoding: what is not UTF-8 becomes replacement characters.
fn decode(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    let without_mark = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    String::from_utf8_lossy(without_mark)
}

fn is_generated(content: &str) -> bool {
    content.len() / content.lines().count().max(1) > GENERATED_LINE_BYTES
}

/// Words separated by single spaces, without control characters: what comes
/// from a file must not steer the terminal that shows it.
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
        if !word.is_empty() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(file: &str, bytes: &[u8]) -> Result<Extracted, Reason> {
        extract(Path::new(file), bytes)
    }

    #[test]
    fn the_extension_tells_the_kind() {
        let html = run("a/page.HTML", b"<title>T</title><p>Hello <b>world</b>").expect("text");
        assert_eq!((html.title.as_str(), html.text.trim()), ("T", "Hello world"));
        let markdown = run("a/page.md", b"# T\n\nHello *world*").expect("text");
        assert_eq!(markdown.title, "T");
        let source = run("src/main.rs", b"fn main() {}\n").expect("text");
        assert_eq!((source.title.as_str(), source.text.as_str()), ("main.rs", "fn main() {}\n"));
    }

    #[test]
    fn text_that_is_not_utf8_is_read_all_the_same() {
        let latin1 = run("latin1.txt", b"caf\xE9 cr\xE8me").expect("text");
        assert_eq!(latin1.text, "caf\u{FFFD} cr\u{FFFD}me");
        assert_eq!(run("mark.txt", b"\xEF\xBB\xBFtext").expect("text").text, "text");
    }

    #[test]
    fn nothing_to_index_is_a_reason_to_skip() {
        assert_eq!(run("empty.txt", b""), Err(Reason::Empty));
        assert_eq!(run("redirect.html", b"<html><head></head><body> </body>"), Err(Reason::Empty));
        assert_eq!(run("lines.txt", b"--- *** ---"), Err(Reason::Empty));
    }

    #[test]
    fn minified_sources_are_skipped_but_long_paragraphs_are_not() {
        let long = "word ".repeat(200);
        assert_eq!(run("app.min.js", long.as_bytes()), Err(Reason::Generated));
        assert!(run("letter.txt", long.as_bytes()).is_ok());
    }

    #[test]
    fn a_title_cannot_steer_the_terminal() {
        assert_eq!(one_line("  a\n\tb\u{1b}[31m \u{7}c "), "a b [31m c");
    }
}
