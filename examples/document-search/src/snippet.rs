//! The piece of a text that shows why it was found.

use crate::extract::one_line;

/// Length of a snippet, and how much of it comes before the first word found.
const SNIPPET_BYTES: usize = 160;
const LEAD_BYTES: usize = 40;

/// A long text is searched for its first so many occurrences only.
const OCCURRENCES_MAX: usize = 256;

/// The line of `text` with most of the words that `query` asks for, else its
/// beginning.
pub fn snippet(text: &str, query: &str) -> String {
    let words: Vec<&str> =
        query.split(|c: char| !c.is_alphanumeric()).filter(|word| word.len() > 1).collect();
    let found = best_place(text, &words);

    let mut start = text.floor_char_boundary(found.saturating_sub(LEAD_BYTES));
    if start > 0 {
        // Begin after a space, if there is one before the word found.
        let lead = text[start..found].char_indices();
        let mut spaces = lead.filter(|(_, c)| c.is_whitespace());
        start += spaces.next().map_or(0, |(space, c)| space + c.len_utf8());
    }
    let end = text.floor_char_boundary(start + SNIPPET_BYTES);
    let before = if start > 0 { "… " } else { "" };
    let after = if end < text.len() { " …" } else { "" };
    format!("{before}{}{after}", one_line(&text[start..end]))
}

/// Where the snippet with the greatest number of different words begins.
fn best_place(text: &str, words: &[&str]) -> usize {
    let occurrences: Vec<(usize, usize)> = starts_of_words(text)
        .filter_map(|start| {
            Some((start, words.iter().position(|word| is_word_at(text, start, word))?))
        })
        .take(OCCURRENCES_MAX)
        .collect();
    let mut best = (0, 0);
    for (position, (start, _)) in occurrences.iter().enumerate() {
        let within = occurrences[position..]
            .iter()
            .take_while(|(other, _)| other - start < SNIPPET_BYTES - LEAD_BYTES)
            .map(|(_, word)| word);
        let mut different: Vec<&usize> = within.collect();
        different.sort_unstable();
        different.dedup();
        if different.len() > best.0 {
            best = (different.len(), *start);
        }
    }
    best.1
}

/// Byte positions at which a word begins.
fn starts_of_words(text: &str) -> impl Iterator<Item = usize> {
    let mut in_word = false;
    text.char_indices().filter_map(move |(position, c)| {
        let begins = c.is_alphanumeric() && !in_word;
        in_word = c.is_alphanumeric();
        begins.then_some(position)
    })
}

fn is_word_at(text: &str, start: usize, word: &str) -> bool {
    let same = |piece: &str| piece.eq_ignore_ascii_case(word);
    text.get(start..start + word.len()).is_some_and(same)
        && !text[start + word.len()..].starts_with(char::is_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_found_is_in_the_snippet() {
        let text = format!("{}the needle here{}", "hay ".repeat(100), " hay".repeat(100));
        let shown = snippet(&text, "NEEDLE");
        assert!(shown.contains("the needle here"), "{shown}");
        assert!(shown.starts_with("… hay") && shown.ends_with("hay …"), "{shown}");
        assert!(shown.len() < SNIPPET_BYTES + 20);
    }

    #[test]
    fn more_words_are_better_than_the_first_word() {
        let hay = "hay ".repeat(100);
        let shown = snippet(&format!("needle {hay} needle and thread {hay}"), "thread needle");
        assert!(shown.contains("needle and thread"), "{shown}");
    }

    #[test]
    fn only_whole_words_count() {
        let text = format!("needles {} needle.", "hay ".repeat(100));
        assert!(snippet(&text, "needle").ends_with("needle."));
        assert!(snippet(&text, "nothing").starts_with("needles"));
        assert_eq!(snippet("", "needle"), "");
    }

    #[test]
    fn characters_are_never_cut() {
        let spaces = format!("{}\u{a0}{}\u{a0}needle\u{a0}", "ä".repeat(99), "ö".repeat(9));
        let mixed = format!("{}ü über {}", "ä ".repeat(99), "ö".repeat(99));
        for text in ["é".repeat(300), mixed, spaces] {
            for query in ["über", "needle", "\"é", "ö"] {
                assert!(!snippet(&text, query).is_empty());
            }
        }
    }
}
