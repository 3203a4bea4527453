//! What was seen, as the end of a failure message.

use core::fmt;

use super::observation::{Observed, TagGrowth};
use crate::ledger::Counts;

/// Rows of tags that a message has; the rest is one row.
const TAGS_MAX: usize = 10;

pub(super) struct Table<'a>(pub(super) &'a Observed);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Observed { counts, peak_live_bytes, tags, .. } = self.0;
        writeln!(f, "  seen: peak {peak_live_bytes} B live; by tag:")?;
        let (shown, rest) = tags.split_at(tags.len().min(TAGS_MAX));
        let mut rows: Vec<[String; 4]> = shown.iter().map(row).collect();
        if !rest.is_empty() {
            let sum = rest.iter().fold(Counts::ZERO, |sum, tag| sum.plus(&tag.counts));
            rows.push(cells(format!("({} more tags)", rest.len()), &sum));
        }
        if rows.len() != 1 {
            rows.push(cells("(all)".to_owned(), counts));
        }
        let head = ["allocations", "allocated bytes", "live bytes"];
        let width = rows.iter().map(|[tag, ..]| tag.chars().count()).max().unwrap_or(0).max(3);
        writeln!(f, "    {:width$}  {}  {}  {}", "tag", head[0], head[1], head[2])?;
        for [tag, numbers @ ..] in rows {
            write!(f, "    {tag:width$}")?;
            for (number, head) in numbers.iter().zip(head) {
                write!(f, "  {number:>0$}", head.len())?;
            }
            writeln!(f)?;
        }
        notes(self.0, f)
    }
}

fn row(tag: &TagGrowth) -> [String; 4] {
    cells(tag.tag.clone(), &tag.counts)
}

fn cells(tag: String, counts: &Counts) -> [String; 4] {
    let live = match counts.live_bytes_signed() {
        0 => "0".to_owned(),
        bytes => format!("{bytes:+}"),
    };
    [tag, counts.allocated_blocks.to_string(), counts.allocated_bytes.to_string(), live]
}

/// What a reader of the numbers has to know.
fn notes(seen: &Observed, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if seen.still_at_work > 0 {
        let (threads, them) = threads(seen.still_at_work);
        writeln!(f, "  note: {threads} still at work for it when it ended; join {them} first")?;
    }
    if seen.uncounted_threads > 0 {
        let (threads, _) = threads(seen.uncounted_threads);
        writeln!(f, "  note: {threads} without counters: their work is not in the numbers")?;
    }
    Ok(())
}

fn threads(count: u32) -> (String, &'static str) {
    match count {
        1 => ("1 thread was".to_owned(), "it"),
        _ => (format!("{count} threads were"), "them"),
    }
}
