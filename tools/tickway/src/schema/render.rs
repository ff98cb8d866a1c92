//! A field's bytes as a value: by the description alone, whatever the bytes are. It never panics on a payload.

use super::{Field, Repr};
use crate::output::{hex, snake};
use serde_json::{Value, json};
use shm_layout::topology::RingId;
use shm_layout::types::{ClOrdId, InstrumentId, Price, Qty};

/// The value of a field in a payload of whole words; `null` when the payload is too short.
#[must_use]
pub fn value(field: &Field, words: &[u64]) -> Value {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let Some(bytes) = bytes.get(field.offset..field.offset + field.bytes) else { return Value::Null };
    let number = unsigned(bytes);
    match field.repr {
        Repr::Unsigned if field.bytes > 8 => bytes.chunks(8).map(unsigned).collect(),
        Repr::Unsigned => json!(number),
        Repr::Signed if field.bytes > 8 => bytes.chunks(8).map(|word| unsigned(word) as i64).collect(),
        Repr::Signed => json!(number as i64),
        Repr::Code(codes) => {
            let found = (codes.values)().into_iter().find(|(code, _)| *code == number);
            found.map_or_else(|| json!(number), |(_, name)| json!(snake(name)))
        }
        Repr::Price => json!(Price(number as i64).to_string()),
        Repr::Qty => json!(Qty(number as i64).to_string()),
        Repr::Nanos => json!(number),
        Repr::ClOrdId if number == 0 => Value::Null,
        Repr::ClOrdId => json!(ClOrdId(number).to_string()),
        Repr::Instrument if number as u32 == InstrumentId::ALL.0 => json!("all"),
        Repr::Instrument => json!(number),
        Repr::Ring => RingId::from_u32(number as u32).map_or_else(|| json!(number), |ring| json!(ring.name())),
        Repr::Hash => json!(hex(number)),
        Repr::Ascii => json!(String::from_utf8_lossy(bytes).trim_matches(['\0', ' ']).to_owned()),
        Repr::Bytes => json!(digits(bytes)),
        Repr::Reserved if bytes.iter().all(|byte| *byte == 0) => json!(0),
        Repr::Reserved => json!({ "not_zero": digits(bytes) }),
    }
}

/// Little-endian, at most the first 8 bytes.
fn unsigned(bytes: &[u8]) -> u64 {
    bytes.iter().take(8).rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// Bytes as hexadecimal digits.
#[must_use]
pub fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
