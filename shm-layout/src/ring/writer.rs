//! The one writer of a ring.
//!
//! It never waits: a claim that gating readers leave no room for is [`Full`], and what then is the caller's decision.
//! Only one living writer may hold a ring; the region's writer identity and the supervisor see to that.

use super::slot::{SEQUENCE_MAX, Slots, SlotsView, WRITING};
use super::sync::SharedWords;
use super::{Gate, RingError, cursor::Gates};
use crate::failpoint::Failpoint;

/// Before a slot is touched.
pub(super) static BEFORE_MARK: Failpoint = Failpoint::new("ring.write.before_mark");
/// Mid-slot: the mark is set and half of the payload is written.
pub(super) static AFTER_MARK: Failpoint = Failpoint::new("ring.write.after_mark");
/// Before each sequence of a batch becomes visible.
pub(super) static BEFORE_SEQUENCE: Failpoint = Failpoint::new("ring.write.before_sequence");
/// A batch is readable whole, and the hint still tells of the batch before it.
static BEFORE_PUBLISHED: Failpoint = Failpoint::new("ring.write.before_published");

/// The ring's failpoints, for [`crate::failpoint::arm`].
pub static FAILPOINTS: [&Failpoint; 4] = [&BEFORE_MARK, &AFTER_MARK, &BEFORE_SEQUENCE, &BEFORE_PUBLISHED];

/// Not now: gating readers, or the reserve for cancels and rejects, leave too few slots. Nothing was claimed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full;

impl std::fmt::Display for Full {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the ring is full: its gating readers are behind")
    }
}

impl std::error::Error for Full {}

/// Writer of a ring with W payload words per slot (7 or 15).
#[derive(Debug)]
pub struct RingWriter<const W: usize> {
    slots: Slots<W>,
    gates: Gates,
    /// Slots that only reserved claims may use.
    reserve: u64,
    published: u64,
}

impl<const W: usize> RingWriter<W> {
    /// An empty ring over zeroed words, before anyone attaches.
    ///
    /// # Errors
    /// When the words do not fit `slots`, are read-only, or are not zero.
    pub fn create(words: SharedWords, slots: usize) -> Result<Self, RingError> {
        let slots = Slots::<W>::new(words, slots)?;
        if !slots.is_writable() {
            return Err(RingError::ReadOnly);
        }
        if slots.published() != 0 || (0..slots.count()).any(|index| slots.stamp(index) != 0) {
            return Err(RingError::NotEmpty);
        }
        Ok(Self::over(slots, 0))
    }

    /// Takes over an existing ring after its writer's proven death. Continues after the last published message; what the
    /// dead writer had not published stays invisible and is overwritten. Gates and reserve are to be set again.
    ///
    /// # Errors
    /// When the words do not fit `slots`, are read-only, or hold a stamp that no writer leaves.
    pub fn attach(words: SharedWords, slots: usize) -> Result<Self, RingError> {
        let slots = Slots::<W>::new(words, slots)?;
        if !slots.is_writable() {
            return Err(RingError::ReadOnly);
        }
        let published = last_published(&slots)?;
        slots.view().store_published(published);
        Ok(Self::over(slots, published))
    }

    const fn over(slots: Slots<W>, published: u64) -> Self {
        let gates = Gates::new(slots.count());
        Self { slots, gates, reserve: 0, published }
    }

    /// Lets a reader hold this writer back. Not for the hot path: it allocates.
    ///
    /// # Panics
    /// When a word of the gate is missing.
    pub fn add_gate(&mut self, gate: Gate) {
        self.gates.add(gate, self.published);
    }

    /// Keeps `slots` slots for reserved claims (cancels and rejects). Without gates there is nothing to keep.
    ///
    /// # Panics
    /// When nothing would be left for other claims.
    pub fn set_reserve(&mut self, slots: usize) {
        let slots = slots as u64;
        assert!(slots < self.slots.count(), "a reserve of all {slots} slots leaves none for new orders");
        self.reserve = slots;
    }

    /// Slots that [`Self::claim`] would give now; all when there are no gates. Exact when fewer than half of the slots
    /// are free; above that it may be an older, smaller count, which spares the readers' cache lines.
    pub fn room(&mut self) -> usize {
        self.free().saturating_sub(self.reserve).min(self.slots.count()) as usize
    }

    /// Slots that [`Self::claim_reserved`] would give now, under the same terms.
    pub fn room_reserved(&mut self) -> usize {
        self.free().min(self.slots.count()) as usize
    }

    fn free(&mut self) -> u64 {
        let cached = self.gates.free_cached(self.published);
        if cached > self.slots.count() / 2 { cached } else { self.gates.refresh(self.published) }
    }

    /// Claims up to `count` messages, all or none.
    ///
    /// # Errors
    /// [`Full`] when fewer slots are free beyond the reserve. A count above the ring's slots is always full.
    #[inline(always)]
    pub fn claim(&mut self, count: usize) -> Result<Claim<'_, W>, Full> {
        self.claim_beyond(count, self.reserve)
    }

    /// Claims up to `count` messages, all or none, from the reserve too.
    ///
    /// # Errors
    /// [`Full`] when fewer slots are free.
    #[inline(always)]
    pub fn claim_reserved(&mut self, count: usize) -> Result<Claim<'_, W>, Full> {
        self.claim_beyond(count, 0)
    }

    #[inline(always)]
    fn claim_beyond(&mut self, count: usize, reserve: u64) -> Result<Claim<'_, W>, Full> {
        if count as u64 > self.slots.count() {
            return Err(Full);
        }
        // Both are at most the count of slots.
        let needed = (count as u64).wrapping_add(reserve);
        if self.gates.free_cached(self.published) < needed && self.gates.refresh(self.published) < needed {
            return Err(Full);
        }
        Ok(Claim {
            slots: self.slots.view(),
            before: self.published,
            published: &mut self.published,
            count,
            written: 0,
        })
    }

    /// Publishes one message and returns its sequence.
    ///
    /// # Errors
    /// As [`Self::claim`].
    #[inline(always)]
    pub fn push(&mut self, payload: &[u64; W]) -> Result<u64, Full> {
        let mut claim = self.claim(1)?;
        claim.write(0, payload);
        Ok(claim.publish())
    }

    /// Publishes one message, from the reserve too, and returns its sequence.
    ///
    /// # Errors
    /// As [`Self::claim_reserved`].
    #[inline(always)]
    pub fn push_reserved(&mut self, payload: &[u64; W]) -> Result<u64, Full> {
        let mut claim = self.claim_reserved(1)?;
        claim.write(0, payload);
        Ok(claim.publish())
    }

    /// Sequence of the last published message; 0 = none.
    #[must_use]
    pub const fn published(&self) -> u64 {
        self.published
    }
}

/// Room for a batch. Messages are written in order and become readable together, at [`Self::publish`]; dropping the
/// claim publishes nothing (what its slots held before is lost to readers that were nearly a whole ring behind).
#[derive(Debug)]
#[must_use = "an unpublished claim publishes nothing"]
pub struct Claim<'a, const W: usize> {
    slots: SlotsView<'a, W>,
    /// The writer's count, as it was at the claim; by value, to stay in a register.
    before: u64,
    published: &'a mut u64,
    count: usize,
    written: usize,
}

impl<const W: usize> Claim<'_, W> {
    /// Messages claimed.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.count
    }

    /// Messages written so far.
    #[must_use]
    pub const fn written(&self) -> usize {
        self.written
    }

    /// Writes message `index` (0 = the first) of the claim; an index already written is replaced.
    ///
    /// # Panics
    /// When `index` is beyond the claim or leaves a message before it unwritten.
    #[inline(always)]
    pub fn write(&mut self, index: usize, payload: &[u64; W]) {
        assert!(index < self.count && index <= self.written, "messages of a claim are written in order, within it");
        let sequence = self.before.wrapping_add(1 + index as u64);
        if index == self.written {
            self.slots.mark(sequence);
            self.written += 1;
        }
        self.slots.fill(sequence, payload);
    }

    /// Publishes the messages written (which may be fewer than claimed) and returns the last published sequence.
    #[inline(always)]
    pub fn publish(self) -> u64 {
        let armed = BEFORE_SEQUENCE.is_armed();
        for index in 0..self.written as u64 {
            if armed {
                BEFORE_SEQUENCE.hit();
            }
            self.slots.publish(self.before.wrapping_add(1 + index));
        }
        let last = self.before + self.written as u64;
        if self.written > 0 {
            *self.published = last;
            BEFORE_PUBLISHED.hit();
            self.slots.store_published(last);
        }
        last
    }
}

/// The last published sequence of a ring whose writer is dead, found from the stamps: the hint may be a batch behind.
///
/// Every slot must hold what an honest writer leaves behind: its last message up to that sequence, or the mark of its
/// next one.
fn last_published<const W: usize>(slots: &Slots<W>) -> Result<u64, RingError> {
    let own = |index: u64| Some(slots.stamp(index)).filter(|s| *s <= SEQUENCE_MAX && slots.index(*s) == index);
    let last = (0..slots.count()).filter_map(own).max().unwrap_or(0);
    for index in 0..slots.count() {
        let age = slots.index(last.wrapping_sub(index));
        // Sequences before the first message do not exist: such a slot was never written.
        let held = last.saturating_sub(age);
        let next = last + slots.count() - age;
        let stamp = slots.stamp(index);
        let honest = stamp == held || stamp == WRITING | next || (last < age && stamp == 0);
        if !honest {
            return Err(RingError::Corrupt { slot: index as usize });
        }
    }
    let hint = slots.published();
    let hint_is_honest = hint <= last && last - hint <= slots.count();
    if hint_is_honest { Ok(last) } else { Err(RingError::Corrupt { slot: slots.index(hint) as usize }) }
}
