//! A reader of a ring: a tap that may be lapped, or, with a cursor of its own, a gating reader that may not.
//!
//! It never writes to the ring (a read-only mapping will do), never trusts a word of it, and never returns a torn, false
//! or doubled message: what is missing between two messages is always said, as [`Lapped`].

use super::RingError;
use super::slot::{SEQUENCE_MAX, Slots, WRITING};
use super::sync::{Ordering, SharedWords, fence};

/// Looks at a hint that moves meanwhile, before it is taken as it is.
const HINTS_MAX: usize = 4;

/// Where a reader begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    /// At the oldest message that the ring may still hold.
    Oldest,
    /// After the last published message.
    Latest,
    /// After this sequence, the last one already known (0 = from the first message). If it is no longer held, the first
    /// read says so.
    After(u64),
}

/// Messages between the last and the next one read are lost to this reader: overwritten, or corrupt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lapped {
    /// Messages skipped by this step, at least 1.
    pub missed: u64,
}

impl std::fmt::Display for Lapped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the reader missed {} messages", self.missed)
    }
}

impl std::error::Error for Lapped {}

/// Reader of a ring with W payload words per slot (7 or 15).
///
/// A gating reader that restarts resumes from its own cursor:
///
/// ```
/// use shm_layout::ring::sync::{Ordering, SharedWords};
/// use shm_layout::ring::{RingReader, RingWriter, Start, ring_words};
///
/// let words = SharedWords::heap(ring_words(8, 16));
/// let cursor = SharedWords::heap(1);
/// RingWriter::<7>::create(words.clone(), 16)?.push(&[1; 7]).expect("there is room");
///
/// let consumed = cursor.load(0, Ordering::Acquire);
/// let mut reader = RingReader::<7>::attach(words.read_only(), 16, Start::After(consumed))?.with_cursor(cursor.clone());
/// let mut batch = [[0; 7]; 4];
/// assert_eq!(reader.read_batch(&mut batch), Ok(1));
/// // ... act on the batch, and only then give its slots back:
/// reader.commit();
/// assert_eq!(cursor.load(0, Ordering::Acquire), 1);
/// # Ok::<(), shm_layout::ring::RingError>(())
/// ```
#[derive(Debug)]
pub struct RingReader<const W: usize> {
    slots: Slots<W>,
    cursor: Option<SharedWords>,
    /// Sequence to read next.
    next: u64,
    corrupt: u64,
    /// Sequence at which a corrupt stamp was counted last: polling it again does not count it again.
    corrupt_at: u64,
}

impl<const W: usize> RingReader<W> {
    /// A reader that nobody waits for.
    ///
    /// # Errors
    /// When the words do not fit `slots`.
    pub fn attach(words: SharedWords, slots: usize, start: Start) -> Result<Self, RingError> {
        let slots = Slots::<W>::new(words, slots)?;
        let after = match start {
            Start::Oldest => last_published(&slots).saturating_sub(slots.count()),
            Start::Latest => last_published(&slots),
            Start::After(sequence) => sequence.min(SEQUENCE_MAX),
        };
        Ok(Self { slots, cursor: None, next: after + 1, corrupt: 0, corrupt_at: 0 })
    }

    /// Makes this a gating reader, whose position the writer reads in `cursor`: one word, written by this reader alone.
    /// The position is published at once.
    ///
    /// # Panics
    /// When the view is empty or read-only.
    #[must_use]
    pub fn with_cursor(self, cursor: SharedWords) -> Self {
        let mut reader = Self { cursor: Some(cursor), ..self };
        reader.commit();
        reader
    }

    /// Copies the next messages into `out`, as many as are published and fit; `Ok(0)` = nothing new. The messages read
    /// have the sequences up to `next_sequence() - 1`, without a gap.
    ///
    /// Reading does not release slots to a gated writer: [`Self::commit`] does, once the caller has acted on the batch.
    /// One call looks at each entry of `out` at most once, whatever the ring's words are.
    ///
    /// # Errors
    /// [`Lapped`] when the next message was overwritten (or is corrupt although the writer claims to have published it).
    /// The reader now stands at the oldest message that it can safely read, an eighth of the ring ahead of the writer's
    /// next overwrite; `out` holds garbage.
    #[inline]
    pub fn read_batch(&mut self, out: &mut [[u64; W]]) -> Result<usize, Lapped> {
        let first = self.next;
        let slots = self.slots.view();
        for (count, payload) in out.iter_mut().enumerate() {
            let sequence = first.wrapping_add(count as u64);
            if let Err(stamp) = slots.read(sequence, payload) {
                self.next = first + count as u64;
                // A batch in hand is returned first; the next call meets the stamp again.
                return if count > 0 { Ok(count) } else { self.on_other_stamp(stamp) };
            }
            // A second message in hand: the writer is ahead. Nothing is taken from one that is not.
            if count > 0 {
                slots.prefetch_for_reading(sequence);
            }
        }
        self.next = first + out.len() as u64;
        Ok(out.len())
    }

    /// Decides about a stamp that is not the next sequence.
    #[inline]
    fn on_other_stamp(&mut self, stamp: u64) -> Result<usize, Lapped> {
        // What lies there until the next message does: the one a ring before it (none in the first round), or its mark.
        let held = self.next.saturating_sub(self.slots.count());
        if stamp == held || stamp == WRITING | self.next { Ok(0) } else { self.on_strange_stamp(stamp) }
    }

    /// Tells a lap from a stamp that no honest writer leaves.
    #[cold]
    fn on_strange_stamp(&mut self, stamp: u64) -> Result<usize, Lapped> {
        let sequence = stamp & !WRITING;
        let same_slot = self.slots.index(sequence) == self.slots.index(self.next);
        if stamp == 0 || (same_slot && sequence <= self.next) {
            // Older than what this reader has passed: the slot is corrupt, or the place where the reader was told to begin.
            // The writer repairs a slot by publishing it.
            self.count_corrupt();
            return Ok(0);
        }
        self.on_lap(sequence, same_slot)
    }

    fn count_corrupt(&mut self) {
        if self.corrupt_at != self.next {
            self.corrupt_at = self.next;
            self.corrupt += 1;
        }
    }

    /// Steps over messages that are gone, or over one corrupt slot.
    fn on_lap(&mut self, sequence: u64, same_slot: bool) -> Result<usize, Lapped> {
        // The writer marks or publishes at most one ring beyond the hint that was visible before that stamp.
        fence(Ordering::Acquire);
        let published = borne_out(&self.slots);
        let slots = self.slots.count();
        let from = self.next;
        if same_slot && sequence <= published + slots {
            let overwritten = published.max(sequence).saturating_sub(slots);
            self.next = (overwritten + 1 + slots / 8).max(from + 1);
            return Err(Lapped { missed: self.next - from });
        }
        self.count_corrupt();
        // Until the writer claims this message, it may still repair the slot by publishing it.
        if published < from {
            return Ok(0);
        }
        self.next = from + 1;
        Err(Lapped { missed: 1 })
    }

    /// Publishes the position of a gating reader: every message read so far is consumed and its slot may be reused.
    /// Nothing for a tap.
    #[inline]
    pub fn commit(&mut self) {
        if let Some(cursor) = &self.cursor {
            cursor.store(0, self.next - 1, Ordering::Release);
        }
    }

    /// Sequence that will be read next.
    #[must_use]
    pub const fn next_sequence(&self) -> u64 {
        self.next
    }

    /// Messages published but not yet read, by the writer's hint as far as the stamps bear it out: exact only while the
    /// writer rests. It reads cache lines that the writer stores to, so not on the hot path.
    #[must_use]
    pub fn depth(&self) -> u64 {
        borne_out(&self.slots).saturating_sub(self.next - 1)
    }

    /// Corrupt stamps met: none that an honest writer leaves at this reader's place. Each is counted once. A reader that was
    /// told to begin further on than any writer has been counts there too.
    #[must_use]
    pub const fn corrupt(&self) -> u64 {
        self.corrupt
    }

    /// Goes on after sequence `after`. A gating reader's new position counts from its next commit.
    pub fn seek(&mut self, after: u64) {
        self.next = after.min(SEQUENCE_MAX) + 1;
    }
}

/// The last published sequence, found from the hint and the stamps after it.
fn last_published<const W: usize>(slots: &Slots<W>) -> u64 {
    let hint = borne_out(slots);
    // The hint is stored once per batch, and a writer may have died before that.
    let behind = (1..=slots.count()).take_while(|ahead| slots.stamp(hint + ahead) == hint + ahead).count() as u64;
    hint + behind
}

/// The published hint if the stamps bear it out, else the greatest sequence that they do. One flipped bit of a hint that is
/// taken as it is would send a reader where no message comes for years.
///
/// The hint of an honest writer was stored after the stamp of its message, which has grown since by a ring at most, or the
/// hint has grown too.
fn borne_out<const W: usize>(slots: &Slots<W>) -> u64 {
    let mut hint = slots.published();
    for _ in 0..HINTS_MAX {
        let found = slots.stamp(hint) & !WRITING;
        let same_slot = found == 0 || slots.index(found) == slots.index(hint);
        if hint <= SEQUENCE_MAX && same_slot && (hint..=hint + slots.count()).contains(&found) {
            return hint;
        }
        let again = slots.published();
        if again == hint {
            return greatest(slots);
        }
        hint = again;
    }
    // It moves whenever it is looked at: its writer lives.
    hint.min(SEQUENCE_MAX)
}

/// The greatest stamp whose neighbour was written before it: a single flipped stamp is not believed.
#[cold]
fn greatest<const W: usize>(slots: &Slots<W>) -> u64 {
    let own = |index: u64| Some(slots.stamp(index)).filter(|stamp| (1..=SEQUENCE_MAX).contains(stamp));
    let supported = |stamp: &u64| *stamp == 1 || slots.stamp(stamp - 1) & !WRITING >= stamp - 1;
    (0..slots.count())
        .filter_map(|index| own(index).filter(|stamp| slots.index(*stamp) == index))
        .filter(supported)
        .max()
        .unwrap_or(0)
}
