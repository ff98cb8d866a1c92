//! Messages and journal records as JSON, by the standard's own field names.
//!
//! A message's fields are those of the description in `schema`, as in every other format. Prices and quantities are decimal
//! strings, ids their 13 characters, codes their names. Bytes that are no message become an `error` and the raw words: a
//! tool never stops at a bad one.

mod record;

pub use record::record;

use crate::output::hex;
use crate::schema::{self, MessageType};
use serde_json::{Map, Value, json};
use shm_layout::message::BadMessage;
use shm_layout::message::control::Control;
use shm_layout::message::execution::Execution;
use shm_layout::message::market_data::MarketData;
use shm_layout::message::order::OrderRequest;
use shm_layout::message::step::Step;
use shm_layout::message::wire::WireChunk;
use shm_layout::topology::RingKind;

/// The message of a ring of this kind.
#[must_use]
pub fn message(kind: RingKind, words: &[u64]) -> Value {
    let checked = match kind {
        RingKind::MarketData => check(words, |words| MarketData::decode(words).map(drop)),
        RingKind::OrderIntent | RingKind::OrderEntry => check(words, |words| OrderRequest::decode(words).map(drop)),
        RingKind::Execution => check(words, |words| Execution::decode(words).map(drop)),
        RingKind::Control => check(words, |words| Control::decode(words).map(drop)),
        RingKind::Step => check(words, |words| Step::decode(words).map(drop)),
        RingKind::Wire => check(words, |words| WireChunk::decode(words).map(drop)),
    };
    match (checked, schema::type_of(kind, words)) {
        (Ok(()), Some(message)) => fields(message, words),
        (Ok(()), None) => raw("a kind without a description", words),
        (Err(error), _) => raw(&error, words),
    }
}

/// What the processes themselves would say of the words.
fn check<const W: usize>(words: &[u64], decode: impl Fn(&[u64; W]) -> Result<(), BadMessage>) -> Result<(), String> {
    let words = words.try_into().map_err(|_| "payload of another size".to_owned())?;
    decode(words).map_err(|bad| bad.to_string())
}

/// The fields of a payload by its type's description, whatever their values are.
fn fields(message: &MessageType, words: &[u64]) -> Value {
    message.shown().map(|field| (field.name.to_owned(), schema::value(field, words))).collect::<Map<_, _>>().into()
}

fn raw(error: &str, words: &[u64]) -> Value {
    json!({ "error": error, "words": words.iter().map(|word| hex(*word)).collect::<Vec<_>>() })
}

/// Fields whose zero means that there is none, on every kind that has them.
const NONE_AT_ZERO: [&str; 10] = [
    "cause_sequence",
    "intent_sequence",
    "limit_version",
    "lost",
    "parent_id",
    "receive_ns",
    "reference_price",
    "request_id",
    "risk_epoch",
    "risk_sequence",
];

/// A line for people: the kind, where there is one, then every field but those that say `none`. A zero is a value: a level
/// that is gone has `qty=0`, and the first strategy is `strategy_id=0`.
#[must_use]
pub fn text(value: &Value) -> String {
    let Some(object) = value.as_object() else { return value.to_string() };
    let mut words: Vec<String> = object.get("kind").and_then(Value::as_str).map(str::to_owned).into_iter().collect();
    for (key, value) in object.iter().filter(|(key, value)| *key != "kind" && says_something(key, value)) {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        words.push(format!("{key}={text}"));
    }
    words.join(" ")
}

fn says_something(key: &str, value: &Value) -> bool {
    let is_zero = *value == json!(0) || *value == json!("0");
    !value.is_null() && *value != json!("none") && !(is_zero && NONE_AT_ZERO.contains(&key))
}

#[cfg(test)]
mod tests;
