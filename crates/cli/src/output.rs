//! What a person or a script sees: tables, one JSON object, progress.
//!
//! **Invariants.** With `--json` standard output holds exactly one JSON value. Progress and remarks
//! go to standard error, always.

use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// For a person.
    Text,
    /// For a script.
    Json,
}

impl Output {
    /// Writes a result: `text` for a person, `json` for a script.
    pub fn result(self, text: impl std::fmt::Display, json: &Value) {
        match self {
            Self::Text => println!("{text}"),
            Self::Json => println!("{json}"),
        }
    }
}

/// An empty table with a header line; the columns in `numbers` are right-aligned.
pub fn table(header: &[&str], numbers: &[usize]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY).set_header(header);
    for column in numbers {
        if let Some(column) = table.column_mut(*column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// A bar over `len` steps on standard error.
pub fn bar(len: u64, what: &str) -> ProgressBar {
    let style = "{prefix:>12} [{bar:32}] {human_pos}/{human_len} {msg}";
    let style = ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(len).with_style(style.progress_chars("=> ")).with_prefix(what.to_owned())
}

/// A turning wheel on standard error, for work of unknown length.
pub fn spinner(what: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix:>12} {spinner} {msg}");
    let bar =
        ProgressBar::new_spinner().with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar.enable_steady_tick(Duration::from_millis(120));
    bar.with_prefix(what.to_owned())
}

/// `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `350.0 MB`.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if count < 1000 {
        return format!("{count} B");
    }
    let mut size = count as f64 / 1000.0;
    let mut unit = 0;
    while size >= 1000.0 && unit + 1 < UNITS.len() {
        size /= 1000.0;
        unit += 1;
    }
    format!("{size:.1} {}", UNITS[unit])
}

/// `3.2 ms`, `1.45 s`.
pub fn time(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        format!("{:.1} ms", duration.as_secs_f64() * 1000.0)
    } else {
        format!("{:.2} s", duration.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(350_000_000), "350.0 MB");
        assert_eq!(time(Duration::from_micros(3200)), "3.2 ms");
        assert_eq!(time(Duration::from_millis(1450)), "1.45 s");
    }
}
