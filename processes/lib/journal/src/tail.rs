//! The journal tail: the region of shared memory that survives the gateway's death (level L0).
//!
//! ```text
//! byte 0     magic            u64  "TKWTAIL\x02"
//!      8     capacity_bytes   u64  of the circular area
//!      16    boot_stamp       u64  of the instance
//!      24    reserved         to 128
//!      128   committed_bytes  u64  written: end of the last whole record, counted from the journal's beginning
//!      136   last_sequence    u64  sequence of that record; may be one ahead after a death, so only for display
//!      144   epoch            u64  of the gateway that writes
//!      152   reserved         to 256
//!      256   released_bytes   u64  flusher: everything below is durable in files and may be overwritten
//!      264   durable_sequence u64  flusher: the durable watermark
//!      272   state            u64  flusher: TailState
//!      280   file_id          u64  flusher: segment being written
//!      288   file_offset      u64  flusher: end of what is written in it
//!      296   reserved         to 512
//!      512   the circular area: byte n of the journal's records is at n mod capacity
//! ```
//! `committed_bytes` is stored with release after the record's words, so that a death between the two leaves bytes that
//! nobody sees. Writer and flusher each own a line of 128 bytes.

use crate::frame::{self, ALIGN, Frame};
use shm_layout::region::{RegionKind, RegionSpec};
use shm_layout::ring::sync::{Ordering, SharedWords};
use shm_layout::types::{Role, fnv1a64};
use std::sync::atomic::fence;

/// First word.
pub const MAGIC: u64 = u64::from_le_bytes(*b"TKWTAIL\x02");
/// Bytes before the circular area.
pub const HEADER_BYTES: usize = 512;
/// Smallest circular area.
pub const CAPACITY_BYTES_MIN: usize = 16 * frame::RECORD_BYTES_MAX;

/// Greatest place in the stream of records: a greater cursor is garbage, so that adding to one never overflows.
pub const STREAM_BYTES_MAX: u64 = 1 << 62;

/// Layout hash of the tail's region: of the drawing above, field by field, and of the records' version.
pub const LAYOUT_HASH: u64 = fnv1a64(
    b"journal_tail magic@0 capacity_bytes@8 boot_stamp@16 committed_bytes@128 last_sequence@136 epoch@144 \
      released_bytes@256 durable_sequence@264 state@272 file_id@280 file_offset@288 area@512 records@2",
);

pub(crate) mod word {
    pub const MAGIC: usize = 0;
    pub const CAPACITY: usize = 1;
    pub const BOOT_STAMP: usize = 2;
    pub const COMMITTED: usize = 16;
    pub const LAST_SEQUENCE: usize = 17;
    pub const EPOCH: usize = 18;
    pub const RELEASED: usize = 32;
    pub const DURABLE_SEQUENCE: usize = 33;
    pub const STATE: usize = 34;
    pub const FILE_ID: usize = 35;
    pub const FILE_OFFSET: usize = 36;
    pub const DATA: usize = super::HEADER_BYTES / 8;
}

/// State of the flusher, as the writer sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum TailState {
    /// Files are written.
    Flowing = 0,
    /// No space for the next segment: nothing that opens risk is taken until there is.
    NoSpace = 1,
    /// A write or a sync failed: final for this process.
    Failed = 2,
}

/// Why a region is not a usable tail.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadTail {
    /// Not initialised, or not a tail.
    #[error("not a journal tail")]
    Magic,
    /// Of another boot of the instance.
    #[error("journal tail of another boot")]
    BootStamp,
    /// A committed record is not whole: memory was overwritten.
    #[error("journal tail is corrupt")]
    Corrupt,
    /// The capacity does not fit the region, or a cursor does not fit the capacity.
    #[error("journal tail geometry is impossible")]
    Geometry,
}

/// Words of a region whose circular area has `capacity_bytes`.
#[must_use]
pub const fn region_words(capacity_bytes: usize) -> usize {
    (HEADER_BYTES + capacity_bytes) / 8
}

/// The region of a gateway's tail, whose circular area has `capacity_bytes`: for whoever makes it and whoever reads it.
#[must_use]
pub const fn region_spec(gateway: u8, capacity_bytes: usize) -> RegionSpec {
    let words = region_words(capacity_bytes);
    RegionSpec::foreign(RegionKind::JournalTail, Role::ExecutionGateway, gateway, LAYOUT_HASH, words)
}

/// Initialises a zeroed region as an empty tail; the rest of the region is the circular area.
///
/// # Panics
/// When the area is below [`CAPACITY_BYTES_MIN`] or not a multiple of 64 bytes.
pub fn initialise(words: &SharedWords, boot_stamp: u64) {
    let capacity = (words.len() * 8).checked_sub(HEADER_BYTES).expect("region below the tail's header");
    assert!(capacity >= CAPACITY_BYTES_MIN && capacity.is_multiple_of(ALIGN), "tail of {capacity} bytes");
    words.store(word::CAPACITY, capacity as u64, Ordering::Relaxed);
    words.store(word::BOOT_STAMP, boot_stamp, Ordering::Relaxed);
    words.store(word::MAGIC, MAGIC, Ordering::Release);
}

/// Checks a region and returns the capacity of its circular area in bytes.
///
/// # Errors
/// [`BadTail`].
pub fn check(words: &SharedWords, boot_stamp: Option<u64>) -> Result<usize, BadTail> {
    if words.len() < word::DATA || words.load(word::MAGIC, Ordering::Acquire) != MAGIC {
        return Err(BadTail::Magic);
    }
    let capacity = usize::try_from(words.load(word::CAPACITY, Ordering::Relaxed)).map_err(|_| BadTail::Geometry)?;
    let fits = capacity >= CAPACITY_BYTES_MIN
        && capacity.is_multiple_of(ALIGN)
        && capacity.checked_add(HEADER_BYTES).is_some_and(|bytes| bytes.div_ceil(8) <= words.len());
    if !fits {
        return Err(BadTail::Geometry);
    }
    if boot_stamp.is_some_and(|stamp| stamp != words.load(word::BOOT_STAMP, Ordering::Relaxed)) {
        return Err(BadTail::BootStamp);
    }
    Ok(capacity)
}

/// Copies the bytes from `from` of the record stream into `out`, whose length is a multiple of eight.
pub(crate) fn copy_out(words: &SharedWords, capacity: usize, from: u64, out: &mut [u8]) {
    let start = (from % capacity as u64) as usize;
    // In one run, or in two where the area ends between.
    let (first, rest) = out.split_at_mut(out.len().min(capacity - start));
    words.load_bytes(word::DATA + start / 8, first);
    words.load_bytes(word::DATA, rest);
}

/// Stores bytes `start` bytes into the circular area; their length is a multiple of eight, and at most the capacity.
#[inline(always)]
pub(crate) fn copy_in(words: &SharedWords, capacity: usize, start: usize, bytes: &[u8]) {
    if bytes.len() <= capacity - start {
        return words.store_bytes(word::DATA + start / 8, bytes);
    }
    let (first, rest) = bytes.split_at(capacity - start);
    words.store_bytes(word::DATA + start / 8, first);
    words.store_bytes(word::DATA, rest);
}

/// The committed records that files may not have yet, copied out. Taken from a dead tail or a live one.
///
/// **Take it before reading the files**: what is released later is then in the files, and nothing is missed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TailSnapshot {
    /// The records, contiguous.
    pub bytes: Vec<u8>,
    /// Sequence through which the flusher said that files are durable.
    pub durable_sequence: u64,
    /// Epoch of the gateway that wrote last.
    pub epoch: u32,
}

impl TailSnapshot {
    /// Copies a tail out, read only, whether or not its writer lives.
    ///
    /// # Errors
    /// [`BadTail`].
    pub fn take(words: &SharedWords) -> Result<Self, BadTail> {
        let capacity = check(words, None)?;
        // A live flusher releases while this copies: the copy is then cut to what stayed valid.
        let durable_sequence = words.load(word::DURABLE_SEQUENCE, Ordering::Acquire);
        let released = words.load(word::RELEASED, Ordering::Acquire);
        let committed = words.load(word::COMMITTED, Ordering::Acquire);
        let length = committed.checked_sub(released).ok_or(BadTail::Geometry)?;
        if committed > STREAM_BYTES_MAX {
            return Err(BadTail::Geometry);
        }
        if length > capacity as u64 || !length.is_multiple_of(ALIGN as u64) || !released.is_multiple_of(ALIGN as u64) {
            return Err(BadTail::Geometry);
        }
        let mut bytes = vec![0; length as usize];
        copy_out(words, capacity, released, &mut bytes);
        fence(Ordering::Acquire);
        let released_now = words.load(word::RELEASED, Ordering::Relaxed);
        let gone = released_now.checked_sub(released).ok_or(BadTail::Geometry)?.min(length);
        bytes.drain(..gone as usize);
        let epoch = words.load(word::EPOCH, Ordering::Relaxed) as u32;
        Ok(Self { bytes, durable_sequence, epoch })
    }

    /// The frames, in order, each checked; ends at the first bad one, which is reported.
    pub fn frames(&self) -> impl Iterator<Item = Result<Frame<'_>, frame::Bad>> {
        let mut offset = 0;
        std::iter::from_fn(move || {
            if offset >= self.bytes.len() {
                return None;
            }
            match frame::decode(&self.bytes[offset..]) {
                Ok((frame, bytes)) => {
                    offset += bytes;
                    Some(Ok(frame))
                }
                Err(bad) => {
                    offset = usize::MAX;
                    Some(Err(bad))
                }
            }
        })
    }
}
