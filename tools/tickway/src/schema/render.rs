//! A field's bytes as a value: by the description alone, whatever the bytes are. It never panics on a payload.

use super::{Field, Repr};
use crate::output::{hex, snake};
use serde_json::{Value, json};
use shm_layout::topology::RingId;
use shm_layout::types::{ClOrdId, InstrumentId, Price, Qty, Role};

/// The value of a field in a payload of whole words; `null` when the payload is too short.
#[must_use]
pub fn value(field: &Field, words: &[u64]) -> Value {
    let Field { offset, bytes, .. } = *field;
    if offset + bytes > words.len() * 8 {
        return Value::Null;
    }
    let number = number(words, offset, bytes);
    match field.repr {
        Repr::Unsigned if bytes > 8 => json!(&words[offset / 8..(offset + bytes) / 8]),
        Repr::Unsigned | Repr::Nanos => json!(number),
        Repr::Signed if bytes > 8 => words[offset / 8..(offset + bytes) / 8].iter().map(|word| *word as i64).collect(),
        Repr::Signed => json!(number as i64),
        Repr::Code(codes) => (codes.name_of)(number).map_or_else(|| json!(number), |name| json!(snake(name))),
        Repr::Role if number == 0 => json!("all"),
        Repr::Role => Role::from_u8(number as u8).map_or_else(|| json!(number), |role| json!(role.folder())),
        Repr::Bool => json!(number == 1),
        Repr::Bit(bit) => json!(number >> bit & 1 == 1),
        Repr::Price => json!(Price(number as i64).to_string()),
        Repr::Qty => json!(Qty(number as i64).to_string()),
        Repr::ClOrdId if number == 0 => Value::Null,
        Repr::ClOrdId => json!(ClOrdId(number).to_string()),
        Repr::Instrument if number as u32 == InstrumentId::ALL.0 => json!("all"),
        Repr::Instrument => json!(number),
        Repr::Ring => RingId::from_u32(number as u32).map_or_else(|| json!(number), |ring| json!(ring.name())),
        Repr::Hash => json!(hex(number)),
        Repr::Ascii => {
            json!(String::from_utf8_lossy(&bytes_of(words, offset, bytes)).trim_matches(['\0', ' ']).to_owned())
        }
        Repr::Bytes(length_at) => {
            let used = self::number(words, length_at, 2) as usize;
            json!(digits(&bytes_of(words, offset, bytes.min(used))))
        }
        Repr::Reserved => {
            let bytes = bytes_of(words, offset, bytes);
            if bytes.iter().all(|byte| *byte == 0) { json!(0) } else { json!({ "not_zero": digits(&bytes) }) }
        }
    }
}

/// The first 8 bytes of a field at most, little-endian. No field of 8 bytes or fewer lies in two words.
fn number(words: &[u64], offset: usize, bytes: usize) -> u64 {
    let word = words[offset / 8] >> (offset % 8 * 8);
    if bytes >= 8 { word } else { word & ((1 << (bytes * 8)) - 1) }
}

fn bytes_of(words: &[u64], offset: usize, bytes: usize) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).skip(offset).take(bytes).collect()
}

/// Bytes as hexadecimal digits.
#[must_use]
pub fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
