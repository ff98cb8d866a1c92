//! What goes to standard output: one JSON document, a stream of JSON lines, or a table for people.

use crate::failure::{Failure, IO_ERROR};
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;
use std::io::{self, Write};

/// Version of every JSON document and line.
pub const SCHEMA_VERSION: u64 = 1;

/// Prints a line.
///
/// # Errors
/// When it cannot be written; a closed pipe ends the command without a word.
pub fn line(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}").and_then(|()| stdout.flush()).map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::closed_pipe(),
        _ => Failure::new(IO_ERROR, format!("cannot write to standard output: {error}"), "free space where it goes"),
    })
}

/// Prints a JSON object, with its `schema_version`, as one line: a document, or an item of a stream.
///
/// # Errors
/// As [`line`].
///
/// # Panics
/// When the value is not an object.
pub fn json(mut value: Value) -> Result<(), Failure> {
    let object = value.as_object_mut().expect("a document is an object");
    object.insert("schema_version".to_owned(), SCHEMA_VERSION.into());
    line(&value.to_string())
}

/// An empty table with these headings.
#[must_use]
pub fn table(headings: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(headings.iter().map(|heading| (*heading).to_owned()));
    table
}

/// Prints a table.
///
/// # Errors
/// As [`line`].
pub fn print_table(table: &Table) -> Result<(), Failure> {
    let text = table.to_string();
    line(&text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n"))
}

/// A value or a dash.
#[must_use]
pub fn or_dash<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// A count of nanoseconds in a unit that reads well.
#[must_use]
pub fn duration(ns: u64) -> String {
    match ns {
        0..=9_999 => format!("{ns} ns"),
        10_000..=9_999_999 => format!("{}.{} us", ns / 1_000, ns / 100 % 10),
        10_000_000..=9_999_999_999 => format!("{}.{} ms", ns / 1_000_000, ns / 100_000 % 10),
        _ => format!("{} s", ns / 1_000_000_000),
    }
}

/// A count with its noun, which takes an `s` unless the count is 1: `1 restart`, `2 restarts`.
#[must_use]
pub fn count(count: impl Into<u64>, noun: &str) -> String {
    let count = count.into();
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// `CamelCase`, the tables' names, as `snake_case`, the names of JSON.
#[must_use]
pub fn snake(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 4);
    for (index, letter) in name.chars().enumerate() {
        if letter.is_ascii_uppercase() && index > 0 {
            text.push('_');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}

/// A stamp or hash as text: it uses all 64 bits, more than a reader of JSON may keep of a number.
#[must_use]
pub fn hex(value: u64) -> String {
    format!("0x{value:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_durations_read_well() {
        assert_eq!(snake("NewOrderSingle"), "new_order_single");
        assert_eq!(snake("Buy"), "buy");
        assert_eq!(duration(9_999), "9999 ns");
        assert_eq!(duration(12_345), "12.3 us");
        assert_eq!(duration(12_345_678), "12.3 ms");
        assert_eq!(duration(12_345_678_901), "12 s");
        assert_eq!(hex(255), "0x00000000000000ff");
        assert_eq!([count(0_u64, "gap"), count(1_u64, "gap"), count(2_u64, "gap")], ["0 gaps", "1 gap", "2 gaps"]);
    }
}
