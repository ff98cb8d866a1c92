//! Payloads of the ring slots: 56 bytes (64-byte slots) or 120 bytes (128-byte slots), little-endian, no padding.
//!
//! A ring carries words, not types: [`words`] and [`Words`] turn a payload into the words of a slot and back, and each
//! `decode` checks kind, codes and reserved bytes before a typed message exists. A bad one is counted by its reader.

pub mod control;
pub mod execution;
pub mod market_data;
pub mod order;
pub mod step;
pub mod wire;

/// Words of a 64-byte slot's payload.
pub const WORDS_64: usize = 7;
/// Words of a 128-byte slot's payload.
pub const WORDS_128: usize = 15;

/// Payload of a 64-byte slot, as the ring carries it.
pub type Words64 = [u64; WORDS_64];
/// Payload of a 128-byte slot, as the ring carries it.
pub type Words128 = [u64; WORDS_128];

/// A payload that is not a message of its ring.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BadMessage {
    /// The kind byte is none of the ring's.
    Kind(u8),
    /// A code byte (side, status, …) is none of its table's.
    Code(&'static str, u8),
    /// A reserved byte is not zero.
    Reserved,
}

impl std::fmt::Display for BadMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Kind(byte) => write!(f, "unknown message kind {byte}"),
            Self::Code(field, byte) => write!(f, "field {field} has the unknown code {byte}"),
            Self::Reserved => write!(f, "a reserved byte is not zero"),
        }
    }
}

impl std::error::Error for BadMessage {}

/// First byte of a payload: its kind.
#[must_use]
pub const fn kind_of(first_word: u64) -> u8 {
    first_word as u8
}
