//! The gateway's hand on the journal: appends whole records to the tail, without a system call, a lock or an allocation.

use crate::frame::{self, Header, RECORD_BYTES_MAX};
use crate::record::{Intent, Record, RecordType};
use crate::tail::{self, BadTail, TailSnapshot, TailState, word};
use shm_layout::failpoint::Failpoint;
use shm_layout::ring::sync::{Ordering, SharedWords};
use std::hint::black_box;
use zerocopy::IntoBytes;

/// Why a record was not taken. Nothing was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AppendError {
    /// The flusher is behind by the whole tail (or, for a record that opens risk, by all but the reserve).
    #[error("journal tail full")]
    TailFull,
    /// The files cannot be written, and the record would open risk.
    #[error("journal unavailable")]
    JournalUnavailable,
}

/// A record is written whole, and the cursor does not cover it yet: nobody may see it.
static BEFORE_COMMIT: Failpoint = Failpoint::new("journal.append.before_commit");

/// The journal's failpoints, for [`shm_layout::failpoint::arm`].
pub static FAILPOINTS: [&Failpoint; 1] = [&BEFORE_COMMIT];

/// What an order's first record has.
const INTENT_BYTES: usize = frame::record_bytes(size_of::<Intent>());

/// Appends records to a tail. One per tail.
#[derive(Debug)]
pub struct TailWriter {
    words: SharedWords,
    capacity: usize,
    /// Where in the circular area the next record goes: `committed` modulo the capacity.
    place: usize,
    /// Room kept for venue evidence, cancels and rejects.
    reserve: u64,
    epoch: u32,
    committed: u64,
    sequence: u64,
    /// Last seen release, read again only when room seems short.
    released: u64,
    buffer: Image,
}

/// The record being made. Aligned, so that no store into it crosses a cache line: the checksum's loads would wait for it.
#[derive(Debug)]
#[repr(align(64))]
struct Image([u8; RECORD_BYTES_MAX]);

impl TailWriter {
    /// Takes up a tail where its last writer left it. `files_last_sequence` is the last sequence in the files, as recovery
    /// found it: an empty tail continues after it.
    ///
    /// # Errors
    /// [`BadTail`].
    pub fn attach(words: SharedWords, boot_stamp: u64, epoch: u32, files_last_sequence: u64) -> Result<Self, BadTail> {
        let capacity = tail::check(&words, Some(boot_stamp))?;
        let committed = words.load(word::COMMITTED, Ordering::Acquire);
        let released = words.load(word::RELEASED, Ordering::Acquire);
        let mut last_sequence = files_last_sequence;
        for frame in TailSnapshot::take(&words)?.frames() {
            last_sequence = frame.map_err(|_| BadTail::Corrupt)?.header.sequence;
        }
        words.store(word::EPOCH, u64::from(epoch), Ordering::Relaxed);
        words.store(word::LAST_SEQUENCE, last_sequence, Ordering::Relaxed);
        let buffer = Image([0; RECORD_BYTES_MAX]);
        let (place, reserve) = ((committed % capacity as u64) as usize, capacity as u64 / 8);
        Ok(Self { words, capacity, place, reserve, epoch, committed, sequence: last_sequence, released, buffer })
    }

    /// Sequence that the next record will have: a report states its own record's.
    #[must_use]
    pub const fn next_sequence(&self) -> u64 {
        self.sequence + 1
    }

    /// Sequence of the last record.
    #[must_use]
    pub const fn last_sequence(&self) -> u64 {
        self.sequence
    }

    /// The durable watermark: every record through it is synced to files.
    #[must_use]
    pub fn durable_sequence(&self) -> u64 {
        self.words.load(word::DURABLE_SEQUENCE, Ordering::Acquire)
    }

    /// State of the flusher.
    #[must_use]
    pub fn state(&self) -> TailState {
        match self.words.load(word::STATE, Ordering::Acquire) {
            0 => TailState::Flowing,
            1 => TailState::NoSpace,
            _ => TailState::Failed,
        }
    }

    /// Bytes that are free now.
    #[must_use]
    pub fn free_bytes(&self) -> u64 {
        let released = self.words.load(word::RELEASED, Ordering::Acquire);
        let capacity = self.capacity as u64;
        capacity - self.committed.saturating_sub(released).min(capacity)
    }

    /// Checks that a record that opens risk would be taken now: before the order is judged further.
    ///
    /// # Errors
    /// [`AppendError`].
    pub fn ready(&mut self) -> Result<(), AppendError> {
        self.room(RECORD_BYTES_MAX as u64, true)
    }

    /// Reads the memory of the next record, while there is nothing to append: the tail is larger than any cache, and a
    /// record's first store would wait for it.
    pub fn rehearse(&self) {
        let first = word::DATA + self.place / 8;
        let lines = (first..self.words.len()).step_by(8).take(INTENT_BYTES / 64);
        black_box(lines.fold(0, |sum, line| sum ^ self.words.load(line, Ordering::Relaxed)));
        black_box(self.buffer.0[..INTENT_BYTES].iter().step_by(64).fold(0, |sum, byte| sum ^ byte));
    }

    /// Appends a record and commits it; returns its sequence. When it returns, the record survives this process.
    ///
    /// # Errors
    /// [`AppendError`].
    ///
    /// # Panics
    /// On [`Record::Reserved`].
    pub fn append(&mut self, record: &Record) -> Result<u64, AppendError> {
        // The types that make up a journal, each with the length that the compiler then knows: no call copies them.
        match record {
            Record::Intent(payload) => self.put(RecordType::Intent, payload.as_bytes(), record.opens_risk()),
            Record::Sent(payload) => self.put(RecordType::Sent, payload.as_bytes(), false),
            Record::VenueMessage(payload) => self.put(RecordType::VenueMessage, payload.as_bytes(), false),
            Record::Execution(payload) => self.put(RecordType::Execution, payload.as_bytes(), false),
            _ => self.put(record.record_type(), record.payload(), record.opens_risk()),
        }
    }

    #[inline(always)]
    fn put(&mut self, record_type: RecordType, payload: &[u8], opens_risk: bool) -> Result<u64, AppendError> {
        self.room(frame::record_bytes(payload.len()) as u64, opens_risk)?;
        let sequence = self.sequence + 1;
        let header = Header {
            record_type: record_type as u16,
            version: frame::VERSION,
            sequence,
            epoch: self.epoch,
            // Filled in by the flusher, which alone knows the segment.
            file_id: 0,
        };
        let bytes = frame::encode(&header, payload, &mut self.buffer.0);
        tail::copy_in(&self.words, self.capacity, self.place, &self.buffer.0[..bytes]);
        self.place += bytes;
        if self.place >= self.capacity {
            self.place -= self.capacity;
        }
        self.committed += bytes as u64;
        self.sequence = sequence;
        self.words.store(word::LAST_SEQUENCE, sequence, Ordering::Relaxed);
        BEFORE_COMMIT.hit();
        self.words.store(word::COMMITTED, self.committed, Ordering::Release);
        Ok(sequence)
    }

    fn room(&mut self, bytes: u64, opens_risk: bool) -> Result<(), AppendError> {
        if opens_risk && self.state() != TailState::Flowing {
            return Err(AppendError::JournalUnavailable);
        }
        let need = bytes + if opens_risk { self.reserve } else { 0 };
        if self.committed - self.released + need > self.capacity as u64 {
            // A release beyond what was committed is not the flusher's: take none of it.
            let released = self.words.load(word::RELEASED, Ordering::Acquire);
            self.released = if released <= self.committed { released.max(self.released) } else { self.released };
            if self.committed - self.released + need > self.capacity as u64 {
                return Err(AppendError::TailFull);
            }
        }
        Ok(())
    }
}
