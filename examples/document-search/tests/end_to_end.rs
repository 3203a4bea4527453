//! The whole program on small folders, as a user runs it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_document-search"))
        .args(arguments)
        .output()
        .expect("the program under test starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn path(folder: &TempDir) -> &str {
    folder.path().to_str().expect("a temporary folder has a plain name")
}

fn write(folder: &TempDir, name: &str, content: impl AsRef<[u8]>) {
    let file = folder.path().join(name);
    fs::create_dir_all(file.parent().expect("inside the folder")).expect("folders");
    fs::write(file, content).expect("a file");
}

/// Documents of every kind, and what must be left out.
fn documents() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write(&folder, "gold.html", "<title>Gold</title><main>The zebrafish swims alone.</main>");
    write(&folder, "notes/silver.md", "# Silver\n\nA *quagga* is an extinct zebra.");
    write(&folder, "src/bronze.rs", "/// The okapi walks.\nfn okapi() {}\n");
    write(&folder, "latin1.txt", b"caf\xE9 with an ocelot");
    write(&folder, "image.txt", b"\x89PNG\0\0\0");
    write(&folder, "empty.md", "");
    for number in 0..60 {
        let animals = "lion tiger leopard panther jaguar ".repeat(50);
        write(&folder, &format!("many/{number}.txt"), format!("Story {number}: {animals}"));
    }
    folder
}

#[test]
fn documents_of_every_kind_are_found() {
    let folder = documents();
    let output = run(&[
        path(&folder),
        "--threads",
        "3",
        "--batch",
        "4",
        "--queries",
        "200",
        "--query",
        "zebrafish",
        "--query",
        "quagga",
        "--query",
        "okapi",
        "--query",
        "ocelot",
        "--query",
        "unicorn",
    ]);
    let shown = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    for expected in [
        "gold.html",
        "Gold",
        "notes/silver.md",
        "Silver",
        "src/bronze.rs",
        "latin1.txt",
        "nothing found",
        "1 binary, 1 without text",
        "64, ",
    ] {
        assert!(shown.contains(expected), "{expected} is missing in:\n{shown}");
    }
    assert!(text(&output.stderr).is_empty(), "{}", text(&output.stderr));
}

#[test]
fn the_component_table_names_the_components() {
    let folder = documents();
    let output = run(&[path(&folder), "--threads", "2", "--queries", "400"]);
    let shown = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let (before, memory) = shown.split_once("Memory by component").expect("a section of its own");
    for row in [
        "language_model",
        "index",
        "postings",
        "positions",
        "terms",
        "writer",
        "pool",
        "read_buffers",
        "index_searchers",
        "document_store",
        "query_cache",
        "extract",
        "search",
        "(untagged)",
        "allocated",
        "active",
        "metadata",
        "resident",
        "mapped",
        "retained",
    ] {
        let mut names = memory.lines().filter_map(|line| line.split_whitespace().next());
        assert!(names.any(|name| name.ends_with(row)), "{row} is missing in:\n{memory}");
    }
    assert!(memory.contains("passed"), "the ledger's own check fails:\n{memory}");
    let cache = before.lines().find(|line| line.contains("% hits")).expect("a line on the cache");
    assert!(!cache.contains(" 0 % hits"), "{cache}");
}

#[test]
fn the_json_file_holds_every_component() {
    let folder = documents();
    let json = folder.path().join("memory.json");
    let output = run(&[path(&folder), "--json", json.to_str().expect("a plain name")]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let content = fs::read(&json).expect("the file was written");
    let snapshot: serde_json::Value = serde_json::from_slice(&content).expect("JSON");
    let tags = snapshot["tags"].as_array().expect("a list of tags");
    let own = |tag: &serde_json::Value, what: &str| tag["own"][what].as_u64().expect("a number");
    for name in ["language_model", "index/postings", "document_store", "query_cache"] {
        let tag = tags.iter().find(|tag| tag["name"] == name).expect(name);
        assert!(own(tag, "allocated_bytes") > own(tag, "freed_bytes"), "{name} holds nothing");
    }
    let untagged = tags.iter().find(|tag| tag["name"] == "(untagged)").expect("a row");
    let live = own(untagged, "allocated_bytes") - own(untagged, "freed_bytes");
    assert!(live < 64 << 10, "{live} bytes belong to nobody");
    let sum: u64 = tags.iter().map(|tag| own(tag, "allocated_bytes")).sum();
    assert_eq!(Some(sum), snapshot["process"]["counts"]["allocated_bytes"].as_u64());

    let pools = snapshot["pools"].as_array().expect("a list of pools");
    let created = |name: &str| {
        let pool = pools.iter().find(|pool| pool["name"] == name).expect(name);
        assert_eq!(pool["in_use"], 0, "{name}");
        pool["created"].as_u64().expect("a number")
    };
    assert!((1..=64).contains(&created("read_buffers")) && created("index_searchers") >= 1);
    let cache = &snapshot["caches"][0];
    assert!(cache["name"] == "query_cache" && cache["hits"].as_u64() > Some(0), "{cache}");

    let nowhere = folder.path().join("no/such/folder.json");
    assert_refused(
        &[path(&folder), "--json", nowhere.to_str().expect("a plain name")],
        "another file to --json",
    );
}

#[test]
fn one_thread_and_one_document_are_enough() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write(&folder, "only.txt", "alone");
    let output = run(&[path(&folder), "--threads", "1", "--queries", "3", "--query", "alone"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("only.txt"));
}

/// Exit code 2 and one line that says what to do.
fn assert_refused(arguments: &[&str], expected: &str) {
    let output = run(arguments);
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
    assert!(error.contains(expected), "{arguments:?}: {error}");
    assert_eq!(error.trim_end().lines().count(), 1, "{arguments:?}: {error}");
}

#[test]
fn a_wrong_folder_is_explained() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let inside = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    write(&folder, "file.txt", "text");
    write(&folder, "images/picture.png", "text");
    write(&folder, "binary/data.txt", b"\0");
    assert_refused(&[&inside("nowhere")], "give a folder that exists");
    assert_refused(&[&inside("file.txt")], "give the folder that holds it");
    assert_refused(&[&inside("images")], "give another folder");
    assert_refused(&[&inside("binary")], "1 binary");
    assert_refused(&[""], "a value is required for '[FOLDER]'");
}

#[test]
fn a_folder_that_may_not_be_read_is_explained() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    if let Some(locked) = lock(folder.path()) {
        assert_refused(
            &[locked.to_str().expect("a plain name")],
            "give a folder that you may read",
        );
    }
}

/// A folder without permissions; none where they do not bind this user.
#[cfg(unix)]
fn lock(parent: &Path) -> Option<std::path::PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let locked = parent.join("locked");
    fs::create_dir(&locked).expect("a folder");
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o000)).expect("permissions");
    fs::read_dir(&locked).is_err().then_some(locked)
}

#[cfg(not(unix))]
fn lock(_: &Path) -> Option<std::path::PathBuf> {
    None
}

#[test]
fn bad_numbers_are_explained() {
    for arguments in [
        ["--threads", "0"],
        ["--batch", "x"],
        ["--cache", "-1"],
        ["--query", " "],
        ["--unknown", "1"],
    ] {
        assert_refused(&arguments, arguments[0]);
    }
}

#[test]
#[cfg(unix)]
fn a_reader_that_leaves_early_is_no_error() {
    let folder = documents();
    let mut program = Command::new(env!("CARGO_BIN_EXE_document-search"))
        .args([path(&folder), "--threads", "1", "--queries", "0"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the program under test starts");
    drop(program.stdout.take());
    let output = program.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "");
}
