//! The slots of a ring as words, stamp and payload, read without the ring's own reader: what an instrument wants to see
//! is exactly what that reader would refuse.

use crate::regions::RingRegion;
use shm_layout::region::HEADER_BYTES;
use shm_layout::ring::HEADER_WORDS;
use shm_layout::ring::sync::{Ordering, SharedWords, fence};

/// Bit of a stamp: the slot is being replaced.
pub const WRITING: u64 = 1 << 63;
/// Attempts to see a slot's payload under an unchanged stamp.
const TRIES: usize = 16;

/// One slot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Slot {
    /// Its index.
    pub index: u64,
    /// Its offset in the region file, in bytes.
    pub offset: u64,
    /// Its stamp.
    pub stamp: u64,
    /// Its payload; of two messages when `torn`.
    pub words: Vec<u64>,
    /// The stamp changed at every attempt.
    pub torn: bool,
}

impl Slot {
    /// `empty`, `published`, `writing` or `changing`.
    #[must_use]
    pub const fn state(&self) -> &'static str {
        match self.stamp {
            _ if self.torn => "changing",
            0 => "empty",
            stamp if stamp & WRITING != 0 => "writing",
            _ => "published",
        }
    }

    /// The sequence of its stamp.
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        self.stamp & !WRITING
    }

    /// True when its payload is one whole message.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.state() == "published"
    }
}

/// All slots of a ring.
#[derive(Debug)]
pub struct Slots {
    words: SharedWords,
    slot_words: usize,
    count: u64,
}

impl Slots {
    /// The slots of a ring that was attached, and so fits its region.
    #[must_use]
    pub fn of(ring: &RingRegion) -> Self {
        let slot_words = ring.id.kind.slot_bytes() / 8;
        Self { words: ring.header.body(), slot_words, count: ring.slots as u64 }
    }

    /// How many.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The published hint.
    #[must_use]
    pub fn published(&self) -> u64 {
        self.words.load(0, Ordering::Acquire)
    }

    /// A word of the ring's own header, by its index.
    #[must_use]
    pub fn header_word(&self, index: usize) -> u64 {
        self.words.load(index, Ordering::Relaxed)
    }

    /// A slot's stamp.
    #[must_use]
    pub fn stamp(&self, index: u64) -> u64 {
        self.words.load(self.first_word(index), Ordering::Acquire)
    }

    /// A slot, its payload under one stamp unless the writer is too fast.
    #[must_use]
    pub fn read(&self, index: u64) -> Slot {
        let first = self.first_word(index);
        let offset = (HEADER_BYTES + first * 8) as u64;
        let mut slot = Slot { index, offset, stamp: 0, words: Vec::new(), torn: true };
        for _ in 0..TRIES {
            slot.stamp = self.stamp(index);
            slot.words.clear();
            slot.words.extend((first + 1..first + self.slot_words).map(|at| self.words.load(at, Ordering::Relaxed)));
            fence(Ordering::Acquire);
            slot.torn = self.words.load(first, Ordering::Relaxed) != slot.stamp;
            if !slot.torn {
                break;
            }
        }
        slot
    }

    const fn first_word(&self, index: u64) -> usize {
        HEADER_WORDS + index as usize * self.slot_words
    }
}
