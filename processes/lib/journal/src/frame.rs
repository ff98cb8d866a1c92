//! The frame of a record: 32 bytes of header, payload, zero padding to a multiple of 64.
//!
//! ```text
//! 0   length    u32  bytes of payload
//! 4   type      u16  RecordType
//! 6   version   u16  of the payload's layout, 1
//! 8   sequence  u64  journal sequence, from 1, without a hole
//! 16  epoch     u32  of the gateway that wrote it
//! 20  file_id   u32  segment for which it was written
//! 24  crc32c    u32  over the header (this field as zero) and the payload
//! 28  reserved  u32  0
//! 32  payload   length bytes, then zeros
//! ```

use std::ops::Range;

/// Bytes of a header.
pub const HEADER_BYTES: usize = 32;
/// Every record begins and ends on a multiple of this; a header therefore never straddles a page.
pub const ALIGN: usize = 64;
/// Largest payload.
pub const PAYLOAD_BYTES_MAX: usize = RECORD_BYTES_MAX - HEADER_BYTES;
/// Largest record.
pub const RECORD_BYTES_MAX: usize = 1024;
/// Greatest sequence: 146 years at a record per nanosecond. A greater one is garbage, so that adding to one never
/// overflows, whatever a neighbour stored.
pub const SEQUENCE_MAX: u64 = 1 << 62;
/// Version of every payload of this build.
pub const VERSION: u16 = 1;

mod field {
    use super::Range;
    pub const LENGTH: Range<usize> = 0..4;
    pub const TYPE: Range<usize> = 4..6;
    pub const VERSION: Range<usize> = 6..8;
    pub const SEQUENCE: Range<usize> = 8..16;
    pub const EPOCH: Range<usize> = 16..20;
    pub const FILE_ID: Range<usize> = 20..24;
    pub const CRC: Range<usize> = 24..28;
    pub const RESERVED: Range<usize> = 28..32;
}

/// What a header says beside its length and its checksum.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Raw [`crate::RecordType`].
    pub record_type: u16,
    /// Version of the payload's layout.
    pub version: u16,
    /// Journal sequence.
    pub sequence: u64,
    /// Epoch of the gateway that wrote it.
    pub epoch: u32,
    /// Segment for which it was written.
    pub file_id: u32,
}

/// A record whose frame is whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame<'a> {
    /// Its header.
    pub header: Header,
    /// Its payload.
    pub payload: &'a [u8],
}

/// Why bytes are not a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Bad {
    /// 64 zero bytes: nothing was written here.
    #[error("nothing written")]
    Zero,
    /// The bytes end before the record does.
    #[error("cut")]
    Cut,
    /// The length is over the largest.
    #[error("impossible length {0}")]
    Length(u32),
    /// The checksum is wrong.
    #[error("wrong checksum")]
    Checksum,
    /// A reserved byte or the padding is not zero.
    #[error("reserved or padding byte not zero at {0}")]
    NotZero(usize),
    /// The sequence is over [`SEQUENCE_MAX`].
    #[error("impossible sequence {0}")]
    Sequence(u64),
}

/// Bytes that a record with this payload takes.
#[must_use]
pub const fn record_bytes(payload_bytes: usize) -> usize {
    (HEADER_BYTES + payload_bytes).next_multiple_of(ALIGN)
}

/// Writes a record into `out` and returns its bytes.
///
/// # Panics
/// When the payload is over [`PAYLOAD_BYTES_MAX`] or `out` is shorter than the record.
pub fn encode(header: &Header, payload: &[u8], out: &mut [u8]) -> usize {
    assert!(payload.len() <= PAYLOAD_BYTES_MAX, "payload of {} bytes", payload.len());
    let bytes = record_bytes(payload.len());
    let out = &mut out[..bytes];
    // What is not written below: checksum, reserved bytes, padding.
    out[field::CRC.start..HEADER_BYTES].fill(0);
    out[HEADER_BYTES..HEADER_BYTES + payload.len()].copy_from_slice(payload);
    out[HEADER_BYTES + payload.len()..].fill(0);
    out[field::LENGTH].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    out[field::TYPE].copy_from_slice(&header.record_type.to_le_bytes());
    out[field::VERSION].copy_from_slice(&header.version.to_le_bytes());
    out[field::SEQUENCE].copy_from_slice(&header.sequence.to_le_bytes());
    out[field::EPOCH].copy_from_slice(&header.epoch.to_le_bytes());
    out[field::FILE_ID].copy_from_slice(&header.file_id.to_le_bytes());
    let crc = crc32c::crc32c(&out[..HEADER_BYTES + payload.len()]);
    out[field::CRC].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// Reads the record at the beginning of `bytes`; returns it and the bytes that it takes.
///
/// # Errors
/// [`Bad`]. Never reads beyond `bytes`, whatever they are.
pub fn decode(bytes: &[u8]) -> Result<(Frame<'_>, usize), Bad> {
    let Some(head) = bytes.first_chunk::<HEADER_BYTES>() else {
        return Err(Bad::Cut);
    };
    let length = u32_at(head, field::LENGTH);
    if length == 0 && bytes.iter().take(ALIGN).all(|byte| *byte == 0) {
        return Err(Bad::Zero);
    }
    if length as usize > PAYLOAD_BYTES_MAX {
        return Err(Bad::Length(length));
    }
    let end = HEADER_BYTES + length as usize;
    let total = record_bytes(length as usize);
    if bytes.len() < total {
        return Err(Bad::Cut);
    }
    let mut blank = *head;
    blank[field::CRC].fill(0);
    let payload = &bytes[HEADER_BYTES..end];
    if crc32c::crc32c_append(crc32c::crc32c(&blank), payload) != u32_at(head, field::CRC) {
        return Err(Bad::Checksum);
    }
    if u32_at(head, field::RESERVED) != 0 {
        return Err(Bad::NotZero(field::RESERVED.start));
    }
    let padding = &bytes[end..total];
    if padding.iter().fold(0, |all, byte| all | byte) != 0 {
        let index = padding.iter().position(|byte| *byte != 0).expect("one of them is not zero");
        return Err(Bad::NotZero(end + index));
    }
    let header = Header {
        record_type: u16_at(head, field::TYPE),
        version: u16_at(head, field::VERSION),
        sequence: u64_at(head, field::SEQUENCE),
        epoch: u32_at(head, field::EPOCH),
        file_id: u32_at(head, field::FILE_ID),
    };
    if header.sequence > SEQUENCE_MAX {
        return Err(Bad::Sequence(header.sequence));
    }
    Ok((Frame { header, payload }, total))
}

/// Bytes of the record whose header begins `head`, before it is checked; `None` when the length is impossible.
#[must_use]
pub fn announced_bytes(head: &[u8; HEADER_BYTES]) -> Option<usize> {
    let length = u32_at(head, field::LENGTH) as usize;
    (length <= PAYLOAD_BYTES_MAX).then(|| record_bytes(length))
}

pub(crate) fn u16_at(bytes: &[u8], at: Range<usize>) -> u16 {
    u16::from_le_bytes(bytes[at].try_into().expect("two bytes"))
}

pub(crate) fn u32_at(bytes: &[u8], at: Range<usize>) -> u32 {
    u32::from_le_bytes(bytes[at].try_into().expect("four bytes"))
}

pub(crate) fn u64_at(bytes: &[u8], at: Range<usize>) -> u64 {
    u64::from_le_bytes(bytes[at].try_into().expect("eight bytes"))
}
