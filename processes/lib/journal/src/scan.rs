//! One segment, walked from its first record to the first bytes that are not the next one.

use crate::frame::{self, ALIGN, Bad, Frame, Header};
use crate::record::RecordType;
use crate::segment::{PAGE_BYTES, SYNC_BYTES, SegmentHeader, SyncBlock};

/// Where a segment's records hash begins: FNV-1a's offset basis.
pub const HASH_OF_NOTHING: u64 = 0xcbf2_9ce4_8422_2325;
/// FNV-1a's prime, of 64 bits.
const HASH_PRIME: u64 = 0x0100_0000_01b3;

/// What stands where the next record should.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stop {
    /// Nothing was written, or the trailer page begins.
    Clean,
    /// Not a whole record.
    Torn(Bad),
    /// A whole record of another segment, or not the next sequence: no crash leaves that.
    Foreign,
}

/// How far a segment reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scan {
    /// Offset of the first bytes that are not a record.
    pub offset: u64,
    /// What they are.
    pub stop: Stop,
    /// Last sequence before them (`first_sequence - 1` when there is none).
    pub last_sequence: u64,
    /// Highest offset that a sync block, anywhere in the segment, says was durable.
    pub committed_bytes: u64,
    /// Hash of the records and sync blocks before `offset`.
    pub records_hash: u64,
}

/// Takes the next record, or a sync block, into the hash of a segment's records: FNV-1a, whose unit here is not a byte but a
/// record's checksum, which stands for its bytes.
#[inline]
#[must_use]
pub(crate) fn hash_record(records_hash: u64, record: &[u8]) -> u64 {
    (records_hash ^ u64::from(frame::stated_crc(record))).wrapping_mul(HASH_PRIME)
}

/// Walks the records of a segment; sync blocks are checked and passed over.
#[derive(Clone, Debug)]
pub struct Walk<'a> {
    bytes: &'a [u8],
    header: SegmentHeader,
    end: usize,
    offset: usize,
    last_sequence: u64,
    committed_bytes: u64,
    records_hash: u64,
    stop: Option<Stop>,
}

impl<'a> Walk<'a> {
    /// Begins after the header page of a whole segment file.
    #[must_use]
    pub fn new(bytes: &'a [u8], header: SegmentHeader) -> Self {
        let end = bytes.len().saturating_sub(PAGE_BYTES).max(PAGE_BYTES).min(bytes.len());
        let last_sequence = header.first_sequence.saturating_sub(1);
        Self {
            bytes,
            header,
            end,
            offset: PAGE_BYTES,
            last_sequence,
            committed_bytes: 0,
            records_hash: HASH_OF_NOTHING,
            stop: None,
        }
    }

    /// Offset of the next record.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// Last sequence passed.
    #[must_use]
    pub const fn last_sequence(&self) -> u64 {
        self.last_sequence
    }

    /// Where and why it ended; `None` before the end.
    #[must_use]
    pub const fn stop(&self) -> Option<Stop> {
        self.stop
    }

    /// Passes over the rest and tells how far it reads.
    #[must_use]
    pub fn finish(mut self) -> Scan {
        while self.next().is_some() {}
        let beyond = self.cursor_beyond();
        Scan {
            offset: self.offset as u64,
            stop: self.stop.unwrap_or(Stop::Clean),
            last_sequence: self.last_sequence,
            committed_bytes: self.committed_bytes.max(beyond),
            records_hash: self.records_hash,
        }
    }

    /// The highest cursor of any sync block beyond the stop: pages are written back in any order, and rot hits anywhere.
    fn cursor_beyond(&self) -> u64 {
        let rest = self.bytes.get(self.offset..self.end).unwrap_or(&[]);
        let blocks = rest.chunks_exact(ALIGN).filter_map(|block| frame::decode(block).ok());
        let ours = blocks.filter(|(frame, _)| frame.header.file_id == self.header.file_id);
        ours.filter_map(|(frame, _)| self.sync_block(&frame)).map(|block| block.committed_bytes).max().unwrap_or(0)
    }

    /// Goes on after the record of `bytes` at the offset.
    #[inline]
    fn pass(&mut self, bytes: usize) {
        self.records_hash = hash_record(self.records_hash, &self.bytes[self.offset..]);
        self.offset += bytes;
    }

    /// A record, not a sync block, of this segment and with the next sequence.
    #[inline]
    fn is_next(&self, header: &Header) -> bool {
        header.file_id == self.header.file_id
            && header.sequence == self.last_sequence.wrapping_add(1)
            && header.record_type != RecordType::Sync as u16
    }

    /// Passes over a sync block, or says why this is the end.
    #[cold]
    fn sync_block_or_stop(&mut self, found: Result<(Frame<'a>, usize), Bad>) {
        let (frame, bytes) = match found {
            Ok(found) => found,
            Err(Bad::Zero) => return self.stop = Some(Stop::Clean),
            Err(bad) => return self.stop = Some(Stop::Torn(bad)),
        };
        let here = frame.header.file_id == self.header.file_id && frame.header.sequence == self.last_sequence;
        let block = self.sync_block(&frame).filter(|block| here && block.committed_bytes <= self.offset as u64);
        match block {
            Some(block) => {
                self.committed_bytes = self.committed_bytes.max(block.committed_bytes);
                self.pass(bytes);
            }
            None => self.stop = Some(Stop::Foreign),
        }
    }

    fn sync_block(&self, frame: &Frame<'_>) -> Option<SyncBlock> {
        SyncBlock::of(frame)
            .filter(|block| block.boot_stamp == self.header.boot_stamp && block.committed_bytes <= self.end as u64)
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = (u64, Frame<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        while self.stop.is_none() {
            if self.offset + SYNC_BYTES > self.end {
                self.stop = Some(Stop::Clean);
                break;
            }
            match frame::decode(&self.bytes[self.offset..self.end]) {
                Ok((frame, bytes)) if self.is_next(&frame.header) => {
                    let offset = self.offset as u64;
                    self.last_sequence = frame.header.sequence;
                    self.pass(bytes);
                    return Some((offset, frame));
                }
                found => self.sync_block_or_stop(found),
            }
        }
        None
    }
}
