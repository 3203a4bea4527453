//! A line about the process's memory, for logs.

use core::fmt;
use std::io::Write;

use crate::error::Error;

use super::{Snapshot, snapshot_with_backend};

/// `[label] Memory usage: live 12MB, active 20MB, mapped 33MB, external 3MB, rss 45MB`
#[derive(Clone, Copy, Debug)]
pub struct MemoryLine<'a> {
    label: &'a str,
    snapshot: Snapshot,
}

impl MemoryLine<'_> {
    /// The snapshot behind the line, exact.
    #[must_use]
    pub const fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }
}

impl fmt::Display for MemoryLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] Memory usage: {}", self.label, self.snapshot)
    }
}

/// Prints a line about the process's memory to standard error, and returns it.
///
/// MB are 1,048,576 bytes, rounded. A closed standard error is not an error.
///
/// # Cost
///
/// That of [`snapshot_with_backend`], and of printing.
///
/// # Errors
///
/// [`ErrorKind::NotInstalled`](crate::ErrorKind::NotInstalled) if no heapledger
/// allocator serves the process.
///
/// # Examples
///
/// ```
/// # #[global_allocator]
/// # static GLOBAL: heapledger::Allocator = heapledger::Allocator::new();
/// let line = heapledger::log_memory("after loading").unwrap();
/// assert!(line.to_string().starts_with("[after loading] Memory usage: live "));
/// ```
pub fn log_memory(label: &str) -> Result<MemoryLine<'_>, Error> {
    let line = MemoryLine { label, snapshot: snapshot_with_backend()? };
    // Nobody reads: not a reason to fail, or to panic as `eprintln!` does.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::process::tests::example;

    #[test]
    fn the_line_is_as_documented() {
        let line = MemoryLine { label: "label", snapshot: example(12 << 20) };
        assert_eq!(
            line.to_string(),
            "[label] Memory usage: live 12MB, active 20MB, mapped 33MB, external 3MB, rss 45MB"
        );
    }
}
