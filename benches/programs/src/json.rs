//! A 50 MB JSON document, parsed to a tree.
//!
//! The document is an array of events as web services log them: short keys, short
//! strings, numbers, nested objects, arrays, now and then a longer text. About two
//! thirds of the tree's blocks are strings of 1 to 7 bytes.

use std::fmt::Write as _;

use serde_json::Value;

use crate::random::{Random, hash, mix};

const DOCUMENT_BYTES: usize = 50_000_000;
const NAMES: [&str; 12] = [
    "Ada", "Grace", "Barbara", "Edsger", "Donald", "Tony", "Frances", "Leslie", "Niklaus", "Ken",
    "Margaret", "Radia",
];
const LANGUAGES: [&str; 8] = ["en", "de", "fr", "es", "ja", "pt", "zh", "it"];
const KINDS: [&str; 6] = ["push", "fork", "star", "open", "close", "review"];
const WORDS: [&str; 10] =
    ["memory", "leak", "in", "the", "parser", "fixed", "by", "caching", "component", "ledger"];

/// The document, always the same.
pub fn document() -> String {
    let mut random = Random::new(0x1507);
    let mut text = String::with_capacity(DOCUMENT_BYTES + 4096);
    text.push('[');
    let mut id = 0;
    while text.len() < DOCUMENT_BYTES {
        if id > 0 {
            text.push(',');
        }
        event(&mut text, id, &mut random).unwrap_or_else(|_| unreachable!("a String takes all"));
        id += 1;
    }
    text.push(']');
    text
}

fn event(text: &mut String, id: u64, random: &mut Random) -> std::fmt::Result {
    let mut pick = |from: &[&'static str]| from[random.below(from.len() as u64) as usize];
    let (kind, name, lang) = (pick(&KINDS), pick(&NAMES), pick(&LANGUAGES));
    write!(text, r#"{{"id":{id},"kind":"{kind}","at":{},"#, 1_700_000_000 + id * 7)?;
    write!(text, r#""user":{{"id":{},"name":"{name}","lang":"{lang}","#, random.below(100_000))?;
    write!(text, r#""bot":{},"rank":{:.3}}},"#, random.below(9) == 0, random.unit() * 100.0)?;
    write!(text, r#""geo":{{"lat":{:.5},"lon":{:.5}}},"#, random.unit() * 90.0, random.unit())?;
    text.push_str(r#""tags":["#);
    for tag in 0..random.below(6) {
        let comma = if tag == 0 { "" } else { "," };
        write!(text, r#"{comma}"{}""#, WORDS[random.below(WORDS.len() as u64) as usize])?;
    }
    text.push_str("],\"text\":\"");
    for _ in 0..random.below(12) {
        text.push_str(WORDS[random.below(WORDS.len() as u64) as usize]);
        text.push(' ');
    }
    write!(text, "\",\"reply\":{}", if random.below(3) == 0 { "null" } else { "[1,2.5,\"x\"]" })?;
    text.push('}');
    Ok(())
}

/// Parses the document, walks the tree and drops it.
///
/// # Panics
///
/// If the document is not JSON.
pub fn parse(document: &str) -> u64 {
    let tree: Value = serde_json::from_str(document)
        .unwrap_or_else(|error| panic!("the generated document is not JSON: {error}"));
    checksum(&tree)
}

fn checksum(value: &Value) -> u64 {
    match value {
        Value::Null => 1,
        Value::Bool(bool) => 2 + u64::from(*bool),
        Value::Number(number) => mix(number.as_f64().unwrap_or_default().to_bits()),
        Value::String(string) => hash(string.as_bytes()),
        Value::Array(items) => items.iter().fold(5, |sum, item| mix(sum) ^ checksum(item)),
        Value::Object(fields) => fields.iter().fold(7, |sum, (key, field)| {
            sum.wrapping_add(mix(hash(key.as_bytes()) ^ checksum(field)))
        }),
    }
}
