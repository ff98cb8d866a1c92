//! Messages and journal records as JSON, by the standard's own field names.
//!
//! Prices and quantities are decimal strings, ids their 13 characters, codes their names. Bytes that are no message become
//! an `error` and the raw words: a tool never stops at a bad one.

mod execution;
mod market_data;
mod order;
mod other;
mod record;

pub use order::request;
pub use record::record;

use crate::output::{hex, snake};
use serde_json::{Map, Value, json};
use shm_layout::topology::RingKind;
use shm_layout::types::{ClOrdId, InstrumentId};

/// The message of a ring of this kind.
#[must_use]
pub fn message(kind: RingKind, words: &[u64]) -> Value {
    let decoded = match kind {
        RingKind::MarketData => sized(words).map(market_data::message),
        RingKind::OrderIntent | RingKind::OrderEntry => sized(words).map(order::message),
        RingKind::Execution => sized(words).map(execution::message),
        RingKind::Control => sized(words).map(other::control),
        RingKind::Step => sized(words).map(other::step),
        RingKind::Wire => sized(words).map(other::wire),
    };
    match decoded {
        Some(Ok(value)) => value,
        Some(Err(bad)) => raw(&bad.to_string(), words),
        None => raw("payload of another size", words),
    }
}

fn sized<const W: usize>(words: &[u64]) -> Option<[u64; W]> {
    words.try_into().ok()
}

fn raw(error: &str, words: &[u64]) -> Value {
    json!({ "error": error, "words": words.iter().map(|word| hex(*word)).collect::<Vec<_>>() })
}

/// A code's name, or the byte itself when it is none of its table's.
fn code<T>(table: &[T], byte: u8, number: impl Fn(&T) -> u8, name: impl Fn(&T) -> &'static str) -> Value {
    table.iter().find(|entry| number(entry) == byte).map_or_else(|| json!(byte), |entry| json!(snake(name(entry))))
}

/// The name of a code byte in a table of `shm_layout`.
macro_rules! code_name {
    ($table:ty, $byte:expr) => {
        $crate::decode::code(<$table>::ALL, $byte, |entry| *entry as u8, |entry| entry.name())
    };
}
use code_name;

fn id(id: ClOrdId) -> Value {
    if id == ClOrdId::NONE { Value::Null } else { json!(id.to_string()) }
}

fn instrument(id: InstrumentId) -> Value {
    if id == InstrumentId::ALL { json!("all") } else { json!(id.0) }
}

/// A line for people: the kind, where there is one, then every field that says something.
#[must_use]
pub fn text(value: &Value) -> String {
    let Some(object) = value.as_object() else { return value.to_string() };
    let mut words: Vec<String> = object.get("kind").and_then(Value::as_str).map(str::to_owned).into_iter().collect();
    for (key, value) in object.iter().filter(|(key, value)| *key != "kind" && says_something(value)) {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        words.push(format!("{key}={text}"));
    }
    words.join(" ")
}

fn says_something(value: &Value) -> bool {
    !matches!(value, Value::Null) && *value != json!(0) && *value != json!("0") && *value != json!("none")
}

/// Joins two objects.
fn merged(mut first: Map<String, Value>, second: Value) -> Value {
    if let Value::Object(second) = second {
        first.extend(second);
    }
    Value::Object(first)
}

/// The object of a `json!` literal.
fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests;
