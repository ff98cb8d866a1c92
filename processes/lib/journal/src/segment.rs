//! A segment file: a header page, records, and a page for the trailer; and the sync blocks between the records.

use crate::frame::{self, ALIGN, Frame, Header, u32_at, u64_at};
use crate::record::RecordType;
use shm_layout::types::{Nanos, fnv1a64};

/// Bytes of the header page and of the trailer page.
pub const PAGE_BYTES: usize = 4096;
/// Smallest segment: both pages, the largest record, and a sync block.
pub const SEGMENT_BYTES_MIN: u64 = (2 * PAGE_BYTES + frame::RECORD_BYTES_MAX + ALIGN) as u64;
/// Version of the file format.
pub const VERSION: u32 = 2;
/// First bytes of a segment.
pub const HEADER_MAGIC: [u8; 8] = *b"TKWJRNL\x01";
/// First bytes of a trailer.
pub const TRAILER_MAGIC: [u8; 8] = *b"TKWJEND\x01";
/// Bytes of a sync block: exactly one unit of alignment.
pub const SYNC_BYTES: usize = ALIGN;

const HEADER_CRC: std::ops::Range<usize> = 88..92;
const TRAILER_CRC: std::ops::Range<usize> = 56..60;
const TRAILER_USED: usize = 64;

/// The header page of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SegmentHeader {
    /// Number of the segment, from 1, without a hole.
    pub file_id: u32,
    /// Boot stamp of the instance.
    pub boot_stamp: u64,
    /// Sequence of its first record.
    pub first_sequence: u64,
    /// Hash of the host file.
    pub config_hash: u64,
    /// Hash of the instrument table.
    pub instrument_table_hash: u64,
    /// Hash of the host's name.
    pub host_name_hash: u64,
    /// Hash of the previous segment's trailer; 0 for the first.
    pub previous_trailer_hash: u64,
    /// Bytes of the file.
    pub segment_bytes: u64,
    /// When it was created.
    pub created_ns: Nanos,
    /// Epoch of the gateway that created it.
    pub epoch: u32,
    /// Durability level, 0–3.
    pub durability: u8,
    /// Index of the gateway.
    pub gateway: u8,
}

/// The trailer of a segment that is complete.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Trailer {
    /// Number of the segment.
    pub file_id: u32,
    /// Sequence of its last record.
    pub last_sequence: u64,
    /// Offset after its last record.
    pub records_end: u64,
    /// Hash of the `crc32c` fields of every record and sync block, in order: FNV-1a over units of 32 bits.
    pub records_hash: u64,
    /// As in the header: a link of the chain.
    pub previous_trailer_hash: u64,
    /// When it was sealed.
    pub sealed_ns: Nanos,
}

/// Why a page is not what it should be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadPage {
    /// All zero.
    #[error("page is all zero")]
    Zero,
    /// Shorter than a page.
    #[error("page is cut")]
    Cut,
    /// Not the magic.
    #[error("not a journal segment")]
    Magic,
    /// Another version.
    #[error("journal version {0}, this build reads {VERSION}")]
    Version(u32),
    /// The checksum is wrong.
    #[error("wrong checksum")]
    Checksum,
    /// A reserved byte is not zero.
    #[error("reserved byte {0} is not zero")]
    NotZero(usize),
    /// The first sequence is over [`frame::SEQUENCE_MAX`].
    #[error("impossible first sequence {0}")]
    Sequence(u64),
}

impl SegmentHeader {
    /// The page.
    #[must_use]
    pub fn encode(&self) -> [u8; PAGE_BYTES] {
        let mut page = [0; PAGE_BYTES];
        page[0..8].copy_from_slice(&HEADER_MAGIC);
        page[8..12].copy_from_slice(&VERSION.to_le_bytes());
        page[12..16].copy_from_slice(&self.file_id.to_le_bytes());
        let words = [
            self.boot_stamp,
            self.first_sequence,
            self.config_hash,
            self.instrument_table_hash,
            self.host_name_hash,
            self.previous_trailer_hash,
            self.segment_bytes,
            self.created_ns.0,
        ];
        for (index, word) in words.into_iter().enumerate() {
            page[16 + 8 * index..24 + 8 * index].copy_from_slice(&word.to_le_bytes());
        }
        page[80..84].copy_from_slice(&self.epoch.to_le_bytes());
        page[84] = self.durability;
        page[85] = self.gateway;
        let crc = frame::crc32c(&page);
        page[HEADER_CRC].copy_from_slice(&crc.to_le_bytes());
        page
    }

    /// Reads the page.
    ///
    /// # Errors
    /// [`BadPage`].
    pub fn decode(page: &[u8]) -> Result<Self, BadPage> {
        let page = checked(page, &HEADER_MAGIC, HEADER_CRC, HEADER_CRC.end)?;
        if page[86..88] != [0; 2] {
            return Err(BadPage::NotZero(86));
        }
        let first_sequence = u64_at(page, 24..32);
        if first_sequence > frame::SEQUENCE_MAX {
            return Err(BadPage::Sequence(first_sequence));
        }
        Ok(Self {
            file_id: u32_at(page, 12..16),
            boot_stamp: u64_at(page, 16..24),
            first_sequence,
            config_hash: u64_at(page, 32..40),
            instrument_table_hash: u64_at(page, 40..48),
            host_name_hash: u64_at(page, 48..56),
            previous_trailer_hash: u64_at(page, 56..64),
            segment_bytes: u64_at(page, 64..72),
            created_ns: Nanos(u64_at(page, 72..80)),
            epoch: u32_at(page, 80..84),
            durability: page[84],
            gateway: page[85],
        })
    }
}

impl Trailer {
    /// The page.
    #[must_use]
    pub fn encode(&self) -> [u8; PAGE_BYTES] {
        let mut page = [0; PAGE_BYTES];
        page[0..8].copy_from_slice(&TRAILER_MAGIC);
        page[8..12].copy_from_slice(&VERSION.to_le_bytes());
        page[12..16].copy_from_slice(&self.file_id.to_le_bytes());
        let words =
            [self.last_sequence, self.records_end, self.records_hash, self.previous_trailer_hash, self.sealed_ns.0];
        for (index, word) in words.into_iter().enumerate() {
            page[16 + 8 * index..24 + 8 * index].copy_from_slice(&word.to_le_bytes());
        }
        let crc = frame::crc32c(&page);
        page[TRAILER_CRC].copy_from_slice(&crc.to_le_bytes());
        page
    }

    /// Reads the page.
    ///
    /// # Errors
    /// [`BadPage`]; `Zero` when the segment was never sealed.
    pub fn decode(page: &[u8]) -> Result<Self, BadPage> {
        let page = checked(page, &TRAILER_MAGIC, TRAILER_CRC, TRAILER_CRC.end)?;
        Ok(Self {
            file_id: u32_at(page, 12..16),
            last_sequence: u64_at(page, 16..24),
            records_end: u64_at(page, 24..32),
            records_hash: u64_at(page, 32..40),
            previous_trailer_hash: u64_at(page, 40..48),
            sealed_ns: Nanos(u64_at(page, 48..56)),
        })
    }

    /// What the next segment's header holds.
    #[must_use]
    pub fn hash(&self) -> u64 {
        fnv1a64(&self.encode()[..TRAILER_USED])
    }
}

/// Magic, version, checksum and zeros from `used` to the page's end.
fn checked<'a>(
    bytes: &'a [u8],
    magic: &[u8; 8],
    crc: std::ops::Range<usize>,
    used: usize,
) -> Result<&'a [u8; PAGE_BYTES], BadPage> {
    let page = bytes.first_chunk::<PAGE_BYTES>().ok_or(BadPage::Cut)?;
    if page.iter().all(|byte| *byte == 0) {
        return Err(BadPage::Zero);
    }
    if page[..8] != magic[..] {
        return Err(BadPage::Magic);
    }
    let version = u32_at(page, 8..12);
    if version != VERSION {
        return Err(BadPage::Version(version));
    }
    let mut blank = *page;
    blank[crc.clone()].fill(0);
    if frame::crc32c(&blank) != u32_at(page, crc) {
        return Err(BadPage::Checksum);
    }
    match page[used..].iter().position(|byte| *byte != 0) {
        Some(index) => Err(BadPage::NotZero(used + index)),
        None => Ok(page),
    }
}

/// A sync block: what was durable in this file when it was written. A bad record below `committed_bytes` is corruption;
/// beyond the highest such cursor it is torn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SyncBlock {
    /// Offset in this file below which everything had been synced.
    pub committed_bytes: u64,
    /// Last sequence below it.
    pub committed_sequence: u64,
    /// Boot stamp of the instance: a venue that could guess a block's place could not forge one in a message.
    pub boot_stamp: u64,
}

impl SyncBlock {
    /// The block, as the record that stands in the file after `last_sequence`.
    #[must_use]
    pub fn encode(&self, last_sequence: u64, epoch: u32, file_id: u32) -> [u8; SYNC_BYTES] {
        let record_type = RecordType::Sync as u16;
        let header = Header { record_type, version: frame::VERSION, sequence: last_sequence, epoch, file_id };
        let mut payload = [0; SYNC_BYTES - frame::HEADER_BYTES];
        payload[0..8].copy_from_slice(&self.committed_bytes.to_le_bytes());
        payload[8..16].copy_from_slice(&self.committed_sequence.to_le_bytes());
        payload[16..24].copy_from_slice(&self.boot_stamp.to_le_bytes());
        let mut block = [0; SYNC_BYTES];
        frame::encode(&header, &payload, &mut block);
        block
    }

    /// The block of a frame; `None` when it is another record or malformed.
    #[must_use]
    pub fn of(frame: &Frame<'_>) -> Option<Self> {
        let right = frame.header.record_type == RecordType::Sync as u16 && frame.payload.len() == SYNC_BYTES - 32;
        if !right || frame.payload[24..].iter().any(|byte| *byte != 0) {
            return None;
        }
        Some(Self {
            committed_bytes: u64_at(frame.payload, 0..8),
            committed_sequence: u64_at(frame.payload, 8..16),
            boot_stamp: u64_at(frame.payload, 16..24),
        })
    }
}
