//! The report as a table.

use core::fmt;

use super::Report;
use super::human::{Bytes, Percent, Thousands};
use super::rows::{Row, TagColumns};

const NAME: usize = 36;
const BYTES: usize = 11;
const CHILDREN: usize = 13;
const BLOCKS: usize = 13;
const SHARE: usize = 8;
/// The columns and the two spaces before each but the first.
const WIDTH: usize = NAME + BYTES + CHILDREN + BLOCKS + BYTES + SHARE + 5;

/// Tags printed; what is beyond is summed up in one line.
const TAGS_MAX: usize = 60;

impl fmt::Display for Report {
    /// Prints the table; with `{:#}` all tags, however many there are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        line(f, "component", ["live", "with children", "blocks", "peak", "of RSS"])?;
        rule(f)?;
        let tags = self.rows.iter().take_while(|row| row.tag.is_some()).count();
        let (tags, others) = self.rows.split_at(tags);
        let printed = if f.alternate() { tags.len() } else { tags.len().min(TAGS_MAX) };
        let (tags, beyond) = tags.split_at(printed);
        for row in tags {
            print_row(f, row)?;
        }
        if !beyond.is_empty() {
            print_sum(f, beyond)?;
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
        )
    }
}

fn print_row(f: &mut fmt::Formatter<'_>, row: &Row) -> fmt::Result {
    let (bytes, share) = (Bytes(row.bytes).to_string(), Percent(row.share).to_string());
    let Some(TagColumns { with_children_bytes, blocks, peak_bytes }) = row.tag else {
        return line(f, &row.name, [&bytes, "", "", "", &share]);
    };
    // Below its parent a tag is printed without the parent's name.
    let name = match row.depth {
        0 => row.name.as_str(),
        _ => row.name.rsplit('/').next().unwrap_or_default(),
    };
    let indented = format!("{:indent$}{name}", "", indent = 2 * row.depth.min(8));
    let own = row.bytes.cast_unsigned();
    let children = if with_children_bytes == own {
        String::new()
    } else {
        Bytes(with_children_bytes.cast_signed()).to_string()
    };
    let blocks = Thousands(blocks).to_string();
    let peak = Bytes(peak_bytes.cast_signed()).to_string();
    line(f, &indented, [&bytes, &children, &blocks, &peak, &share])
}

/// One line for the tags that are not printed.
fn print_sum(f: &mut fmt::Formatter<'_>, rows: &[Row]) -> fmt::Result {
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
    writeln!(
        f,
        "{name:<NAME$} {bytes:>BYTES$} {children:>CHILDREN$} {blocks:>BLOCKS$} {peak:>BYTES$} \
         {share:>SHARE$}"
    )
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
