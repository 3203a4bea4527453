//! The text that is indexed: generated from real words, or read from a folder.
//!
//! The default is generated, so that it is the same everywhere and needs no
//! network: the 4,000 most frequent English words of the Rust books
//! (`words.txt`, in order of frequency), drawn by Zipf's law, and behind them a
//! long tail of rare terms made of two words each, as identifiers are.
//!
//! What decides how an index allocates is how often a term comes back within a
//! document. Independent draws repeat far too little, so two words of three
//! repeat an earlier one of the same document. That gives what was counted in
//! text: in 556 Markdown files of crates a term occurs 4.0 times in a document
//! that has it, 54 % occur once and 31 % two to four times; here 3.9, 53 % and
//! 31 %. (The pages of the Rust documentation have 4.5, sources of crates 8.0.)
//!
//! With `HEAPLEDGER_BENCH_TEXT=<folder>` it is the text files of that folder.

use std::path::{Path, PathBuf};

use crate::random::{Random, Zipf};

/// The environment variable that names a folder of real text.
pub const FOLDER_VARIABLE: &str = "HEAPLEDGER_BENCH_TEXT";

const WORDS: &str = include_str!("../words.txt");
const VOCABULARY: usize = 50_000;
const DOCUMENTS: usize = 6_000;
/// Words of a document: from 40 to 3,600, as many documents in each octave.
const WORDS_MIN: f64 = 40.0;
const WORDS_OCTAVES: f64 = 6.5;
/// The part of the words that repeat one of their document.
const REPEATED: f64 = 0.65;
const FOLDER_BYTES_MAX: usize = 16 << 20;
const EXTENSIONS: [&str; 5] = ["txt", "md", "html", "rs", "rst"];

/// One text with a title.
#[derive(Clone, Debug)]
pub struct Document {
    /// A few words, or the file's path.
    pub title: String,
    /// The text.
    pub body: String,
}

/// The documents to index, from the folder if one is named, else generated.
///
/// # Panics
///
/// If the folder that the environment names cannot be read, or holds no text.
pub fn corpus() -> Vec<Document> {
    match std::env::var_os(FOLDER_VARIABLE) {
        Some(folder) => read(Path::new(&folder)),
        None => generate(),
    }
}

fn generate() -> Vec<Document> {
    let words: Vec<&str> = WORDS.lines().collect();
    let vocabulary: Vec<String> = (0..VOCABULARY).map(|rank| term(&words, rank)).collect();
    let zipf = Zipf::new(VOCABULARY);
    let mut random = Random::new(0x7e47);
    (0..DOCUMENTS)
        .map(|_| {
            let length = WORDS_MIN * (random.unit() * WORDS_OCTAVES).exp2();
            let ranks = ranks(&zipf, &mut random, length as usize);
            let words = |ranks: &[usize]| {
                ranks.iter().map(|rank| vocabulary[*rank].as_str()).collect::<Vec<_>>().join(" ")
            };
            Document { title: words(&ranks[..5]), body: prose(&words(&ranks), &mut random) }
        })
        .collect()
}

/// The words of one document.
fn ranks(zipf: &Zipf, random: &mut Random, length: usize) -> Vec<usize> {
    let mut ranks = Vec::with_capacity(length);
    for position in 0..length as u64 {
        let repeats = position > 0 && random.unit() < REPEATED;
        let rank = if repeats { ranks[random.below(position) as usize] } else { zipf.rank(random) };
        ranks.push(rank);
    }
    ranks
}

/// The frequent ranks are words; each rare one is a pair of words of its own.
fn term(words: &[&str], rank: usize) -> String {
    match words.get(rank) {
        Some(word) => (*word).to_owned(),
        None => {
            let first = words[rank.wrapping_mul(31) % words.len()];
            format!("{first}{}", words[rank.wrapping_mul(7_919) / 13 % words.len()])
        }
    }
}

/// Makes sentences of the words: a capital at the start, a stop at the end.
fn prose(words: &str, random: &mut Random) -> String {
    let mut prose = String::with_capacity(words.len() * 9 / 8);
    let mut left = 0;
    for word in words.split(' ') {
        if left == 0 {
            left = 5 + random.below(20);
            prose.push_str(if prose.is_empty() { "" } else { ". " });
            prose.extend(word.chars().take(1).flat_map(char::to_uppercase));
            prose.extend(word.chars().skip(1));
        } else {
            prose.push(' ');
            prose.push_str(word);
        }
        left -= 1;
    }
    prose
}

fn read(folder: &Path) -> Vec<Document> {
    let mut paths = Vec::new();
    collect_paths(folder, &mut paths);
    paths.sort();
    let mut bytes = 0;
    let mut documents = Vec::new();
    for path in paths {
        let Ok(content) = std::fs::read(&path) else { continue };
        bytes += content.len();
        if bytes > FOLDER_BYTES_MAX {
            break;
        }
        documents.push(Document {
            title: path.strip_prefix(folder).unwrap_or(&path).display().to_string(),
            body: String::from_utf8_lossy(&content).into_owned(),
        });
    }
    assert!(!documents.is_empty(), "no text files in {}", folder.display());
    documents
}

fn collect_paths(folder: &Path, paths: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", folder.display()));
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect_paths(&path, paths);
        } else if path.extension().is_some_and(|found| EXTENSIONS.iter().any(|it| found == *it)) {
            paths.push(path);
        }
    }
}
