//! CSV (RFC 4180): a column per field of the rings' messages. It never drops a line: what is missing has one too.

use super::{Event, What};
use crate::schema::{self, Repr};
use serde_json::Value;
use shm_layout::topology::RingId;

/// Columns that every line has.
const FIRST: [&str; 5] = ["ring", "sequence", "stamp_ns", "kind", "missed"];

/// The columns of these rings' messages, in order of first use.
pub(super) fn columns(rings: &[RingId]) -> Vec<&'static str> {
    let mut columns = FIRST.to_vec();
    for ring in rings {
        for message in schema::types_of(ring.kind) {
            for field in message.fields().filter(|field| !matches!(field.repr, Repr::Reserved)) {
                if !columns.contains(&field.name) {
                    columns.push(field.name);
                }
            }
        }
    }
    columns
}

/// The first line.
pub(super) fn heading(columns: &[&str]) -> String {
    format!("{}\r\n", columns.join(","))
}

/// A line.
pub(super) fn row(columns: &[&'static str], event: &Event<'_>) -> String {
    let message = match event.what {
        What::Message(words) => schema::type_of(event.ring.kind, words).map(|message| (message, words)),
        _ => None,
    };
    let cell = |column: &&'static str| match *column {
        // `ring` is also a field of a step: the column says where the message lay.
        "ring" => event.ring.name(),
        "sequence" => event.sequence.to_string(),
        "stamp_ns" => event.stamp_ns.to_string(),
        "missed" => match event.what {
            What::Lapped(missed) | What::Gap(missed) => missed.to_string(),
            _ => String::new(),
        },
        "kind" => match event.what {
            What::Message(_) => {
                message.map_or("unreadable".to_owned(), |(message, _)| crate::output::snake(message.name))
            }
            What::Lapped(_) => "lapped".to_owned(),
            What::Gap(_) => "gap".to_owned(),
            What::End => "end".to_owned(),
        },
        name => message.map_or_else(String::new, |(message, words)| {
            let field = message.fields().find(|field| field.name == name && !matches!(field.repr, Repr::Reserved));
            field.map_or_else(String::new, |field| plain(&schema::value(field, words)))
        }),
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
