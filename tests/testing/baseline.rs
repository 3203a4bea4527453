//! The baseline file: what it refuses, what `UPDATE=1` writes, and that tests which
//! write it at one time do not lose each other's lines.
//!
//! The variable is a process's, so the scenarios run in child processes of this
//! test program.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use heapledger::assert_allocs;

/// Run in children only; in them, the measured work is of this size.
const BYTES: &str = "HEAPLEDGER_TESTING_BYTES";
/// What the names of a child's lines begin with.
const MANY: &str = "HEAPLEDGER_TESTING_MANY";

fn work(size: usize) -> Vec<u8> {
    black_box(vec![0_u8; size])
}

#[test]
fn in_a_child() {
    let Ok(bytes) = std::env::var(BYTES) else { return };
    let bytes = bytes.parse().unwrap();
    let many = &std::env::var(MANY).unwrap_or_else(|_| "many".to_owned());
    drop(assert_allocs!(baseline = "work", work(bytes)));
    std::thread::scope(|threads| {
        for thread in 0..8 {
            threads
                .spawn(move || assert_allocs!(baseline = &format!("{many}/{thread}"), work(100)));
        }
    });
}

struct Package(PathBuf);

impl Package {
    fn new(name: &str) -> Self {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = std::fs::remove_dir_all(&directory);
        std::fs::create_dir_all(&directory).unwrap();
        Self(directory)
    }

    fn child(&self, bytes: usize, update: bool) -> Command {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child
            .args(["--exact", "baseline::in_a_child", "--nocapture"])
            .env("CARGO_MANIFEST_DIR", &self.0)
            .env(BYTES, bytes.to_string())
            .env("RUST_BACKTRACE", "0")
            .env_remove("UPDATE");
        if update {
            child.env("UPDATE", "1");
        }
        child
    }

    fn run(&self, bytes: usize, update: bool) -> Result<(), String> {
        let Output { status, stderr, .. } = self.child(bytes, update).output().unwrap();
        let stderr = String::from_utf8(stderr).unwrap();
        if status.success() { Ok(()) } else { Err(stderr) }
    }

    fn file(&self) -> PathBuf {
        self.0.join("heapledger-baseline.txt")
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.file()).unwrap()
    }
}

const HEAD: &str = "\
# What measured work used when it was last accepted (heapledger). More fails the test.
# UPDATE=1 cargo test <name> writes the lines of the tests that run.
#
# name allocated_blocks allocated_bytes peak_bytes
";

fn lines(work: usize) -> String {
    let many: String = (0..8).map(|thread| format!("many/{thread} 1 100 100\n")).collect();
    format!("{HEAD}{many}work 1 {work} {work}\n")
}

#[test]
fn worse_fails_and_update_accepts_it() {
    let package = Package::new("baseline-worse");
    let missing = package.run(1000, false).unwrap_err();
    assert!(missing.contains("has no `work`: run with UPDATE=1"), "{missing}");
    assert!(!package.file().exists());

    package.run(1000, true).unwrap();
    assert_eq!(package.text(), lines(1000));
    package.run(1000, false).unwrap();
    package.run(999, false).unwrap();
    assert_eq!(package.text(), lines(1000), "better is fine, and changes nothing");

    let worse = package.run(1001, false).unwrap_err();
    let message = "\
assert_allocs!(baseline = \"work\", work(bytes))
  baseline work, allocated_bytes: expected at most 1000, actual 1001
  baseline work, peak_bytes: expected at most 1000, actual 1001
  (UPDATE=1 accepts it)
  seen: peak 1001 B live; by tag:
    tag         allocations  allocated bytes  live bytes
    (untagged)            1             1001       +1001
";
    assert!(worse.contains(message), "{worse}");
    package.run(1001, true).unwrap();
    package.run(1001, false).unwrap();
    assert_eq!(package.text(), lines(1001));
}

#[test]
fn other_lines_stay_and_comments_of_the_file_are_its_own() {
    let package = Package::new("baseline-others");
    let others = "zebra 1 2 3\nabacus 4 5 6\n\n# a comment\n";
    std::fs::write(package.file(), others).unwrap();
    package.run(7, true).unwrap();
    let text = package.text();
    assert_eq!(text, lines(7).replace("many/0", "abacus 4 5 6\nmany/0") + "zebra 1 2 3\n");
}

#[test]
fn the_directory_of_tests_is_preferred() {
    let package = Package::new("baseline-tests");
    std::fs::create_dir(package.0.join("tests")).unwrap();
    package.run(7, true).unwrap();
    assert!(!package.file().exists());
    let text = std::fs::read_to_string(package.0.join("tests/heapledger-baseline.txt")).unwrap();
    assert_eq!(text, lines(7));
}

#[test]
fn a_broken_line_is_named() {
    let package = Package::new("baseline-broken");
    std::fs::write(package.file(), "work 1 2 3\nother 1 2\n").unwrap();
    for update in [false, true] {
        let broken = package.run(1, update).unwrap_err();
        assert!(broken.contains("line 2 is not a name and three numbers: other 1 2"), "{broken}");
    }
    assert_eq!(package.text(), "work 1 2 3\nother 1 2\n", "and nothing is lost");
}

#[test]
fn a_name_with_spaces_is_refused() {
    for name in ["two words", "", "#"] {
        let message =
            super::panic_of(|| assert_allocs!(baseline = name, std::hint::black_box(vec![1])));
        assert!(message.contains("is no name: write it without spaces"), "{message}");
    }
}

/// Ten programs with eight threads each, every one with a line of its own.
#[test]
fn programs_that_write_at_one_time_lose_nothing() {
    let package = Package::new("baseline-race");
    let spawn = |program: usize| {
        let mut child = package.child(50, true);
        child.env(MANY, format!("p{program}")).stdout(Stdio::null()).spawn().unwrap()
    };
    let children: Vec<_> = (0..10).map(spawn).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let line = |program: usize, thread: usize| format!("p{program}/{thread} 1 100 100\n");
    let lines: String = (0..10).flat_map(|p| (0..8).map(move |t| line(p, t))).collect();
    assert_eq!(package.text(), format!("{HEAD}{lines}work 1 50 50\n"));
}
