//! The recorder's pure core: which block goes to the file for each batch read, gaps included.
//!
//! It never trusts a reader's word for what was lost: a gap is what the sequences say.

use crate::capture::format::{BLOCK_HEADER_BYTES, BlockHeader, FILE_HEADER_BYTES};
use machine::{Machine, Nanos};
use shm_layout::message::WORDS_128;
use shm_layout::topology::{RingId, RingKind};
use zerocopy::IntoBytes;

/// Messages of one batch.
pub const BATCH: usize = 128;

/// Messages read from one ring, consecutive from `first_sequence`.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The ring's row in the recorder's list.
    pub ring: usize,
    /// Sequence of the first message.
    pub first_sequence: u64,
    /// Messages.
    pub count: usize,
    /// Their words, one after another (7 or 15 each).
    pub words: [u64; BATCH * WORDS_128],
}

/// What the core is told.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "the shell reuses one value")]
pub enum Input {
    /// A batch.
    Batch(Batch),
    /// The ring was drained at its writer's end.
    End {
        /// The ring's row in the recorder's list.
        ring: usize,
        /// Next sequence that its reader would read.
        next_sequence: u64,
    },
}

/// What the shell does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Output {
    /// Begin a new file before the next block.
    Rotate,
    /// Append a block header, then, when `payload` is set, the payload bytes of the batch just given.
    Append {
        /// The sealed header.
        header: BlockHeader,
        /// Whether the batch's payload follows.
        payload: bool,
    },
}

/// The core.
#[derive(Debug)]
pub struct Recorder {
    rings: Vec<Track>,
    file_bytes: u64,
    segment_bytes: u64,
    /// Messages captured.
    pub captured: u64,
    /// Sequences lost, each in a gap block.
    pub missed: u64,
    /// Bytes appended.
    pub bytes: u64,
}

#[derive(Debug)]
struct Track {
    ring: RingId,
    next_sequence: u64,
    captured: u64,
    missed: u64,
}

impl Recorder {
    /// A recorder of these rings, each with the next sequence expected (1, or after the last captured one).
    #[must_use]
    pub fn new(rings: &[(RingId, u64)], segment_bytes: u64) -> Self {
        let rings =
            rings.iter().map(|&(ring, next_sequence)| Track { ring, next_sequence, captured: 0, missed: 0 }).collect();
        Self { rings, file_bytes: FILE_HEADER_BYTES as u64, segment_bytes, captured: 0, missed: 0, bytes: 0 }
    }

    /// The rings in their rows.
    pub fn rings(&self) -> impl Iterator<Item = (RingId, u64)> + '_ {
        self.rings.iter().map(|track| (track.ring, track.next_sequence))
    }

    /// Messages captured and sequences lost of the ring in a row.
    #[must_use]
    pub fn counts(&self, row: usize) -> (u64, u64) {
        let track = &self.rings[row];
        (track.captured, track.missed)
    }

    /// Words of one payload of a ring.
    #[must_use]
    pub const fn payload_words(kind: RingKind) -> usize {
        kind.slot_bytes() / 8 - 1
    }

    fn append(&mut self, header: BlockHeader, payload_bytes: usize, emit: &mut impl FnMut(Output)) {
        let length = (BLOCK_HEADER_BYTES + payload_bytes) as u64;
        if self.file_bytes + length > self.segment_bytes && self.file_bytes > FILE_HEADER_BYTES as u64 {
            self.file_bytes = FILE_HEADER_BYTES as u64;
            emit(Output::Rotate);
        }
        self.file_bytes += length;
        self.bytes += length;
        emit(Output::Append { header, payload: payload_bytes > 0 });
    }

    /// Says what is missing before `first_sequence`, if anything is.
    fn on_gap(&mut self, row: usize, first_sequence: u64, emit: &mut impl FnMut(Output)) {
        let track = &mut self.rings[row];
        let (ring, expected) = (track.ring, track.next_sequence);
        assert!(first_sequence >= expected, "{}: a sequence was read twice", ring.name());
        let missed = first_sequence - expected;
        if missed > 0 {
            track.missed += missed;
            track.next_sequence = first_sequence;
            self.missed += missed;
            self.append(BlockHeader::gap(ring, expected, missed), 0, emit);
        }
    }

    fn on_batch(&mut self, batch: &Batch, emit: &mut impl FnMut(Output)) {
        self.on_gap(batch.ring, batch.first_sequence, emit);
        let ring = self.rings[batch.ring].ring;
        let words = Self::payload_words(ring.kind);
        let payload = batch.words[..batch.count * words].as_bytes();
        let header = BlockHeader::messages(ring, batch.first_sequence, (words * 8) as u16, batch.count as u32, payload);
        self.captured += batch.count as u64;
        let track = &mut self.rings[batch.ring];
        track.captured += batch.count as u64;
        track.next_sequence = batch.first_sequence + batch.count as u64;
        self.append(header, payload.len(), emit);
    }
}

impl Machine for Recorder {
    type Input = Input;
    type Output = Output;
    /// A rotation and a gap, a rotation and the batch.
    const OUTPUTS_MAX: usize = 4;

    fn on_input(&mut self, _now: Nanos, input: &Input, emit: &mut impl FnMut(Output)) {
        match input {
            Input::Batch(batch) => self.on_batch(batch, emit),
            Input::End { ring, next_sequence } => {
                self.on_gap(*ring, *next_sequence, emit);
                let track = &self.rings[*ring];
                self.append(BlockHeader::end(track.ring, track.next_sequence), 0, emit);
            }
        }
    }

    fn on_timer(&mut self, _now: Nanos, _emit: &mut impl FnMut(Output)) {}

    fn deadline(&self) -> Option<Nanos> {
        None
    }
}
