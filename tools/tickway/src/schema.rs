//! The one description of every message: its fields with offset, type, unit and meaning.
//!
//! `schema ls|show|decode`, NDJSON, text, the columns of CSV and the Wireshark dissector all come from these tables, so that a
//! field has one name and one value in all of them. Where the bytes of a struct's field mean another thing on each kind of
//! message, each kind has a field of its own, named by what it means there. A test holds the tables against the Rust structs
//! and against the README of `shm-layout`. It never decodes for a process: only for eyes.

mod command;
mod execution;
mod market_data;
mod order;
mod other;
mod render;
mod step;
pub mod wireshark;

pub use command::Command;
pub use render::{digits, value};

use shm_layout::topology::RingKind;

/// A table of codes.
#[derive(Clone, Copy, Debug)]
pub struct Codes {
    /// Its name in `shm_layout`.
    pub name: &'static str,
    /// Every code with its name, in order of the codes.
    pub values: fn() -> Vec<(u64, &'static str)>,
    /// The name of a code.
    pub name_of: fn(u64) -> Option<&'static str>,
}

/// What the bytes of a field are. Integers are little-endian.
#[derive(Clone, Copy, Debug)]
pub enum Repr {
    /// Unsigned, of the field's own width; several of 8 bytes when the field is longer.
    Unsigned,
    /// Signed, 8 bytes each.
    Signed,
    /// A code of a table.
    Code(&'static Codes),
    /// Price in 1e-8 of the quote currency.
    Price,
    /// Quantity in 1e-8 of the instrument's unit.
    Qty,
    /// Nanoseconds on the instance's time line.
    Nanos,
    /// ClOrdID, printed as 13 base-36 characters.
    ClOrdId,
    /// Row of the instrument table, 0xffffffff = all.
    Instrument,
    /// RingId.
    Ring,
    /// A hash or stamp, printed in hexadecimal digits.
    Hash,
    /// ASCII, padded with zeros or spaces.
    Ascii,
    /// Role of a process by its folder's name, 0 = all.
    Role,
    /// 1 = true.
    Bool,
    /// One bit of a byte that fields share.
    Bit(u8),
    /// Bytes, of which the `u16` at this offset says how many are used.
    Bytes(usize),
    /// Zero.
    Reserved,
}

/// A field.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Name, as in the Rust struct, or by what the struct's field means on this kind.
    pub name: &'static str,
    /// Bytes from the payload's start.
    pub offset: usize,
    /// Its length.
    pub bytes: usize,
    /// What its bytes are.
    pub repr: Repr,
    /// What it means, with its FIX tag where it has one.
    pub about: &'static str,
}

/// A message type.
#[derive(Clone, Copy, Debug)]
pub struct MessageType {
    /// Name, as in the tables of kinds: `NewOrderSingle`.
    pub name: &'static str,
    /// Rings that carry it.
    pub rings: &'static [RingKind],
    /// Its kind byte.
    pub kind: u8,
    /// Its fields in order of offset, in parts that types share.
    pub parts: &'static [&'static [Field]],
    /// What it says.
    pub about: &'static str,
}

impl MessageType {
    /// Its fields in order of offset.
    pub fn fields(&self) -> impl Iterator<Item = &'static Field> + use<> {
        self.parts.iter().flat_map(|part| part.iter())
    }

    /// Its fields without the reserved ones.
    pub fn shown(&self) -> impl Iterator<Item = &'static Field> + use<> {
        self.fields().filter(|field| !matches!(field.repr, Repr::Reserved))
    }

    /// Bytes of its payload.
    #[must_use]
    pub const fn payload_bytes(&self) -> usize {
        self.rings[0].slot_bytes() - 8
    }
}

impl Field {
    /// The type as it is written in the README: `u32`, `[u64; 2]`.
    #[must_use]
    pub fn type_name(&self) -> String {
        let letter = if matches!(self.repr, Repr::Signed | Repr::Price | Repr::Qty) { 'i' } else { 'u' };
        match (self.repr, self.bytes) {
            (Repr::Bytes(_), bytes) => format!("[u8; {bytes}]"),
            (_, bytes @ (1 | 2 | 4 | 8)) => format!("{letter}{}", bytes * 8),
            (_, bytes) if bytes % 8 == 0 => format!("[{letter}64; {}]", bytes / 8),
            (_, bytes) => format!("[u8; {bytes}]"),
        }
    }

    /// The unit or table of its values.
    #[must_use]
    pub fn unit(&self) -> String {
        match self.repr {
            Repr::Code(codes) => codes.name.to_owned(),
            Repr::Price => "1e-8 of the quote currency".to_owned(),
            Repr::Qty => "1e-8 of the instrument's unit".to_owned(),
            Repr::Nanos => "ns since 1970 on the instance's line".to_owned(),
            Repr::ClOrdId => "ClOrdID, 13 base-36 characters".to_owned(),
            Repr::Instrument => "row of the instrument table".to_owned(),
            Repr::Ring => "RingId".to_owned(),
            Repr::Hash => "hash".to_owned(),
            Repr::Ascii => "ASCII".to_owned(),
            Repr::Reserved => "zero".to_owned(),
            Repr::Unsigned if self.name.ends_with("_ns") => "ns".to_owned(),
            Repr::Bytes(_) => "bytes".to_owned(),
            Repr::Role => "Role, 0 = all".to_owned(),
            Repr::Bool => "1 = true".to_owned(),
            Repr::Bit(bit) => format!("bit {bit}"),
            Repr::Unsigned | Repr::Signed => String::new(),
        }
    }
}

/// Every message type, in order of ring and kind.
pub fn types() -> impl Iterator<Item = &'static MessageType> {
    market_data::TYPES.iter().chain(order::TYPES).chain(execution::TYPES).chain(step::TYPES).chain(other::TYPES)
}

/// The types of a kind of ring.
pub fn types_of(ring: RingKind) -> impl Iterator<Item = &'static MessageType> {
    types().filter(move |message| message.rings.contains(&ring))
}

/// The type of a payload, by its first byte; `None` when the ring has no such kind.
#[must_use]
pub fn type_of(ring: RingKind, words: &[u64]) -> Option<&'static MessageType> {
    let kind = words.first()?.to_le_bytes()[0];
    types_of(ring).find(|message| message.kind == kind)
}

/// Letters and digits in lower case: `NewOrderSingle`, `new_order_single` and `new-order-single` are one name.
#[must_use]
pub fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
}

/// A field of a table.
const fn field(name: &'static str, offset: usize, bytes: usize, repr: Repr, about: &'static str) -> Field {
    Field { name, offset, bytes, repr, about }
}

/// Names a table of codes.
macro_rules! codes {
    ($($constant:ident = $table:ident;)+) => {$(
        /// Its codes.
        pub(super) static $constant: $crate::schema::Codes = $crate::schema::Codes {
            name: stringify!($table),
            values: || $table::ALL.iter().map(|code| (*code as u64, code.name())).collect(),
            name_of: |number| $table::ALL.iter().find(|code| **code as u64 == number).map(|code| code.name()),
        };
    )+};
}
use codes;

#[cfg(test)]
mod tests;
