//! `/proc/self/smaps`: which mappings the process has, and what is in memory.

use core::ops::Range;

use super::file::{Lines, decimal};

/// What a mapping is, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// No file behind it and no name: heaps, tables, stacks of threads.
    Anonymous,
    /// The heap of the C library's `brk`.
    Brk,
    /// The stack of the first thread.
    Stack,
    /// A file: the program, libraries, files mapped by hand, shared memory.
    File,
    /// The kernel's own pages in every process.
    Kernel,
}

/// One mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mapping {
    pub(crate) range: Range<usize>,
    pub(crate) kind: Kind,
    pub(crate) rss_bytes: u64,
}

/// Calls `each` for every mapping of the process; `None` if the file cannot be
/// read. The kernel walks the page tables: about a millisecond a GiB.
pub(crate) fn for_each(mut each: impl FnMut(&Mapping)) -> Option<()> {
    // A path may be longer; only its first character is of interest.
    let mut lines = Lines::<4096>::open(c"/proc/self/smaps")?;
    let mut current: Option<Mapping> = None;
    while let Some(line) = lines.next() {
        if let Some(mapping) = header(line) {
            if let Some(done) = current.replace(mapping) {
                each(&done);
            }
        } else if let (Some(mapping), Some(kib)) = (&mut current, line.strip_prefix(b"Rss:")) {
            mapping.rss_bytes = decimal(kib.trim_ascii_start())? * 1024;
        }
    }
    each(&current?);
    Some(())
}

/// The first line of a mapping: `from-to access offset device inode [name]`.
fn header(line: &[u8]) -> Option<Mapping> {
    let mut fields = line.split(|&byte| byte == b' ').filter(|field| !field.is_empty());
    let mut ends = fields.next()?.split(|&byte| byte == b'-');
    let range = hexadecimal(ends.next()?)?..hexadecimal(ends.next()?)?;
    let kind = match fields.nth(4) {
        None => Kind::Anonymous,
        Some(b"[heap]") => Kind::Brk,
        Some(b"[stack]") => Kind::Stack,
        Some(name) if name.starts_with(b"[anon") => Kind::Anonymous,
        Some(name) if name.starts_with(b"[") => Kind::Kernel,
        Some(_) => Kind::File,
    };
    Some(Mapping { range, kind, rss_bytes: 0 })
}

fn hexadecimal(digits: &[u8]) -> Option<usize> {
    usize::from_str_radix(core::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_told_from_values() {
        let mapping = |line: &str| header(line.as_bytes()).map(|one| (one.range, one.kind));
        assert_eq!(
            mapping("7f00-7f10 rw-p 00000000 00:00 0 "),
            Some((0x7f00..0x7f10, Kind::Anonymous))
        );
        let kind = |line: &str| mapping(line).map(|(_, kind)| kind);
        assert_eq!(kind("1-2 rw-p 0 00:00 0   [heap]"), Some(Kind::Brk));
        assert_eq!(kind("1-2 rw-p 0 00:00 0   [stack]"), Some(Kind::Stack));
        assert_eq!(kind("1-2 rw-p 0 00:00 0   [anon:heapledger]"), Some(Kind::Anonymous));
        assert_eq!(kind("1-2 r-xp 0 00:00 0   [vdso]"), Some(Kind::Kernel));
        assert_eq!(kind("1-2 r-xp 0 08:01 77  /usr/lib/a b.so (deleted)"), Some(Kind::File));
        assert_eq!(kind("1-2 rw-s 0 00:01 9   /memfd:x (deleted)"), Some(Kind::File));
        for value in ["Rss:      4 kB", "VmFlags: rd wr", "FilePmdMapped: 0 kB", "", "ab-"] {
            assert_eq!(mapping(value), None, "{value}");
        }
    }

    /// At one moment: between the two readings other tests take memory and give it back.
    #[test]
    fn the_sum_is_the_resident_size() {
        let readings = || {
            let mut sum = 0;
            let mut kinds = Vec::with_capacity(64);
            for_each(|mapping| {
                sum += mapping.rss_bytes;
                kinds.push(mapping.kind);
            })
            .unwrap();
            assert!(kinds.contains(&Kind::Stack) && kinds.contains(&Kind::File));
            (sum, crate::os::process().rss_bytes.unwrap())
        };
        let agree = |(sum, rss): (u64, u64)| sum.abs_diff(rss) < rss / 10 + (1 << 20);
        let all: Vec<_> = (0..1000).map(|_| readings()).take_while(|it| !agree(*it)).collect();
        assert!(all.len() < 1000, "they never agree: {:?}", all.last());
    }
}
