//! The baseline file: what a piece of work used when somebody last agreed to it.
//!
//! One line a name, sorted: a change shows as one changed line. The file is
//! changed in place, under a lock on it: test programs run beside each other, and
//! so do their threads.

use core::fmt::Write;
use std::fs::File;
use std::io::{self, Read, Seek, Write as _};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use super::budget::line;

const FILE: &str = "heapledger-baseline.txt";

const HEAD: &str = "\
# What measured work used when it was last accepted (heapledger). More fails the test.
# UPDATE=1 cargo test <name> writes the lines of the tests that run.
#
# name allocated_blocks allocated_bytes peak_bytes
";

/// The numbers of one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) allocated_blocks: u64,
    pub(super) allocated_bytes: u64,
    pub(super) peak_bytes: u64,
}

/// One line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Baseline {
    file: PathBuf,
    name: String,
}

impl Baseline {
    pub(super) fn new(package_directory: &str, name: &str) -> Self {
        // As set for the running test; the directory may have moved since it was
        // compiled.
        let package = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(package_directory), PathBuf::from);
        let tests = package.join("tests");
        let directory = if tests.is_dir() { tests } else { package };
        Self { file: directory.join(FILE), name: name.to_owned() }
    }

    /// Compares with the line, or writes it if the environment says so. The error
    /// is what to tell.
    pub(super) fn check(&self, actual: Record) -> Result<(), String> {
        self.check_or_update(actual, std::env::var_os("UPDATE").is_some_and(|it| it == "1"))
    }

    fn check_or_update(&self, actual: Record, update: bool) -> Result<(), String> {
        let name = &self.name;
        if name.is_empty() || name.starts_with('#') || name.contains(char::is_whitespace) {
            return Err(format!(
                "  baseline: {name:?} is no name: write it without spaces or `#`\n"
            ));
        }
        // A lock on a file is a process's.
        static TURN: Mutex<()> = Mutex::new(());
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let done = if update { self.update(actual).map(|()| None) } else { self.compare(actual) };
        match done {
            Ok(None) => Ok(()),
            Ok(Some(worse)) => Err(worse),
            Err(error) => Err(format!("  baseline: {}: {error}\n", self.file.display())),
        }
    }

    /// What is worse than the line, if something is.
    fn compare(&self, actual: Record) -> io::Result<Option<String>> {
        let text = match File::open(&self.file) {
            Ok(mut file) => {
                file.lock_shared()?;
                let mut text = String::new();
                file.read_to_string(&mut text)?;
                text
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let name = &self.name;
        let Some((_, record)) = parse(&text)?.into_iter().find(|(known, _)| *known == name) else {
            let file = self.file.display();
            return Ok(Some(format!("  baseline: {file} has no `{name}`: run with UPDATE=1\n")));
        };
        let mut worse = String::new();
        for (what, expected, actual) in [
            ("allocated_blocks", record.allocated_blocks, actual.allocated_blocks),
            ("allocated_bytes", record.allocated_bytes, actual.allocated_bytes),
            ("peak_bytes", record.peak_bytes, actual.peak_bytes),
        ] {
            if actual > expected {
                let what = format!("baseline {name}, {what}");
                line(&mut worse, &what, &format!("at most {expected}"), &actual.to_string());
            }
        }
        if !worse.is_empty() {
            worse.push_str("  (UPDATE=1 accepts it)\n");
        }
        Ok((!worse.is_empty()).then_some(worse))
    }

    /// Writes the line, and leaves all others as they are.
    fn update(&self, actual: Record) -> io::Result<()> {
        let mut file =
            File::options().read(true).write(true).create(true).truncate(false).open(&self.file)?;
        file.lock()?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let mut records = parse(&text)?;
        match records.iter_mut().find(|(known, _)| *known == self.name) {
            Some((_, record)) => *record = actual,
            None => records.push((&self.name, actual)),
        }
        records.sort_by_key(|(name, _)| *name);
        let mut new = HEAD.to_owned();
        for (name, Record { allocated_blocks, allocated_bytes, peak_bytes }) in records {
            // Writing to a string does not fail.
            let _ = writeln!(new, "{name} {allocated_blocks} {allocated_bytes} {peak_bytes}");
        }
        if new != text {
            file.rewind()?;
            file.write_all(new.as_bytes())?;
            file.set_len(new.len() as u64)?;
        }
        Ok(())
    }
}

/// The lines of a file.
fn parse(text: &str) -> io::Result<Vec<(&str, Record)>> {
    let lines = text.lines().enumerate().map(|(number, line)| (number + 1, line.trim()));
    lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(number, line)| {
            record(line).ok_or_else(|| {
                io::Error::other(format!("line {number} is not a name and three numbers: {line}"))
            })
        })
        .collect()
}

fn record(line: &str) -> Option<(&str, Record)> {
    let mut words = line.split_whitespace();
    let name = words.next()?;
    let mut number = || words.next()?.parse().ok();
    let (allocated_blocks, allocated_bytes, peak_bytes) = (number()?, number()?, number()?);
    words
        .next()
        .is_none()
        .then_some((name, Record { allocated_blocks, allocated_bytes, peak_bytes }))
}
