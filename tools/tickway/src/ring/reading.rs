//! Reading a ring up to an end that was published: its messages, what was overwritten, and what cannot be read although it
//! was published. It never passes over anything without a word.

use crate::export::{Event, Sink, What};
use crate::failure::{Failure, Finding, Outcome};
use crate::query::Filter;
use crate::regions::{Batch, Read, RingRegion, Tap};
use crate::ring::stamps;
use recorder::capture::stamp::Carried;
use runtime::signal::stop_requested;
use shm_layout::ring::Start;
use shm_layout::topology::{RingId, RingKind};

/// Where a command stands in a ring, and the stamp that it carries on to a message without one.
#[derive(Debug)]
pub struct Reading {
    tap: Tap,
    carried: Carried,
    /// What was met behind a damage: it is in the batch, and given next.
    pending: Option<Read>,
}

impl Reading {
    /// Begins there.
    ///
    /// # Errors
    /// When the region is no ring of its slots.
    pub fn begin(ring: &RingRegion, start: Start) -> Result<Self, Failure> {
        let tap = ring.attach(start)?;
        let carried = stamps::carried(ring, tap.next_sequence());
        Ok(Self { tap, carried, pending: None })
    }

    /// Sequence that will be read next.
    pub const fn next_sequence(&self) -> u64 {
        self.tap.next_sequence()
    }

    /// True when everything up to a sequence was read.
    pub const fn is_at(&self, end: u64) -> bool {
        self.pending.is_none() && self.tap.next_sequence() > end
    }

    /// Goes on after a sequence, never back.
    pub fn skip_to(&mut self, after: u64) {
        self.tap.seek(after.max(self.tap.next_sequence() - 1));
    }

    /// Reads what there is. What was published, as everything up to `end` was, and is not in its slot, is damage: no honest
    /// writer leaves that.
    pub fn read(&mut self, ring: &RingRegion, end: u64, batch: &mut Batch) -> Read {
        if let Some(pending) = self.pending.take() {
            return pending;
        }
        let first = self.tap.next_sequence();
        let (mut next, mut read) = (first, self.tap.read(batch));
        while read == Read::Nothing && next <= end {
            // Further back than a ring there is nothing to look for.
            next = next.max(end.saturating_sub(ring.slots as u64)) + 1;
            self.tap.seek(next - 1);
            if next <= end {
                read = self.tap.read(batch);
            }
        }
        if next == first {
            return read;
        }
        self.pending = Some(read).filter(|read| *read != Read::Nothing);
        Read::Damaged(first, next - first)
    }

    /// The stamp of the next message.
    pub fn carry(&mut self, kind: RingKind, words: &[u64]) -> u64 {
        self.carried.next(kind, words)
    }

    /// Writes the messages of a batch that match, up to the sequence `end`.
    ///
    /// # Errors
    /// When the sink cannot be written.
    pub fn write(
        &mut self,
        ring: RingId,
        batch: &Batch,
        end: u64,
        filter: &Filter,
        sink: &mut Sink,
    ) -> Result<(), Failure> {
        for (sequence, words) in batch.messages().filter(|(sequence, _)| *sequence <= end) {
            let stamp_ns = self.carried.next(ring.kind, words);
            if filter.matches(ring, words) {
                sink.write(&Event { ring, sequence, stamp_ns, what: What::Message(words) })?;
            }
        }
        Ok(())
    }

    /// Writes that messages from a sequence on are missing: as late, as far as is known, as the last one read.
    ///
    /// # Errors
    /// When the sink cannot be written.
    pub fn write_missing(&self, ring: RingId, sequence: u64, what: What<'_>, sink: &mut Sink) -> Result<(), Failure> {
        sink.write(&Event { ring, sequence, stamp_ns: self.carried.stamp_ns, what })
    }
}

/// Writes what the ring holds, up to the sequence `end`; laps too, and what cannot be read, which is a finding.
///
/// # Errors
/// When the sink cannot be written, or a signal ended it before `end`.
pub fn scan(ring: &RingRegion, reading: &mut Reading, filter: &Filter, end: u64, sink: &mut Sink) -> Outcome {
    let (mut batch, mut found) = (Batch::default(), Finding::Good);
    while !reading.is_at(end) {
        if stop_requested() {
            return Err(sink.interrupted());
        }
        match reading.read(ring, end, &mut batch) {
            Read::Messages(_) => reading.write(ring.id, &batch, end, filter, sink)?,
            Read::Lapped(sequence, missed) => {
                reading.write_missing(ring.id, sequence, What::Lapped(missed), sink)?;
            }
            Read::Damaged(sequence, missed) => {
                reading.write_missing(ring.id, sequence, What::Damaged(missed), sink)?;
                found = Finding::Negative;
            }
            Read::Nothing => break,
        }
    }
    // A last batch may reach beyond: those messages are the follower's.
    if reading.tap.next_sequence() > end + 1 {
        reading.tap.seek(end);
    }
    Ok(found)
}
