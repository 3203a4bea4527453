//! The memory of the process: by component, and as the allocator sees it.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use heapledger::backend::Statistics;
use heapledger::{ErrorKind, OwnedSnapshot};

use crate::error::Error;
use crate::output::{bytes, count, heading};

/// Print the component table, then the statistics of the allocator.
pub fn print(out: &mut impl Write) -> Result<(), Error> {
    // Read both before anything is printed, so that they tell of one moment.
    let report = heapledger::report();
    let statistics = heapledger::backend_statistics()?;
    heading(out, "Memory by component")?;
    match report {
        Ok(report) => writeln!(out, "{report}")?,
        Err(error) if error.kind() == ErrorKind::SystemUnavailable => print_tags(out)?,
        Err(error) => return Err(error.into()),
    }
    heading(out, "Pools and caches")?;
    pools(out)?;
    heading(out, "Memory as the allocator sees it")?;
    for (name, value, meaning) in rows(&statistics) {
        // What the backend cannot tell is not zero: it is left out.
        if let Some(value) = value {
            writeln!(out, "  {name:<10}{:>11}   {meaning}", bytes(value))?;
        }
    }
    heading(out, "Check of the ledger")?;
    match heapledger::self_check() {
        Ok(()) => writeln!(out, "  passed: no block is lost or counted twice")?,
        Err(error) => writeln!(out, "  {error}")?,
    }
    Ok(())
}

/// How the pools and the cache were used, and what their components hold.
fn pools(out: &mut impl Write) -> Result<(), Error> {
    let columns = ["hits", "misses", "peak", "ready", "holds"].map(str::to_owned);
    row(out, "", columns)?;
    let number = |number: u64| count(number as usize);
    for it in heapledger::pools() {
        let [hits, misses, peak, ready] =
            [it.hits, it.misses, it.high_water, it.retained].map(number);
        row(out, &it.name, [hits, misses, peak, ready, held(it.tag)?])?;
    }
    for it in heapledger::caches() {
        let [hits, misses, kept] = [it.hits, it.misses, it.entries].map(number);
        row(out, &it.name, [hits, misses, String::new(), kept, held(it.tag)?])?;
    }
    Ok(())
}

fn row(out: &mut impl Write, name: &str, columns: [String; 5]) -> std::io::Result<()> {
    write!(out, "  {name:<18}")?;
    for column in columns {
        write!(out, "{column:>11}")?;
    }
    writeln!(out)
}

fn held(tag: heapledger::TagId) -> Result<String, Error> {
    Ok(bytes(heapledger::read_tag(tag)?.own.live_bytes()))
}

/// The components alone, where the system does not tell what else is resident.
fn print_tags(out: &mut impl Write) -> Result<(), Error> {
    for tag in OwnedSnapshot::capture()?.tags {
        let (live, peak) = (bytes(tag.own.live_bytes()), bytes(tag.peak_live_bytes));
        writeln!(out, "  {:<24}{live:>11} live{peak:>11} at most", tag.name)?;
    }
    Ok(())
}

fn rows(statistics: &Statistics) -> [(&'static str, Option<u64>, &'static str); 6] {
    [
        ("allocated", statistics.allocated_bytes, "in blocks that the program holds"),
        ("active", statistics.active_bytes, "in pages that hold such blocks"),
        ("metadata", statistics.metadata_bytes, "the allocator's own records"),
        ("resident", statistics.resident_bytes, "of all that, in physical memory"),
        ("mapped", statistics.mapped_bytes, "in extents that hold active pages"),
        ("retained", statistics.retained_bytes, "addresses kept for later, without memory"),
    ]
}

/// The file that the memory of all components is written to.
pub struct JsonFile {
    file: PathBuf,
    writer: BufWriter<File>,
}

impl JsonFile {
    /// Make the file, or empty it.
    pub fn create(file: &Path) -> Result<Self, Error> {
        let created = File::create(file);
        let failed = |source| Error::Json { file: file.to_owned(), source };
        Ok(Self { file: file.to_owned(), writer: BufWriter::new(created.map_err(failed)?) })
    }

    /// Write what the process and each component hold now.
    pub fn write(mut self) -> Result<(), Error> {
        let snapshot = OwnedSnapshot::capture()?;
        let written = serde_json::to_writer_pretty(&mut self.writer, &snapshot)
            .map_err(std::io::Error::from)
            .and_then(|()| self.writer.write_all(b"\n"))
            .and_then(|()| self.writer.flush());
        written.map_err(|source| Error::Json { file: self.file, source })
    }
}
