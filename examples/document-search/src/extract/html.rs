//! HTML: the text of the main part, without scripts, styles and navigation.

use std::sync::LazyLock;

use ego_tree::iter::Edge;
use heapledger::scope;
use scraper::node::Node;
use scraper::{ElementRef, Html, Selector};

use crate::skipped::Reason;

/// Elements whose text is not for the reader.
const SILENT: &[&str] =
    &["script", "style", "nav", "noscript", "template", "svg", "button", "head", "iframe"];

/// Elements that do not break a word or a line; all others do.
const INLINE: &[&str] = &[
    "a", "abbr", "b", "bdi", "cite", "code", "del", "em", "font", "i", "ins", "kbd", "mark", "q",
    "s", "small", "span", "strong", "sub", "sup", "tt", "u", "var", "wbr",
];

/// Elements that have no end tag, or need none.
const SELF_CLOSING: &[&str] = &[
    "area", "base", "body", "br", "col", "colgroup", "dd", "dt", "embed", "head", "hr", "html",
    "img", "input", "li", "link", "meta", "optgroup", "option", "p", "rp", "rt", "source", "tbody",
    "td", "tfoot", "th", "thead", "tr", "track", "wbr",
];

/// Documents that would take more steps, a few seconds, are refused: for
/// each tag the parser may look through all open elements, so that a file of
/// `<div>`s alone would keep it busy for hours.
const STEPS_MAX: usize = 1_000_000_000;

/// Where documents keep what they are about, best first.
static MAIN_PARTS: LazyLock<[Selector; 4]> = LazyLock::new(|| {
    // Lives as long as the program, so it does not belong to the first page
    // that happens to need it.
    let _scope = scope!("extract/selectors");
    ["main", "article", "[role=main]", "body"].map(selector)
});
static TITLE: LazyLock<Selector> = LazyLock::new(|| {
    let _scope = scope!("extract/selectors");
    selector("title")
});

/// A selector of this file: each is valid, as the tests below show.
fn selector(text: &'static str) -> Selector {
    Selector::parse(text).expect("a selector written in this file")
}

/// Title, if there is one, and text.
pub fn extract(content: &str) -> Result<(Option<String>, String), Reason> {
    if is_trap(content) {
        return Err(Reason::TooDeep);
    }
    let page = Html::parse_document(content);
    let title = page.select(&TITLE).next().map(|title| title.text().collect());
    let main = MAIN_PARTS.iter().find_map(|part| page.select(part).next());
    let text = text_of(main.unwrap_or_else(|| page.root_element()));
    Ok((title, text))
}

/// Estimate the parser's work: the sum, over all tags, of the elements open.
fn is_trap(content: &str) -> bool {
    let mut depth = 0_usize;
    let mut steps = 0_usize;
    for tag in content.split('<').skip(1) {
        let (name, change) = match tag.strip_prefix('/') {
            Some(name) => (name, -1),
            None => (tag, 1),
        };
        let name = &name[..name.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(name.len())];
        if !name.is_empty() && !SELF_CLOSING.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            depth = depth.saturating_add_signed(change);
        }
        steps = steps.saturating_add(depth);
    }
    steps > STEPS_MAX
}

/// The text below an element; every element that is not inline ends a line.
fn text_of(element: ElementRef) -> String {
    let mut text = String::new();
    let mut silent_depth = 0_usize;
    let mut verbatim_depth = 0_usize;
    for edge in element.traverse() {
        let (node, step) = match edge {
            Edge::Open(node) => (node.value(), 1),
            Edge::Close(node) => (node.value(), -1),
        };
        match node {
            Node::Element(element) => {
                let name = element.name();
                if SILENT.contains(&name) {
                    silent_depth = silent_depth.saturating_add_signed(step);
                } else if !INLINE.contains(&name) {
                    end_line(&mut text);
                }
                if name == "pre" {
                    verbatim_depth = verbatim_depth.saturating_add_signed(step);
                }
            }
            Node::Text(piece) if step == 1 && silent_depth == 0 => match verbatim_depth {
                0 => push_flowing(&mut text, &piece.text),
                _ => text.push_str(&piece.text),
            },
            _ => {}
        }
    }
    text
}

fn end_line(text: &mut String) {
    text.truncate(text.trim_end_matches(' ').len());
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
}

/// Outside of `<pre>` any white space is one space.
fn push_flowing(text: &mut String, piece: &str) {
    for c in piece.chars() {
        if !c.is_whitespace() {
            text.push(c);
        } else if !text.is_empty() && !text.ends_with([' ', '\n']) {
            text.push(' ');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(content: &str) -> String {
        extract(content).expect("a document").1.trim().to_owned()
    }

    #[test]
    fn scripts_styles_and_navigation_are_silent() {
        let page = "<body><nav>menu</nav><style>p{}</style><p>one</p>\
                    <script>let x = '<p>';</script><p>two<svg><text>icon</text></svg></p>";
        assert_eq!(text(page), "one\ntwo");
    }

    #[test]
    fn the_main_part_wins_over_the_body() {
        assert_eq!(text("<body>around<main>inside</main>after</body>"), "inside");
        assert_eq!(text("<body>around<div role=main>inside</div></body>"), "inside");
    }

    #[test]
    fn cells_are_apart_and_inline_elements_are_not() {
        assert_eq!(text("<table><tr><td>a</td><td>b</td></tr></table>"), "a\nb");
        assert_eq!(text("<p>Hash<wbr>Map<b>s</b>"), "HashMaps");
    }

    #[test]
    fn white_space_flows_except_in_code() {
        assert_eq!(text("<p>  a\n\n  b </p> <p> c"), "a b\nc");
        assert_eq!(text("<pre>fn main() {\n    x\n}</pre>"), "fn main() {\n    x\n}");
    }

    #[test]
    fn entities_are_decoded_and_titles_found() {
        let (title, text) = extract("<title>A &amp; B</title><p>x &lt; y").expect("a document");
        assert_eq!((title.as_deref(), text.trim()), (Some("A & B"), "x < y"));
        assert_eq!(extract("<p>none").expect("a document").0, None);
    }

    #[test]
    fn broken_markup_is_survived() {
        assert_eq!(text("<p>a<b><i>c</b></p></div></table>d"), "ac\nd");
        assert_eq!(text("a < b <"), "a < b <");
        assert_eq!(text(""), "");
    }

    #[test]
    fn deep_documents_are_read_and_traps_refused() {
        assert_eq!(text(&("<DIV class=x>".repeat(10_000) + "end")), "end");
        assert_eq!(extract(&"<div>".repeat(100_000)), Err(Reason::TooDeep));
        assert_eq!(text(&"<p>a<br><li>".repeat(100_000)).lines().count(), 100_000);
        assert_eq!(text(&"<b>a</b>".repeat(100_000)).len(), 100_000);
    }
}
