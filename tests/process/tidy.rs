//! Hazards 3 and 27: what the source text must not contain.
//!
//! Inside an allocator call `std` promises little (`thread_local!`, parking), and
//! whatever allocates, waits or panics there ends in recursion, a deadlock or an
//! abort. So hook modules name nothing of it, layers point one way, and only one
//! file knows the model checker. (27: jemalloc with `profiling` dies at its start
//! on musl, so no feature may turn it on.)
//!
//! Seen to fail: every rule is first given a planted line that it must find; and
//! by hand, with a `std::sync::Mutex` in `ledger/peak.rs` and a
//! `use crate::scope` in `alloc/exit.rs`.

use std::path::{Path, PathBuf};

/// Layers, lowest first: a file may name its own and those before it.
const LAYERS: &[&str] = &[
    "sync",
    "ledger",
    "alloc",
    "error",
    "each",
    "os",
    "scope",
    "external",
    "handover",
    "snapshot",
    "self_check",
    "overhead",
    "measure",
    "marks",
    "lifecycle",
    "reclaim",
    "pool",
    "cache",
    "owned_snapshot",
    "report",
    "system_info",
    "bench",
    "testing",
];

/// What a hook module may not name; `|` marks where a word has to end.
const FORBIDDEN: [&str; 25] = [
    "std::",
    ".unwrap(",
    ".expect(",
    "panic!",
    "unreachable!",
    "todo!",
    "unimplemented!",
    "assert!",
    "assert_eq!",
    "assert_ne!",
    "format!",
    "println!",
    "eprintln!",
    "vec!",
    "Vec|",
    "Box|",
    "String|",
    "Rc|",
    "Arc|",
    "Mutex|",
    "RwLock|",
    "Once|",
    "OnceLock|",
    "LazyLock|",
    "OnceCell|",
];

/// Ends of lines that hold a forbidden word and run at compile time only, or load
/// an atomic and no more.
const COMPILE_TIME: [(&str, &str); 3] = [
    ("alloc/unwinding.rs", "size == EXCEPTION_BYTES && std::thread::panicking()"),
    ("alloc/layout.rs", r#" is a layout"),"#),
    (
        "ledger/tag_table.rs",
        "assert!(BUCKETS.is_power_of_two() && BUCKETS >= 2 * TAGS && TAGS <= WORDS * 64);",
    ),
];

#[test]
fn hook_modules_name_nothing_that_allocates_waits_or_panics() {
    for planted in [
        "let m = std::sync::Mutex::new(0);",
        "x.unwrap();",
        "static ONCE: Once = Once::new();",
        "fn f(v: &Vec<u8>) {}",
        "/* a comment */ panic!(\"x\")",
    ] {
        assert!(!forbidden(planted).is_empty(), "the rule must find {planted}");
    }
    for fine in ["// std::sync::Mutex", "OnceRef::new()", "core::sync::atomic", "/// a `Vec`"] {
        assert_eq!(forbidden(&code(fine)), [""; 0], "{fine}");
    }

    let mut files = 0;
    for (name, text) in sources() {
        if !(name.starts_with("ledger/") || name.starts_with("alloc/")) {
            continue;
        }
        files += 1;
        for line in code(&text).lines() {
            let known =
                COMPILE_TIME.iter().any(|(file, known)| name == *file && line.ends_with(known));
            let found = forbidden(line);
            assert!(known || found.is_empty(), "src/{name} names {found:?}: {line}");
        }
    }
    assert!(files >= 15, "only {files} hook modules found: did they move?");
}

#[test]
fn layers_point_one_way() {
    assert_eq!(named_layers("use crate::scope::Tag;"), ["scope"]);
    assert_eq!(named_layers("use crate::{alloc::local, ledger};"), ["alloc", "ledger"]);

    let mut uses = 0;
    for (name, text) in sources() {
        let own = name.split(['/', '.']).next().expect("a first part");
        let Some(level) = LAYERS.iter().position(|layer| *layer == own) else { continue };
        let text = code(&text);
        for layer in named_layers(&text) {
            uses += 1;
            let at = LAYERS.iter().position(|known| *known == layer);
            assert!(
                at.is_some_and(|at| at <= level),
                "src/{name} ({own}) names the layer above it: {layer}"
            );
        }
        if own == "ledger" {
            let backends = text.matches("heapledger_alloc_sys").count();
            let pages = text.matches("use heapledger_alloc_sys::os_pages;").count();
            assert_eq!(backends, pages, "src/{name}: the ledger may know pages, not backends");
        }
    }
    assert!(uses >= 20, "only {uses} uses found: did the layers move?");
    for (name, text) in files_below(&root().join("alloc-sys/src")) {
        let others =
            code(&text).replace("heapledger_alloc_sys", "").matches("heapledger::").count();
        assert_eq!(others, 0, "alloc-sys/src/{name} names the crate above it");
    }
}

#[test]
fn the_model_checker_is_named_in_one_file() {
    for (name, text) in sources() {
        let named = code(&text).contains("loom::");
        assert!(!named || name == "sync.rs" || name.starts_with("tests/"), "src/{name} names loom");
    }
}

#[test]
fn no_feature_turns_on_jemallocs_profiling() {
    let manifest =
        std::fs::read_to_string(root().join("alloc-sys/Cargo.toml")).expect("a manifest");
    for line in manifest.lines().filter(|line| line.contains("jemalloc")) {
        assert!(!line.contains("profiling"), "with musl it dies at its start: {line}");
    }
}

/// `docs/coverage.md` says which test shows what: a test that it names is there.
#[test]
fn the_coverage_names_only_what_is_there() {
    let mut text = String::new();
    for top in ["src", "alloc-sys", "macros", "tests", "fuzz/fuzz_targets", "examples"] {
        files_below(&root().join(top)).into_iter().for_each(|(_, file)| text.push_str(&file));
    }
    let is_there =
        |name: &str| ["(", "<"].iter().any(|end| text.contains(&format!("fn {name}{end}")));
    assert!(is_there("the_coverage_names_only_what_is_there") && !is_there("no_such_test"));

    let coverage = std::fs::read_to_string(root().join("docs/coverage.md")).expect("a file");
    let mut tests = 0;
    for quoted in coverage.split('`').skip(1).step_by(2) {
        if let Some((_, name)) = quoted.rsplit_once("::")
            && name.contains('_')
        {
            assert!(is_there(name), "docs/coverage.md names {quoted}, which is not there");
            tests += 1;
        }
        let is_file = quoted.contains('/') && (quoted.ends_with(".rs") || quoted.ends_with(".sh"));
        if is_file && !quoted.contains(['*', '<', ' ']) {
            assert!(root().join(quoted).exists(), "docs/coverage.md names {quoted}");
        }
    }
    assert!(tests >= 100, "only {tests} tests found in docs/coverage.md: did its form change?");
}

/// The forbidden words of one line of code.
fn forbidden(line: &str) -> Vec<&'static str> {
    FORBIDDEN.into_iter().filter(|word| names(line, word)).collect()
}

/// Whether a word is in a line, and begins (and with `|`, ends) where a word does.
fn names(line: &str, word: &str) -> bool {
    let (word, whole) = match word.strip_suffix('|') {
        Some(word) => (word, true),
        None => (word, false),
    };
    let inside = |letter: Option<char>| letter.is_some_and(|it| it.is_alphanumeric() || it == '_');
    line.match_indices(word).any(|(at, _)| {
        let (before, after) =
            (line[..at].chars().next_back(), line[at + word.len()..].chars().next());
        let in_a_word = inside(word.chars().next()) && inside(before);
        !(in_a_word || whole && inside(after))
    })
}

/// The text without comments and without the unit tests at its end.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or(text);
    let text = text.split("#[cfg(all(test, not(loom)))]\nmod tests").next().unwrap_or(text);
    text.lines().map(|line| line.split("//").next().unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

/// The modules of this crate that a text names by their full path.
fn named_layers(text: &str) -> Vec<&str> {
    let word = |text: &'_ str| text.find(|c: char| !c.is_alphanumeric() && c != '_');
    let mut layers = Vec::new();
    for (at, _) in text.match_indices("crate::").filter(|(at, _)| !text[..*at].ends_with('$')) {
        let rest = &text[at + "crate::".len()..];
        if let Some(list) = rest.strip_prefix('{') {
            let list = &list[..list.find(';').unwrap_or(list.len())];
            layers.extend(list.split(", ").map(|one| &one[..word(one).unwrap_or(one.len())]));
        } else {
            layers.push(&rest[..word(rest).unwrap_or(rest.len())]);
        }
    }
    layers
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<(String, String)> {
    files_below(&root().join("src"))
}

/// Every Rust file below a directory: its path from there, and its text.
fn files_below(top: &Path) -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut directories = vec![top.to_path_buf()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(&directory).expect("a directory of the crate") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(top).expect("below").to_string_lossy().into_owned();
                let text = std::fs::read_to_string(&path).expect("readable");
                files.push((name, text));
            }
        }
    }
    assert!(!files.is_empty(), "{} has no sources", top.display());
    files
}
