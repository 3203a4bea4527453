//! The report as a table.

use core::cmp::Reverse;
use core::fmt;

use crate::external::ExternalBytes;
use crate::scope::TagId;

use super::Report;
use super::human::{Bytes, Percent, Thousands};
use super::rows::{Row, RowKind};

const NAME: usize = 35;
const BYTES: usize = 11;
const CHILDREN: usize = 14;
const BLOCKS: usize = 13;
const SHARE: usize = 8;
/// The columns and the two spaces before each but the first.
const WIDTH: usize = NAME + BYTES + CHILDREN + BLOCKS + BYTES + SHARE + 5;

/// Tags printed; what is beyond is summed up in one line.
const TAGS_MAX: usize = 60;

impl fmt::Display for Report {
    /// Prints the table; with `{:#}` all tags, however many there are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |is: fn(&Row) -> bool| self.rows.iter().take_while(|row| is(row)).count();
        let (tags, others) = self.rows.split_at(count(|row| row.tag.is_some()));
        let (named, built_in) = tags.split_at(count(|row| row.tag.is_some() && !is_built_in(row)));

        line(f, "component", ["live", "with children", "blocks", "peak", "of RSS"])?;
        rule(f)?;
        let (printed, beyond) = largest(named, if f.alternate() { usize::MAX } else { TAGS_MAX });
        for row in printed {
            print_row(f, row)?;
        }
        print_sum(f, &beyond)?;
        for row in built_in {
            print_row(f, row)?;
        }
        rule(f)?;
        for row in others {
            print_row(f, row)?;
        }
        rule(f)?;
        let rss = Bytes(self.rss_bytes.cast_signed()).to_string();
        line(f, "resident (RSS)", [&rss, "", "", "", &Percent(1.0).to_string()])?;
        write!(
            f,
            "live {} in {} blocks, peak {}, backend {}",
            Bytes(self.counts.live_bytes().cast_signed()),
            Thousands(self.counts.live_blocks()),
            Bytes(self.peak_live_bytes.cast_signed()),
            self.backend
        )?;
        self.print_external(f)?;
        self.print_notes(f)
    }
}

impl Report {
    /// What is held beside the allocator's memory, if anything is.
    fn print_external(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.external == ExternalBytes::ZERO {
            return Ok(());
        }
        let ExternalBytes { mapped_bytes, device_bytes, native_bytes } = self.external;
        let [mapped, device, native] =
            [mapped_bytes, device_bytes, native_bytes].map(|bytes| Bytes(bytes.cast_signed()));
        write!(
            f,
            "\nexternal, beside the heap: {mapped} mapped, {device} in devices, {native} of native \
             libraries"
        )
    }

    /// What a reader would ask about the last row.
    fn print_notes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.row(RowKind::UnusedPages).is_none() {
            write!(
                f,
                "\nunexplained: this backend does not tell all that it keeps beyond the live bytes"
            )?;
        }
        if self.row(RowKind::Unexplained).is_some_and(|row| row.bytes < 0) {
            write!(
                f,
                "\nunexplained, below zero: pages that program or allocator set aside and never \
                 touched"
            )?;
        }
        Ok(())
    }
}

fn is_built_in(row: &Row) -> bool {
    [TagId::UNTAGGED, TagId::OVERFLOW].iter().any(|id| row.kind == RowKind::Tag(*id))
}

/// The rows that hold most, children included, and the others, both in the order
/// they came. A parent holds no less than its children and comes before them, so
/// it is among the first if they are.
fn largest(rows: &[Row], most: usize) -> (Vec<&Row>, Vec<&Row>) {
    let held = |row: &Row| {
        row.tag.map_or(0, |tag| {
            tag.with_children_bytes.saturating_add(tag.external_with_children_bytes)
        })
    };
    let mut by_size: Vec<usize> = (0..rows.len()).collect();
    by_size.sort_by_key(|&index| rows.get(index).map(|row| Reverse(held(row))));
    let mut is_printed = vec![false; rows.len()];
    for index in by_size.into_iter().take(most) {
        if let Some(place) = is_printed.get_mut(index) {
            *place = true;
        }
    }
    let (printed, beyond): (Vec<_>, Vec<_>) =
        rows.iter().zip(is_printed).partition(|(_, is_printed)| *is_printed);
    let rows = |pairs: Vec<(_, bool)>| pairs.into_iter().map(|(row, _)| row).collect();
    (rows(printed), rows(beyond))
}

fn print_row(f: &mut fmt::Formatter<'_>, row: &Row) -> fmt::Result {
    let (bytes, share) = (Bytes(row.bytes).to_string(), Percent(row.share).to_string());
    let Some(tag) = row.tag else {
        return line(f, &row.name, [&bytes, "", "", "", &share]);
    };
    // Below its parent a tag is printed without the parent's name.
    let name = match row.depth {
        0 => row.name.as_str(),
        _ => row.name.rsplit('/').next().unwrap_or_default(),
    };
    let indent = 2 * row.depth.min(8);
    let indented = format!("{:indent$}{name}", "");
    let size = |bytes: u64| Bytes(bytes.cast_signed()).to_string();
    let children = if tag.with_children_bytes == row.bytes.cast_unsigned() {
        String::new()
    } else {
        size(tag.with_children_bytes)
    };
    if tag.allocated_bytes == 0 {
        // A level that is only there for those below it.
        line(f, &indented, ["", &children, "", "", ""])?;
    } else {
        let blocks = Thousands(tag.blocks).to_string();
        // Too little, or too short, to be seen by a look at the peaks.
        let was_seen = tag.peak_bytes > 0;
        let peak = if was_seen { size(tag.peak_bytes) } else { "–".to_owned() };
        line(f, &indented, [&bytes, &children, &blocks, &peak, &share])?;
    }
    if tag.external_bytes == 0 {
        return Ok(());
    }
    let external = format!("{:indent$}+ external", "");
    line(f, &external, [&size(tag.external_bytes), "", "", "", ""])
}

/// One line for the tags that are not printed.
fn print_sum(f: &mut fmt::Formatter<'_>, rows: &[&Row]) -> fmt::Result {
    if rows.is_empty() {
        return Ok(());
    }
    let bytes: i64 = rows.iter().map(|row| row.bytes).sum();
    let blocks: u64 = rows.iter().filter_map(|row| row.tag).map(|tag| tag.blocks).sum();
    let share: f64 = rows.iter().map(|row| row.share).sum();
    let name = format!("({} more tags)", rows.len());
    let (bytes, blocks) = (Bytes(bytes).to_string(), Thousands(blocks).to_string());
    line(f, &name, [&bytes, "", &blocks, "", &Percent(share).to_string()])
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, columns: [&str; 5]) -> fmt::Result {
    let [bytes, children, blocks, peak, share] = columns;
    let name = shortened(name);
    let line = format!(
        "{name:<NAME$} {bytes:>BYTES$} {children:>CHILDREN$} {blocks:>BLOCKS$} {peak:>BYTES$} \
         {share:>SHARE$}"
    );
    writeln!(f, "{}", line.trim_end())
}

fn rule(f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(f, "{:─<WIDTH$}", "")
}

/// A name that fits into its column: the end goes, an ellipsis says so.
fn shortened(name: &str) -> String {
    if name.chars().count() <= NAME {
        return name.to_owned();
    }
    name.chars().take(NAME - 1).chain(core::iter::once('…')).collect()
}

#[cfg(test)]
mod tests {
    use super::super::rows::TagColumns;
    use super::*;
    use crate::ledger::Counts;

    const RSS_BYTES: u64 = 100 << 20;

    fn row(kind: RowKind, name: &str, depth: usize, bytes: i64) -> Row {
        let share = bytes as f64 / RSS_BYTES as f64;
        Row { kind, name: name.to_owned(), depth, bytes, share, tag: None }
    }

    fn tag(id: u16, name: &str, depth: usize, bytes: i64, with_children_bytes: u64) -> Row {
        let peak_bytes = if bytes == 0 { 0 } else { bytes.cast_unsigned() + 300 };
        let allocated_bytes = if name == "short" { 30_000 } else { peak_bytes };
        let tag = Some(TagColumns {
            with_children_bytes,
            blocks: bytes as u64 / 100,
            allocated_bytes,
            peak_bytes,
            external_bytes: if name == "(untagged)" { 5 << 20 } else { 0 },
            external_with_children_bytes: 0,
        });
        Row { tag, ..row(RowKind::Tag(TagId::new(id)), name, depth, bytes) }
    }

    fn example() -> Report {
        let counts = Counts { allocated_bytes: 70 << 20, allocated_blocks: 8, ..Counts::ZERO };
        Report {
            rss_bytes: RSS_BYTES,
            counts,
            peak_live_bytes: 80 << 20,
            external: ExternalBytes { mapped_bytes: 5 << 20, ..ExternalBytes::ZERO },
            backend: "jemalloc".to_owned(),
            rows: vec![
                tag(2, "index", 0, 0, 40 << 20),
                tag(3, "index/postings of a kind with a long name", 1, 40 << 20, 40 << 20),
                tag(4, "index/postings of a kind with a long name/x", 2, 12, 12),
                tag(5, "short", 0, 0, 0),
                tag(0, "(untagged)", 0, 30 << 20, 30 << 20),
                row(RowKind::UnusedPages, "unused pages kept", 0, 35 << 20),
                row(RowKind::Unexplained, "unexplained", 0, -(5 << 20) - 12),
            ],
        }
    }

    #[test]
    fn the_table_looks_like_this() {
        let table = "\
component                                  live  with children        blocks        peak   of RSS
─────────────────────────────────────────────────────────────────────────────────────────────────
index                                                 40.0 MiB
  postings of a kind with a long n…    40.0 MiB                      419,430    40.0 MiB   40.0 %
    x                                      12 B                            0       312 B    0.0 %
short                                       0 B                            0           –    0.0 %
(untagged)                             30.0 MiB                      314,572    30.0 MiB   30.0 %
+ external                              5.0 MiB
─────────────────────────────────────────────────────────────────────────────────────────────────
unused pages kept                      35.0 MiB                                            35.0 %
unexplained                            -5.0 MiB                                            -5.0 %
─────────────────────────────────────────────────────────────────────────────────────────────────
resident (RSS)                        100.0 MiB                                           100.0 %
live 70.0 MiB in 8 blocks, peak 80.0 MiB, backend jemalloc
external, beside the heap: 5.0 MiB mapped, 0 B in devices, 0 B of native libraries
unexplained, below zero: pages that program or allocator set aside and never touched";
        assert_eq!(example().to_string(), table);
    }

    #[test]
    fn of_many_tags_the_largest_are_printed_with_their_parents() {
        let mut rows = vec![tag(2, "a", 0, 0, 1000), tag(3, "a/big", 1, 1000, 1000)];
        rows.extend((0..100).map(|n| tag(10 + n, "small", 0, 10, 10)));
        let (printed, beyond) = largest(&rows, 2);
        let names: Vec<&str> = printed.iter().map(|row| row.name.as_str()).collect();
        assert_eq!((names, beyond.len()), (vec!["a", "a/big"], 100));
        let report = Report { rows, ..example() };
        let text = report.to_string();
        assert!(text.contains("(42 more tags)"), "{text}");
        assert_eq!(format!("{report:#}").matches("small").count(), 100);
    }
}
