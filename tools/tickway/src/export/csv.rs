//! CSV (RFC 4180): the values of NDJSON, a column per field. It never drops a line: what is missing has one too.

use crate::schema;
use serde_json::Value;
use shm_layout::topology::RingId;

/// Columns that every line has, first and last.
const FIRST: [&str; 5] = ["ring", "sequence", "stamp_ns", "kind", "missed"];
const LAST: [&str; 2] = ["error", "words"];

/// The columns of these rings' messages, in order of first use.
pub(super) fn columns(rings: &[RingId]) -> Vec<&'static str> {
    let mut columns = FIRST.to_vec();
    for ring in rings {
        for field in schema::types_of(ring.kind).flat_map(schema::MessageType::shown) {
            if !columns.contains(&field.name) {
                columns.push(field.name);
            }
        }
    }
    columns.extend(LAST);
    columns
}

/// The first line.
pub(super) fn heading(columns: &[&str]) -> String {
    format!("{}\r\n", columns.join(","))
}

/// The line of an event, which is given as JSON.
pub(super) fn row(columns: &[&'static str], event: &Value) -> String {
    let cell = |column: &&'static str| match *column {
        "kind" if event["kind"].is_null() => "unreadable".to_owned(),
        name => plain(&event[name]),
    };
    let cells: Vec<String> = columns.iter().map(|column| quoted(&cell(column))).collect();
    format!("{}\r\n", cells.join(","))
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

fn quoted(text: &str) -> String {
    if text.contains(['"', ',', '\r', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}
