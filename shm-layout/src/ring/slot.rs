//! The slots of a ring: where sequence s lives, and the one way to write and to copy a slot.
//!
//! Nothing here knows gates, batches or laps; it never reads a slot without re-checking its stamp.

use super::RingError;
use super::sync::{
    AtomicU64, LINE_WORDS, Ordering, SharedWords, fence, load_line, prefetch_for_reading, prefetch_for_writing,
};
use super::writer::{AFTER_MARK, BEFORE_MARK};

/// Words before the first slot: two cache lines, so that the published word never shares one (or its prefetched
/// neighbour) with a slot.
pub const HEADER_WORDS: usize = 16;
/// Word of the published hint.
const PUBLISHED: usize = 0;
/// Cache lines that a writer in a claim, and a reader in a batch, have on the way ahead of the slot in hand.
///
/// Measured between two cores of an Intel server that lie 150 ns apart: at 8 lines three quarters of the messages per
/// second that 32 give, at 64 and more the same again or less (they displace each other in the first-level cache).
const LINES_AHEAD: usize = 32;
/// Set in a stamp while the slot's payload is being replaced.
pub(super) const WRITING: u64 = 1 << 63;
/// Greatest sequence: 146 years at a message per nanosecond. A greater stamp is garbage.
pub(super) const SEQUENCE_MAX: u64 = 1 << 62;

/// Words of a ring of `slots` slots (a power of two) of `slot_words` words each (8 or 16: stamp and payload), header
/// included.
///
/// # Panics
/// When the product overflows, which no mappable ring does.
#[must_use]
pub const fn ring_words(slot_words: usize, slots: usize) -> usize {
    HEADER_WORDS + slot_words * slots
}

/// The words of a ring with W payload words per slot, its geometry checked.
#[derive(Debug)]
pub(super) struct Slots<const W: usize> {
    words: SharedWords,
    /// Slots - 1.
    mask: u64,
}

impl<const W: usize> Slots<W> {
    /// Words of a slot. Loom's model checks a smaller slot, which has the same protocol and fewer interleavings.
    const SLOT_WORDS: usize = {
        assert!(W + 1 == 8 || W + 1 == 16 || cfg!(loom), "a slot is 64 or 128 bytes");
        W + 1
    };
    /// Slots that [`LINES_AHEAD`] are.
    const SLOTS_AHEAD: u64 = (LINES_AHEAD / Self::SLOT_WORDS.div_ceil(LINE_WORDS)) as u64;

    /// Checks `slots` slots against the view, once and for all.
    pub fn new(words: SharedWords, slots: usize) -> Result<Self, RingError> {
        if slots < 2 || !slots.is_power_of_two() {
            return Err(RingError::Slots(slots));
        }
        // A count of slots whose words overflow cannot be in view either.
        let needed = slots.saturating_mul(Self::SLOT_WORDS).saturating_add(HEADER_WORDS);
        if words.len() < needed {
            return Err(RingError::TooShort { needed, found: words.len() });
        }
        if !words.is_aligned() {
            return Err(RingError::Misaligned);
        }
        Ok(Self { words, mask: slots as u64 - 1 })
    }

    /// Count of slots.
    pub const fn count(&self) -> u64 {
        self.mask.wrapping_add(1)
    }

    /// Whether the view may store.
    pub const fn is_writable(&self) -> bool {
        self.words.is_writable()
    }

    /// Index of the slot of `sequence`.
    pub const fn index(&self, sequence: u64) -> u64 {
        sequence & self.mask
    }

    /// The stamp of the slot of `sequence`.
    pub fn stamp(&self, sequence: u64) -> u64 {
        self.view().word(sequence, 0).load(Ordering::Acquire)
    }

    /// The slots for a loop of reads or writes: place and mask in registers, which a store cannot seem to change.
    #[inline(always)]
    pub fn view(&self) -> SlotsView<'_, W> {
        SlotsView { words: self.words.as_slice(), mask: self.mask }
    }

    /// The published hint, as found.
    pub fn published(&self) -> u64 {
        self.words.load(PUBLISHED, Ordering::Acquire)
    }
}

/// The slots of a ring, by value: see [`Slots::view`].
#[derive(Clone, Copy, Debug)]
pub(super) struct SlotsView<'a, const W: usize> {
    /// At least as many words as [`Slots::new`] found to be needed.
    words: &'a [AtomicU64],
    mask: u64,
}

impl<'a, const W: usize> SlotsView<'a, W> {
    /// Place of word `offset` (0 = stamp) of the slot of `sequence`, good for the whole view.
    ///
    /// The arithmetic wraps by name only (the sum is below the view's length): the overflow checks of the release
    /// profile would cost more than the access.
    #[inline(always)]
    fn place(&self, sequence: u64, offset: usize) -> *const AtomicU64 {
        debug_assert!(offset < Slots::<W>::SLOT_WORDS);
        let slot = ((sequence & self.mask) as usize).wrapping_mul(Slots::<W>::SLOT_WORDS);
        let index = slot.wrapping_add(HEADER_WORDS).wrapping_add(offset);
        debug_assert!(index < self.words.len());
        // SAFETY: the masked slot index is below the count of slots and every caller's offset is below SLOT_WORDS, so
        // `index` < HEADER_WORDS + slots * SLOT_WORDS, which `Slots::new` found to be in view.
        unsafe { self.words.as_ptr().add(index) }
    }

    /// Word `offset` (0 = stamp) of the slot of `sequence`.
    #[inline(always)]
    fn word(&self, sequence: u64, offset: usize) -> &'a AtomicU64 {
        // SAFETY: the place is in the view, which lives for 'a.
        unsafe { &*self.place(sequence, offset) }
    }

    /// The cache line of the slot of `sequence` that begins with word `offset`, a multiple of [`LINE_WORDS`].
    #[inline(always)]
    fn line(&self, sequence: u64, offset: usize) -> [u64; LINE_WORDS] {
        debug_assert!(offset.is_multiple_of(LINE_WORDS) && offset + LINE_WORDS <= Slots::<W>::SLOT_WORDS);
        // SAFETY: the place is good for the whole view, and the line's last word is of the same slot, so in view. Header
        // and slots are whole lines, and the ring's start is aligned to two of them.
        unsafe { load_line(self.place(sequence, offset)) }
    }

    /// Marks the slot of `sequence` as being written, before any of its payload is.
    ///
    /// The mark is a release store, so that a reader that sees it also sees every earlier publication. Who sees a word of
    /// the payload, stored after the fence, also sees the mark.
    #[inline(always)]
    pub fn mark(&self, sequence: u64) {
        BEFORE_MARK.hit();
        self.prefetch_for_writing(sequence);
        self.word(sequence, 0).store(WRITING | sequence, Ordering::Release);
        fence(Ordering::Release);
    }

    /// Asks for a slot that will be written soon. Its line is in the readers' caches from the last round: the first store
    /// must fetch it back, and stores leave the core in order, each waiting for its line. Asked for early, many lines are
    /// on the way at once, and the store finds its own.
    #[inline(always)]
    fn prefetch_for_writing(&self, sequence: u64) {
        let ahead = sequence.wrapping_add(Slots::<W>::SLOTS_AHEAD);
        for line in (0..Slots::<W>::SLOT_WORDS).step_by(LINE_WORDS) {
            prefetch_for_writing(self.word(ahead, line));
        }
    }

    /// Replaces the payload of the marked slot of `sequence`; readers cannot take it before [`Self::publish`].
    #[inline(always)]
    pub fn fill(&self, sequence: u64, payload: &[u64; W]) {
        let (first, rest) = payload.split_at(W / 2);
        for (offset, word) in first.iter().enumerate() {
            self.word(sequence, 1 + offset).store(*word, Ordering::Relaxed);
        }
        AFTER_MARK.hit();
        for (offset, word) in rest.iter().enumerate() {
            self.word(sequence, 1 + W / 2 + offset).store(*word, Ordering::Relaxed);
        }
    }

    /// Makes the written slot of `sequence` readable.
    #[inline(always)]
    pub fn publish(&self, sequence: u64) {
        self.word(sequence, 0).store(sequence, Ordering::Release);
    }

    /// Stores the published hint.
    #[inline(always)]
    pub fn store_published(&self, sequence: u64) {
        // SAFETY: `Slots::new` found the header in view.
        let word = unsafe { self.words.get_unchecked(PUBLISHED) };
        word.store(sequence, Ordering::Release);
    }

    /// Asks for a slot that will be read soon, if the writer stays ahead: as many lines are on the way at once as the
    /// core can have, instead of those of the few messages that fit its window of instructions.
    #[inline(always)]
    pub fn prefetch_for_reading(&self, sequence: u64) {
        let ahead = sequence.wrapping_add(Slots::<W>::SLOTS_AHEAD);
        for line in (0..Slots::<W>::SLOT_WORDS).step_by(LINE_WORDS) {
            prefetch_for_reading(self.word(ahead, line));
        }
    }

    /// The payload's words as they are now.
    #[inline(always)]
    fn copy_payload(&self, sequence: u64, payload: &mut [u64; W]) {
        // A slot of whole lines, the first of which begins with the stamp. (Loom's smaller slots are copied by words.)
        if Slots::<W>::SLOT_WORDS.is_multiple_of(LINE_WORDS) {
            let (head, tail) = payload.split_at_mut(LINE_WORDS - 1);
            head.copy_from_slice(&self.line(sequence, 0)[1..]);
            if !tail.is_empty() {
                tail.copy_from_slice(&self.line(sequence, LINE_WORDS));
            }
        } else {
            for (offset, word) in payload.iter_mut().enumerate() {
                *word = self.word(sequence, 1 + offset).load(Ordering::Relaxed);
            }
        }
    }

    /// Copies message `sequence` into `payload` (which is garbage otherwise), or returns the stamp found instead.
    #[inline(always)]
    pub fn read(&self, sequence: u64, payload: &mut [u64; W]) -> Result<(), u64> {
        // The second line of a slot is asked for together with its first, not once the stamp has come.
        if Slots::<W>::SLOT_WORDS > LINE_WORDS {
            prefetch_for_reading(self.word(sequence, LINE_WORDS));
        }
        let before = self.word(sequence, 0).load(Ordering::Acquire);
        if before != sequence {
            return Err(before);
        }
        self.copy_payload(sequence, payload);
        fence(Ordering::Acquire);
        let after = self.word(sequence, 0).load(Ordering::Relaxed);
        if after == sequence { Ok(()) } else { Err(after) }
    }
}
