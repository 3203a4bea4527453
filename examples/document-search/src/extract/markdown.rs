//! Markdown: the text without its markup; the first heading is the title.

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

/// Title, if there is a first-level heading, and text.
pub fn extract(content: &str) -> (Option<String>, String) {
    let mut title = None;
    let mut text = String::with_capacity(content.len());
    let mut heading_start = None;
    let mut in_metadata = false;
    for event in Parser::new_ext(content, Options::all()) {
        match event {
            Event::Start(Tag::Heading { level: HeadingLevel::H1, .. }) if title.is_none() => {
                heading_start = Some(text.len());
            }
            Event::End(TagEnd::Heading(HeadingLevel::H1)) => {
                if let Some(start) = heading_start.take() {
                    title = Some(text[start..].to_owned());
                }
                text.push('\n');
            }
            Event::Start(Tag::MetadataBlock(_)) => in_metadata = true,
            Event::End(TagEnd::MetadataBlock(_)) => in_metadata = false,
            Event::Text(piece) | Event::Code(piece) if !in_metadata => text.push_str(&piece),
            Event::SoftBreak | Event::HardBreak | Event::Rule => text.push('\n'),
            // Inline markup does not part words; the end of any block does.
            Event::End(
                TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough | TagEnd::Link,
            ) => {}
            Event::End(_) => text.push('\n'),
            _ => {}
        }
    }
    (title, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_goes_and_words_stay() {
        let (title, text) =
            extract("# The *title*\n\nSome **bold**ness, `code` and [a link](x.md).");
        assert_eq!(title.as_deref(), Some("The title"));
        assert_eq!(text.trim(), "The title\nSome boldness, code and a link.");
    }

    #[test]
    fn tables_lists_and_code_are_kept_apart() {
        let (title, text) = extract("| a | b |\n|---|---|\n| c | d |\n\n- e\n- f\n\n```\ng\n```\n");
        assert_eq!(title, None);
        assert_eq!(
            text.split_whitespace().collect::<Vec<_>>(),
            ["a", "b", "c", "d", "e", "f", "g"]
        );
    }

    #[test]
    fn front_matter_and_html_comments_are_left_out() {
        let (title, text) = extract("---\nkey: value\n---\n\n<!-- note -->\n\n# T\nbody");
        assert_eq!(title.as_deref(), Some("T"));
        assert_eq!(text.split_whitespace().collect::<Vec<_>>(), ["T", "body"]);
    }
}
