//! A capture in memory: of each ring the messages that the recorder got, by sequence, and whether its end was reached.

use recorder::capture::format::BlockKind;
use recorder::capture::reader::{CaptureError, files, read_file};
use shm_layout::topology::RingId;
use std::collections::BTreeMap;
use std::path::Path;

/// What was captured of one ring.
#[derive(Clone, Debug, Default)]
pub struct CapturedRing {
    /// Payload words by sequence; what is not there is a gap.
    messages: BTreeMap<u64, Box<[u64]>>,
    /// The writer ended in order and everything was drained.
    ended: bool,
}

impl CapturedRing {
    /// The message of a sequence.
    #[must_use]
    pub fn message(&self, sequence: u64) -> Option<&[u64]> {
        self.messages.get(&sequence).map(|words| &**words)
    }

    /// The message of a sequence, as long as the ring's kind has it.
    #[must_use]
    pub fn words<const W: usize>(&self, sequence: u64) -> Option<&[u64; W]> {
        self.message(sequence)?.try_into().ok()
    }

    /// Captured messages from a sequence on.
    pub fn from(&self, sequence: u64) -> impl Iterator<Item = (u64, &[u64])> {
        self.messages.range(sequence..).map(|(sequence, words)| (*sequence, &**words))
    }

    /// The first sequence captured; 0 = none.
    #[must_use]
    pub fn first(&self) -> u64 {
        self.messages.first_key_value().map_or(0, |(sequence, _)| *sequence)
    }

    /// The last sequence captured; 0 = none.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.messages.last_key_value().map_or(0, |(sequence, _)| *sequence)
    }

    /// Messages captured.
    #[must_use]
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// True when nothing was captured.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// True when the ring was drained at its writer's end.
    #[must_use]
    pub const fn is_ended(&self) -> bool {
        self.ended
    }

    /// Adds a message; the next sequence, or one after a gap.
    pub fn push(&mut self, sequence: u64, words: &[u64]) {
        self.messages.insert(sequence, words.into());
    }

    /// Takes a message out, as if the recorder had missed it.
    pub fn forget(&mut self, sequence: u64) {
        self.messages.remove(&sequence);
    }

    /// Says that everything was drained.
    pub const fn end(&mut self) {
        self.ended = true;
    }
}

/// Every captured ring of one boot.
#[derive(Clone, Debug, Default)]
pub struct Capture {
    rings: BTreeMap<RingId, CapturedRing>,
}

impl Capture {
    /// Reads the files of the newest boot in `folder`.
    ///
    /// # Errors
    /// A file that cannot be read, or a block that does not hold.
    pub fn read(folder: &Path) -> Result<Self, CaptureError> {
        let (mut capture, mut boot_stamp) = (Self::default(), None);
        for file in files(folder)? {
            let mut rings = Self::default();
            let (header, _) = read_file(&file, |block, kind, ring, payload| {
                let captured = rings.ring_mut(ring);
                match kind {
                    BlockKind::Messages => {
                        for (index, bytes) in payload.chunks_exact(block.payload_bytes()).enumerate() {
                            let words: Vec<u64> =
                                bytes.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
                            captured.push(block.first_sequence() + index as u64, &words);
                        }
                    }
                    BlockKind::Gap => {}
                    BlockKind::End => captured.end(),
                }
            })?;
            if boot_stamp.replace(header.boot_stamp.get()) != Some(header.boot_stamp.get()) {
                // Another boot numbers its rings anew.
                capture = Self::default();
            }
            for (ring, mut found) in rings.rings {
                let known = capture.ring_mut(ring);
                known.ended = found.ended;
                known.messages.append(&mut found.messages);
            }
        }
        Ok(capture)
    }

    /// A ring.
    #[must_use]
    pub fn ring(&self, ring: RingId) -> Option<&CapturedRing> {
        self.rings.get(&ring)
    }

    /// A ring, to add to.
    pub fn ring_mut(&mut self, ring: RingId) -> &mut CapturedRing {
        self.rings.entry(ring).or_default()
    }

    /// The rings.
    pub fn rings(&self) -> impl Iterator<Item = (RingId, &CapturedRing)> {
        self.rings.iter().map(|(ring, captured)| (*ring, captured))
    }
}
