//! What is printed: sections of aligned lines, nothing that needs a wide screen.

use std::cmp::Reverse;
use std::fmt;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use console::style;
use lingua::Language;

use crate::cache::Answer;
use crate::corpus::Corpus;
use crate::language::LANGUAGES;
use crate::load::HttpLoad;
use crate::pipeline::Indexed;
use crate::queries::Load;
use crate::search::SearchService;

/// The heading of a section.
pub fn heading(out: &mut impl Write, title: &str) -> io::Result<()> {
    writeln!(out, "\n{}", style(title).bold())
}

/// One named line of a section.
fn line(out: &mut impl Write, name: &str, text: impl fmt::Display) -> io::Result<()> {
    writeln!(out, "  {name:<11}{text}")
}

/// Which files will be indexed.
pub fn corpus(out: &mut impl Write, corpus: &Corpus, origin: Option<&str>) -> io::Result<()> {
    heading(out, "Documents")?;
    line(out, "folder", crate::extract::one_line(&corpus.root.to_string_lossy()))?;
    if let Some(origin) = origin {
        line(out, "", origin)?;
    }
    let (chosen, found) = (corpus.files.len(), corpus.found);
    if chosen < found {
        let text = format!("{} of {}, spread evenly over the folders", count(chosen), count(found));
        line(out, "files", text)?;
        line(out, "", "(--max-documents 0 takes all)")
    } else {
        line(out, "files", count(found))
    }
}

/// What was indexed and how fast.
pub fn indexed(
    out: &mut impl Write,
    indexed: &Indexed,
    elapsed: Duration,
    threads: usize,
) -> io::Result<()> {
    let documents = indexed.store.iter().count();
    let rate = count((documents as f64 / elapsed.as_secs_f64()) as usize);
    heading(out, "Index")?;
    line(out, "documents", format!("{}, {} of text", count(documents), bytes(indexed.text_bytes)))?;
    line(out, "languages", languages(indexed))?;
    if indexed.skipped.total() > 0 {
        line(out, "skipped", indexed.skipped)?;
    }
    let plural = if threads == 1 { "" } else { "s" };
    line(
        out,
        "time",
        format!("{} on {threads} thread{plural}, {rate} documents a second", time(elapsed)),
    )
}

/// Documents by language, most frequent first.
fn languages(indexed: &Indexed) -> String {
    let documents = || indexed.store.iter();
    let of = |language| documents().filter(|document| document.language == language).count();
    let mut counts: Vec<(usize, String)> =
        LANGUAGES.iter().map(|language| (of(Some(*language)), name(*language))).collect();
    counts.sort_by_key(|(number, _)| Reverse(*number));
    counts.push((of(None), "other or unclear".to_owned()));
    let shown = counts.into_iter().filter(|(number, _)| *number > 0);
    shown.map(|(number, name)| format!("{} {name}", count(number))).collect::<Vec<_>>().join(", ")
}

fn name(language: Language) -> String {
    language.to_string()
}

/// The answer to a query that the user asked.
pub fn answer(
    out: &mut impl Write,
    query: &str,
    answer: &Answer,
    elapsed: Duration,
) -> io::Result<()> {
    heading(out, &format!("Search: {}", crate::extract::one_line(query)))?;
    if answer.hits.is_empty() {
        return writeln!(out, "  nothing found ({})", time(elapsed));
    }
    let shown = answer.hits.len();
    writeln!(out, "  best {shown} of {} documents, in {}", count(answer.total), time(elapsed))?;
    for (rank, hit) in (1..).zip(&answer.hits) {
        writeln!(
            out,
            "  {rank:>3}. {}  {}",
            style(&hit.title).bold(),
            style(format!("{:.1}", hit.score)).dim()
        )?;
        writeln!(out, "       {}", style(crate::extract::one_line(&hit.path)).cyan())?;
        writeln!(out, "       {}", hit.snippet)?;
    }
    Ok(())
}

/// How many queries ran, and the work of the cache.
pub fn load(
    out: &mut impl Write,
    load: &Load,
    service: &SearchService,
    threads: usize,
) -> io::Result<()> {
    let queries = load.computed.count() + load.cached.count();
    heading(out, "Load")?;
    if queries == 0 {
        return writeln!(out, "  no queries");
    }
    let rate = count((queries as f64 / load.elapsed.as_secs_f64()) as usize);
    let plural = if threads == 1 { "" } else { "s" };
    line(
        out,
        "queries",
        format!(
            "{}, {} different, of the documents' own words",
            count(queries),
            count(load.distinct)
        ),
    )?;
    line(
        out,
        "time",
        format!("{} on {threads} thread{plural}, {rate} queries a second", time(load.elapsed)),
    )?;
    let cache = &service.cache;
    let share = 100.0 * load.cached.count() as f64 / queries as f64;
    line(
        out,
        "cache",
        format!(
            "{share:.0} % hits, {} of {} answers kept",
            count(cache.len()),
            count(cache.capacity())
        ),
    )?;
    Ok(())
}

/// What some work did to the heap.
pub fn heap(out: &mut impl Write, delta: &heapledger::Delta) -> io::Result<()> {
    let kept = delta.live_bytes();
    let kept = format!("{}{}", if kept < 0 { "-" } else { "+" }, bytes(kept.unsigned_abs()));
    let passed = bytes(delta.allocated_bytes.max(0).unsigned_abs());
    let blocks = count(delta.allocated_blocks.max(0) as usize);
    line(out, "heap", format!("{kept} live; {passed} allocated on the way, in {blocks} blocks"))
}

/// How long queries took, with and without the cache.
pub fn latencies(out: &mut impl Write, load: &Load) -> io::Result<()> {
    if load.computed.count() + load.cached.count() == 0 {
        return Ok(());
    }
    writeln!(out, "\n  {:<13}{:>9}{:>11}{:>11}{:>11}", "latency", "queries", "p50", "p99", "max")?;
    for (name, times) in [("computed", &load.computed), ("from cache", &load.cached)] {
        if times.count() > 0 {
            write!(out, "  {name:<13}{:>9}", count(times.count()))?;
            for percent in [50, 99, 100] {
                write!(out, "{:>11}", time(times.percentile(percent)))?;
            }
            writeln!(out)?;
        }
    }
    Ok(())
}

/// Where the server is.
pub fn serving(out: &mut impl Write, address: SocketAddr, until: &str) -> io::Result<()> {
    heading(out, "Server")?;
    line(out, "address", format!("http://{address}"))?;
    line(out, "answers", "/search?q=some+words&limit=3  /memory  /memory.json")?;
    line(out, "until", until)?;
    // Somebody may wait for the address.
    out.flush()
}

/// How the server did under load.
pub fn http_load(out: &mut impl Write, load: &HttpLoad) -> io::Result<()> {
    heading(out, "Load over HTTP")?;
    let answered = load.answered.count();
    let plural = if load.connections == 1 { "" } else { "s" };
    let (requests, connections) = (count(answered + load.refused), load.connections);
    line(out, "requests", format!("{requests} on {connections} connection{plural}"))?;
    if load.refused > 0 {
        line(out, "refused", count(load.refused))?;
    }
    let rate = count((answered as f64 / load.elapsed.as_secs_f64()) as usize);
    line(out, "time", format!("{}, {rate} answers a second", time(load.elapsed)))?;
    let [p50, p99, max] = [50, 99, 100].map(|percent| time(load.answered.percentile(percent)));
    line(out, "latency", format!("p50 {p50}, p99 {p99}, max {max}"))?;
    heading(out, "Memory half-way, as GET /memory")?;
    writeln!(out, "{}", load.memory.trim_end())
}

/// `12,345`
pub fn count(number: usize) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `12.3 MiB`
pub fn bytes(number: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if number < 1024 {
        return format!("{number} B");
    }
    let mut value = number as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// `1.23 s`, `4.5 ms` or `6.7 µs`
pub fn time(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds >= 0.9995 {
        format!("{seconds:.2} s")
    } else if seconds >= 0.000_999_95 {
        format!("{:.1} ms", seconds * 1e3)
    } else {
        format!("{:.1} µs", seconds * 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_easy_to_read() {
        let counts = [0, 12, 999, 1_000, 48_673, 1_234_567].map(count);
        assert_eq!(counts, ["0", "12", "999", "1,000", "48,673", "1,234,567"]);
        let sizes = [0, 1023, 1024, 1 << 20, (1 << 30) - 1, 5 << 30].map(bytes);
        assert_eq!(sizes, ["0 B", "1023 B", "1.0 KiB", "1.0 MiB", "1.0 GiB", "5.0 GiB"]);
        let times =
            [2_346_000_000, 45_600_000, 999_600_000, 1_200].map(|n| time(Duration::from_nanos(n)));
        assert_eq!(times, ["2.35 s", "45.6 ms", "1.00 s", "1.2 µs"]);
    }
}
