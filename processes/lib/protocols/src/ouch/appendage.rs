//! The appendage: optional fields at a message's end.
//!
//! ```text
//! | AL/2 | (length/1 tag/1 value/length-1) × … |       AL = bytes after it
//! ```
//!
//! It is checked whole with its message. Tags that this codec has no type for are carried as they are.

use super::Firm;
use crate::{Malformed, Unencodable, Wire};

/// Tag numbers of the protocol's table that this codec gives a type.
pub mod tag {
    /// Firm, 4 bytes of text.
    pub const FIRM: u8 = 2;
    /// Minimum quantity, 4 bytes.
    pub const MIN_QTY: u8 = 3;
    /// Post only, 1 byte.
    pub const POST_ONLY: u8 = 12;
}

/// Bytes of AL.
const AL_LENGTH: usize = 2;

/// One optional field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagValue<'a> {
    /// Firm that the order is entered for (tag 2).
    Firm(Firm),
    /// Shares that must execute at once, or none (tag 3).
    MinQty(u32),
    /// P: cancel instead of taking liquidity; N: normal (tag 12).
    PostOnly(u8),
    /// Any other tag, as it stands on the wire.
    Opaque {
        /// Tag number.
        tag: u8,
        /// Value, at most 254 bytes.
        value: &'a [u8],
    },
}

impl<'a> TagValue<'a> {
    /// The field of `tag`; `None` when a typed tag has a value of another width.
    fn read(tag: u8, value: &'a [u8]) -> Option<Self> {
        match tag {
            tag::FIRM => value.try_into().ok().map(|text| Self::Firm(crate::Alpha(text))),
            tag::MIN_QTY => value.try_into().ok().map(|bytes| Self::MinQty(u32::from_be_bytes(bytes))),
            tag::POST_ONLY => value.try_into().ok().map(|[code]: [u8; 1]| Self::PostOnly(code)),
            _ => Some(Self::Opaque { tag, value }),
        }
    }

    /// Tag number.
    #[must_use]
    pub const fn tag(&self) -> u8 {
        match self {
            Self::Firm(_) => tag::FIRM,
            Self::MinQty(_) => tag::MIN_QTY,
            Self::PostOnly(_) => tag::POST_ONLY,
            Self::Opaque { tag, .. } => *tag,
        }
    }

    const fn value_length(&self) -> usize {
        match self {
            Self::Firm(_) | Self::MinQty(_) => 4,
            Self::PostOnly(_) => 1,
            Self::Opaque { value, .. } => value.len(),
        }
    }

    /// Writes length, tag and value into all of `out`, which has the room for exactly that.
    fn write(&self, out: &mut [u8]) -> Result<(), Unencodable> {
        let refused = Unencodable::Refused { field: "appendage" };
        let [length, tag, value @ ..] = out else { return Err(refused) };
        *length = u8::try_from(1 + self.value_length()).map_err(|_| refused)?;
        *tag = self.tag();
        let whole = match self {
            Self::Firm(firm) => firm.write(value),
            Self::MinQty(quantity) => quantity.write(value),
            Self::PostOnly(code) => code.write(value),
            // A typed tag of the wrong width could not be read back.
            Self::Opaque { tag, value: opaque } => {
                value.copy_from_slice(opaque);
                Self::read(*tag, opaque).is_some()
            }
        };
        if whole { Ok(()) } else { Err(refused) }
    }
}

/// A message's optional fields, checked whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Appendage<'a> {
    bytes: &'a [u8],
}

impl<'a> Appendage<'a> {
    /// Bytes that a message takes after its fixed part at least.
    pub(super) const fn presence_length(presence: &str) -> usize {
        match presence.as_bytes() {
            b"required" => AL_LENGTH,
            b"optional" => 0,
            _ => panic!("an appendage is required or optional"),
        }
    }

    /// Checks `rest`, which is everything after the fixed part of a message and stands at `offset` in it.
    #[inline]
    pub(super) fn new_checked(rest: &'a [u8], offset: usize) -> Result<Self, Malformed> {
        // Most messages have no optional fields: no AL, or one that counts nothing and is followed by nothing.
        if matches!(rest, [] | [0, 0]) { Ok(Self::default()) } else { Self::with_fields(rest, offset) }
    }

    fn with_fields(rest: &'a [u8], offset: usize) -> Result<Self, Malformed> {
        let content = |offset, what| Malformed::Content { offset, what };
        let (al, bytes) =
            rest.split_first_chunk().ok_or(content(offset, "the message ends inside the appendage's length"))?;
        if usize::from(u16::from_be_bytes(*al)) != bytes.len() {
            return Err(content(offset, "the appendage's length differs from what follows"));
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let at = offset + AL_LENGTH + bytes.len() - rest.len();
            let (tag, value, after) =
                split_tag_value(rest).ok_or(content(at, "a tag-value that does not fit its appendage"))?;
            TagValue::read(tag, value).ok_or(content(at, "a tag's value has the wrong width"))?;
            rest = after;
        }
        Ok(Self { bytes })
    }

    /// Whether there are no optional fields.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The optional fields, in order.
    #[must_use]
    pub const fn tag_values(&self) -> TagValues<'a> {
        TagValues { rest: self.bytes }
    }

    /// Minimum quantity, if given.
    #[must_use]
    pub fn min_qty(&self) -> Option<u32> {
        self.tag_values().find_map(|field| if let TagValue::MinQty(quantity) = field { Some(quantity) } else { None })
    }

    /// Post-only code, if given.
    #[must_use]
    pub fn post_only(&self) -> Option<u8> {
        self.tag_values().find_map(|field| if let TagValue::PostOnly(code) = field { Some(code) } else { None })
    }

    /// Firm, if given.
    #[must_use]
    pub fn firm(&self) -> Option<Firm> {
        self.tag_values().find_map(|field| if let TagValue::Firm(firm) = field { Some(firm) } else { None })
    }

    /// Bytes that AL and `tags` take.
    pub(super) fn encoded_length(tags: &[TagValue<'_>]) -> usize {
        AL_LENGTH + tags.iter().map(|field| 2 + field.value_length()).sum::<usize>()
    }

    /// Writes AL and `tags` into all of `out`, which has [`Appendage::encoded_length`] bytes.
    pub(super) fn encode(tags: &[TagValue<'_>], out: &mut [u8]) -> Result<(), Unencodable> {
        let refused = Unencodable::Refused { field: "appendage" };
        let (al, mut rest) = out.split_first_chunk_mut().ok_or(refused)?;
        *al = u16::try_from(rest.len()).map_err(|_| refused)?.to_be_bytes();
        for field in tags {
            let (block, after) = rest.split_at_mut_checked(2 + field.value_length()).ok_or(refused)?;
            field.write(block)?;
            rest = after;
        }
        Ok(())
    }
}

/// Takes one tag-value off `rest`: `(tag, value, what follows)`.
fn split_tag_value(rest: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (length, rest) = rest.split_first()?;
    let (field, rest) = rest.split_at_checked(usize::from(*length))?;
    let (tag, value) = field.split_first()?;
    Some((*tag, value, rest))
}

/// The fields of an [`Appendage`], in order.
#[derive(Clone, Debug)]
pub struct TagValues<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for TagValues<'a> {
    type Item = TagValue<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let (tag, value, rest) = split_tag_value(self.rest)?;
        self.rest = rest;
        TagValue::read(tag, value)
    }
}
