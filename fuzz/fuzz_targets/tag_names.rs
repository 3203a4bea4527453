//! Any text is a tag or an error that says why, by rules that are written down
//! here a second time; and one name stays one tag.

#![no_main]

use std::collections::HashMap;
use std::sync::Mutex;

use heapledger::{Allocator, TAG_NAME_MAX_BYTES, TAGS_MAX, Tag, TagError, TagId};
use libfuzzer_sys::fuzz_target;

#[global_allocator]
static GLOBAL: Allocator = Allocator::new();

/// Every name that was accepted so far, in all runs.
static KNOWN: Mutex<Option<HashMap<String, TagId>>> = Mutex::new(None);

fuzz_target!(|name: &str| {
    let mut known = KNOWN.lock().expect("no panic");
    let known = known.get_or_insert_default();
    match Tag::register(name) {
        Ok(tag) => accepted(name, &tag, known),
        Err(TagError::TableFull) => {
            assert_eq!(expected(name), None, "{name:?}");
            assert!(!known.contains_key(name), "{name:?} was a tag before");
            // Parents are tags too, so that fewer names may fill the table.
            assert!(known.len() > TAGS_MAX / 60 / 2, "{} tags fill the table", known.len());
        }
        Err(error) => {
            assert_eq!(expected(name), Some(error), "{name:?}");
            assert!(error.to_string().len() > 20);
        }
    }
});

fn accepted(name: &str, tag: &Tag, known: &mut HashMap<String, TagId>) {
    assert_eq!(expected(name), None, "{name:?}");
    assert_eq!(tag.name(), name);
    assert_eq!(*known.entry(name.to_owned()).or_insert(tag.id()), tag.id(), "{name:?}");
    let reading = tag.read().expect("an installed allocator");
    assert_eq!(reading.name(), name);
    let parent = name.rsplit_once('/').map(|(parent, _)| Tag::register(parent));
    let parent = parent.map(|tag| tag.expect("a parent is registered with its child").id());
    assert_eq!(reading.parent, parent);
    let block = tag.run(|| Box::new(name.len()));
    let live = tag.read().expect("an installed allocator").own;
    assert_eq!((live.live_bytes(), live.live_blocks()), (8, 1));
    drop(block);
}

/// The first thing that is wrong with a name, reading it from the left.
fn expected(name: &str) -> Option<TagError> {
    if name.is_empty() {
        return Some(TagError::Empty);
    }
    if name.len() > TAG_NAME_MAX_BYTES {
        return Some(TagError::TooLong(name.len()));
    }
    if name.starts_with('(') {
        return Some(TagError::Parenthesis);
    }
    let mut before = '/';
    for (at, character) in name.char_indices() {
        if character.is_control() {
            return Some(TagError::ControlCharacter(at));
        }
        if matches!(character, '"' | '\'' | '\\' | '`') {
            return Some(TagError::Quote(at));
        }
        if character == '/' && before == '/' {
            return Some(TagError::EmptyLevel(at));
        }
        before = character;
    }
    (before == '/').then_some(TagError::EmptyLevel(name.len()))
}
