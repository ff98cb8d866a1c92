//! When a message was: its own stamp, and for one that has none the stamp of the message before it in its ring.
//!
//! A stamp is for finding messages, by people and by the index. It never orders messages: their sequence does.

use shm_layout::message::WORDS_128;
use shm_layout::topology::RingKind;

/// The stamp that a message carries, in nanoseconds on the instance's line; 0 = none (an order that a timer caused, an
/// execution that no venue message caused, a payload of another size).
#[must_use]
pub fn own(kind: RingKind, words: &[u64]) -> u64 {
    let word = match kind {
        // receive_ns
        RingKind::MarketData | RingKind::Wire => 1,
        RingKind::OrderIntent | RingKind::OrderEntry | RingKind::Execution => 7,
        // now_ns
        RingKind::Control | RingKind::Step => 2,
    };
    // A checkpoint has its state hash where a report has its stamp.
    let is_checkpoint = kind == RingKind::Execution && words.first().is_some_and(|word| *word as u8 == CHECKPOINT);
    if is_checkpoint { 0 } else { words.get(word).copied().unwrap_or(0) }
}

const CHECKPOINT: u8 = shm_layout::message::execution::ExecutionKind::Checkpoint as u8;

/// The stamps of a ring's messages in order, each carried on to the next message that has none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Carried {
    /// Stamp of the last message.
    pub stamp_ns: u64,
}

impl Carried {
    /// Before the first message of a file: the stamp of the file's creation.
    #[must_use]
    pub const fn new(created_ns: u64) -> Self {
        Self { stamp_ns: created_ns }
    }

    /// The stamp of the next message.
    pub fn next(&mut self, kind: RingKind, words: &[u64]) -> u64 {
        let own = own(kind, words);
        if own != 0 {
            self.stamp_ns = own;
        }
        self.stamp_ns
    }

    /// As [`Carried::next`], of a payload's bytes.
    pub fn next_bytes(&mut self, kind: RingKind, payload: &[u8]) -> u64 {
        let (words, _) = payload.as_chunks::<8>();
        let mut all = [0; WORDS_128];
        let count = words.len().min(WORDS_128);
        for (word, bytes) in all.iter_mut().zip(words) {
            *word = u64::from_le_bytes(*bytes);
        }
        self.next(kind, &all[..count])
    }
}
