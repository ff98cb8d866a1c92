//! The messages of one ring, in order across files: what a replay reads.

use super::format::{BlockKind, FileHeader};
use super::reader::{CaptureError, boot_files, read_file};
use shm_layout::topology::RingId;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};

/// One entry of a ring's capture.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Entry {
    /// A message.
    Message {
        /// Its sequence in the ring.
        sequence: u64,
        /// Its payload, 7 or 15 words.
        words: Vec<u64>,
    },
    /// Sequences that were lost.
    Gap {
        /// The first of them.
        first_sequence: u64,
        /// How many.
        missed: u64,
    },
    /// The recorder ended in order, having captured all before this sequence.
    End {
        /// The next sequence.
        next_sequence: u64,
    },
}

/// Iterator over the entries of one ring; one file at a time is in memory.
#[derive(Debug)]
pub struct Messages {
    ring: RingId,
    files: VecDeque<PathBuf>,
    entries: VecDeque<Entry>,
    failure: Option<CaptureError>,
}

/// The entries of `ring` in the capture of one boot, as for [`super::scan`]. A torn end of the last file, as a death
/// leaves it, ends the entries.
///
/// # Errors
/// [`CaptureError`] when the folder or a file header cannot be read. What is corrupt later is the iterator's last item.
pub fn messages(folder: &Path, ring: RingId, boot_stamp: Option<u64>) -> Result<Messages, CaptureError> {
    let files = boot_files(folder, boot_stamp)?.into();
    Ok(Messages { ring, files, entries: VecDeque::new(), failure: None })
}

impl Messages {
    fn read(&mut self, file: &Path) -> Result<(FileHeader, usize), CaptureError> {
        let Self { ring, entries, .. } = self;
        read_file(file, |block, kind, of, payload| {
            if of != *ring {
                return;
            }
            let first_sequence = block.first_sequence();
            match kind {
                BlockKind::Messages => {
                    let payloads = payload.chunks_exact(block.payload_bytes());
                    entries.extend((first_sequence..).zip(payloads).map(|(sequence, payload)| Entry::Message {
                        sequence,
                        words: payload.chunks_exact(8).map(word).collect(),
                    }));
                }
                BlockKind::Gap => entries.push_back(Entry::Gap { first_sequence, missed: block.missed() }),
                BlockKind::End => entries.push_back(Entry::End { next_sequence: first_sequence }),
            }
        })
    }
}

fn word(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().expect("a chunk of 8 bytes"))
}

impl Iterator for Messages {
    type Item = Result<Entry, CaptureError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(entry) = self.entries.pop_front() {
                return Some(Ok(entry));
            }
            if let Some(failure) = self.failure.take() {
                return Some(Err(failure));
            }
            let file = self.files.pop_front()?;
            let is_last = self.files.is_empty();
            match self.read(&file) {
                Ok(_) => {}
                Err(CaptureError::Corrupt { at_end: true, .. }) if is_last => {}
                Err(error) => {
                    self.files.clear();
                    self.failure = Some(error);
                }
            }
        }
    }
}
