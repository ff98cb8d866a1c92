//! The frame of a record: 32 bytes of header, payload, zero padding to a multiple of 64.
//!
//! ```text
//! 0   crc32c    u32  over all that follows byte 8, padding too: one run, summed where it lies in one pass
//! 4   reserved  u32  0
//! 8   length    u32  bytes of payload
//! 12  type      u16  RecordType
//! 14  version   u16  of the payload's layout, 1
//! 16  sequence  u64  journal sequence, from 1, without a hole
//! 24  epoch     u32  of the gateway that wrote it
//! 28  file_id   u32  segment for which it was written
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
    pub const CRC: Range<usize> = 0..4;
    pub const RESERVED: Range<usize> = 4..8;
    /// First byte that the checksum covers.
    pub const SUMMED: usize = 8;
    pub const LENGTH: Range<usize> = 8..12;
    pub const TYPE: Range<usize> = 12..14;
    pub const VERSION: Range<usize> = 14..16;
    pub const SEQUENCE: Range<usize> = 16..24;
    pub const EPOCH: Range<usize> = 24..28;
    pub const FILE_ID: Range<usize> = 28..32;
}

/// CRC-32C (Castagnoli), of records and pages.
#[must_use]
pub fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
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
    /// A reserved byte is not zero.
    #[error("reserved byte not zero at {0}")]
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

/// Writes a record into `out` and returns its bytes. Its padding is zero, as [`crate::verify`] checks.
///
/// # Panics
/// When the payload is over [`PAYLOAD_BYTES_MAX`] or `out` is shorter than the record.
#[inline(always)]
pub fn encode(header: &Header, payload: &[u8], out: &mut [u8]) -> usize {
    assert!(payload.len() <= PAYLOAD_BYTES_MAX, "payload of {} bytes", payload.len());
    let end = HEADER_BYTES + payload.len();
    let bytes = record_bytes(payload.len());
    let out = &mut out[..bytes];
    // Whole words: a load of eight bytes that were stored in pieces waits until the pieces have left the store buffer.
    let kind = u64::from(header.record_type) | u64::from(header.version) << 16;
    put_word(out, field::LENGTH.start, payload.len() as u64 | kind << 32);
    put_word(out, field::SEQUENCE.start, header.sequence);
    put_address(out, header.epoch, header.file_id);
    out[HEADER_BYTES..end].copy_from_slice(payload);
    out[end..].fill(0);
    seal(out);
    bytes
}

/// Lengths that a record can have.
const LENGTHS: usize = RECORD_BYTES_MAX / ALIGN;

/// Makes records of the tail, whose `file_id` is 0, records of a segment, without summing them again: CRC-32C is linear, so
/// two records that differ in their `file_id` alone have checksums whose difference depends on it and on their length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Address {
    file_id: u32,
    /// The difference for a record of `(index + 1) × ALIGN` bytes.
    differences: [u32; LENGTHS],
}

impl Address {
    pub(crate) fn of(file_id: u32) -> Self {
        let (mut zeros, mut differences) = ([0; RECORD_BYTES_MAX], [0; LENGTHS]);
        for (index, difference) in differences.iter_mut().enumerate() {
            let summed = field::SUMMED..(index + 1) * ALIGN;
            zeros[field::FILE_ID].fill(0);
            let without = crc32c(&zeros[summed.clone()]);
            zeros[field::FILE_ID].copy_from_slice(&file_id.to_le_bytes());
            *difference = crc32c(&zeros[summed]) ^ without;
        }
        Self { file_id, differences }
    }

    /// Writes it into a whole record, whose `file_id` is 0.
    pub(crate) fn put(&self, record: &mut [u8]) {
        let crc = u32_at(record, field::CRC) ^ self.differences[record.len() / ALIGN - 1];
        put_word(record, field::CRC.start, u64::from(crc));
        put_address(record, u32_at(record, field::EPOCH), self.file_id);
    }
}

/// Writes the checksum of a whole record, and the reserved bytes after it.
#[inline]
fn seal(record: &mut [u8]) {
    let crc = crc32c(&record[field::SUMMED..]);
    put_word(record, field::CRC.start, u64::from(crc));
}

fn put_address(record: &mut [u8], epoch: u32, file_id: u32) {
    put_word(record, field::EPOCH.start, u64::from(epoch) | u64::from(file_id) << 32);
}

fn put_word(record: &mut [u8], at: usize, word: u64) {
    record[at..at + 8].copy_from_slice(&word.to_le_bytes());
}

/// The checksum that a record states: what the hash of a segment's records is made of.
#[inline]
pub(crate) fn stated_crc(record: &[u8]) -> u32 {
    u32_at(record, field::CRC)
}

/// Reads the record at the beginning of `bytes`; returns it and the bytes that it takes. Its padding is summed, and whether
/// it is zero is looked at by [`crate::verify`] only.
///
/// # Errors
/// [`Bad`]. Never reads beyond `bytes`, whatever they are.
#[inline]
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
    let Some(record) = bytes.get(..total) else {
        return Err(Bad::Cut);
    };
    if crc32c(&record[field::SUMMED..]) != u32_at(head, field::CRC) {
        return Err(Bad::Checksum);
    }
    if u32_at(head, field::RESERVED) != 0 {
        return Err(Bad::NotZero(field::RESERVED.start));
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
    Ok((Frame { header, payload: &record[HEADER_BYTES..end] }, total))
}

/// Bytes of the record whose header begins `head`, before it is checked; `None` when the length is impossible.
#[must_use]
pub fn announced_bytes(head: &[u8; HEADER_BYTES]) -> Option<usize> {
    let length = u32_at(head, field::LENGTH) as usize;
    (length <= PAYLOAD_BYTES_MAX).then(|| record_bytes(length))
}

#[inline]
pub(crate) fn u16_at(bytes: &[u8], at: Range<usize>) -> u16 {
    u16::from_le_bytes(bytes[at].try_into().expect("two bytes"))
}

#[inline]
pub(crate) fn u32_at(bytes: &[u8], at: Range<usize>) -> u32 {
    u32::from_le_bytes(bytes[at].try_into().expect("four bytes"))
}

#[inline]
pub(crate) fn u64_at(bytes: &[u8], at: Range<usize>) -> u64 {
    u64::from_le_bytes(bytes[at].try_into().expect("eight bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_addressed_record_is_the_one_encoded_with_that_file_id() {
        for payload_bytes in (0..=PAYLOAD_BYTES_MAX).step_by(8) {
            for file_id in [0, 1, 2, 0x0102_0304, u32::MAX] {
                let payload: Vec<u8> = (0..payload_bytes).map(|at| (at * 7 + 1) as u8).collect();
                let header = Header { record_type: 5, version: 1, sequence: 1 << 40, epoch: 9, file_id: 0 };
                let (mut record, mut expected) = ([0; RECORD_BYTES_MAX], [0; RECORD_BYTES_MAX]);
                let bytes = encode(&header, &payload, &mut record);
                Address::of(file_id).put(&mut record[..bytes]);
                encode(&Header { file_id, ..header }, &payload, &mut expected);
                assert_eq!(record, expected, "{payload_bytes} bytes, segment {file_id}");
            }
        }
    }
}
