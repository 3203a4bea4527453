//! Markdown tables.

use crate::paired::Paired;

/// A table that is printed when it is complete.
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns.
    pub fn new<Cell: Into<String>>(title: &str, columns: impl IntoIterator<Item = Cell>) -> Self {
        println!("\n### {title}\n");
        Self { rows: vec![columns.into_iter().map(Into::into).collect()] }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Prints it, columns aligned.
    pub fn print(self) {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let width = |column: usize| {
            self.rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
        };
        let widths: Vec<usize> = (0..columns).filter_map(width).collect();
        for (number, row) in self.rows.iter().enumerate() {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!(" {cell:<width$} |"));
            println!("|{}", cells.collect::<String>());
            if number == 0 {
                let lines = widths.iter().map(|width| format!("{:-<1$}|", "", width + 2));
                println!("|{}", lines.collect::<String>());
            }
        }
    }
}

/// A ratio, marked if it is above what is to be reached.
pub fn against(ratio: f64, reach: Option<f64>) -> String {
    let missed = reach.is_some_and(|reach| ratio.is_nan() || ratio > reach);
    format!("{ratio:.2}{}", if missed { " ✗" } else { "" })
}

/// The ratio of the least times, and in brackets the median of the pairs' ratios.
pub fn ratios(paired: &Paired, reach: Option<f64>) -> String {
    format!("{} ({:.2})", against(paired.least_ratio(), reach), paired.wall_ratio())
}

/// Nanoseconds, to as many digits as mean something.
pub fn nanoseconds(ns: f64) -> String {
    match ns.abs() {
        tiny if tiny < 100.0 => format!("{ns:.1} ns"),
        small if small < 10_000.0 => format!("{ns:.0} ns"),
        middle if middle < 10_000_000.0 => format!("{:.1} µs", ns / 1e3),
        _ => format!("{:.0} ms", ns / 1e6),
    }
}
