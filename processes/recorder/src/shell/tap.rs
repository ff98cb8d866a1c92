//! A tapped ring of either slot size.

use crate::machine::{BATCH, Batch, Recorder};
use runtime::RuntimeError;
use runtime::process::Process;
use shm_layout::message::{WORDS_64, WORDS_128};
use shm_layout::ring::{Lapped, RingReader, Start};
use shm_layout::status::{ReaderPosition, StatusWriter};
use shm_layout::topology::{Attach, RingId};

#[derive(Debug)]
enum Reader {
    Narrow(RingReader<WORDS_64>),
    Wide(RingReader<WORDS_128>),
}

/// The reader of one ring.
#[derive(Debug)]
pub struct Tap {
    ring: RingId,
    reader: Reader,
    laps: u64,
    missed: u64,
}

impl Tap {
    /// Attaches after `last`, the last sequence captured; a gating reader where the topology makes it one.
    ///
    /// # Errors
    /// As `Ports::tap`.
    pub fn attach(
        process: &Process,
        status: &StatusWriter,
        (ring, attach): (RingId, Attach),
        last: u64,
    ) -> Result<Self, RuntimeError> {
        let reader = if Recorder::payload_words(ring.kind) == WORDS_64 {
            Reader::Narrow(open(process, status, (ring, attach), last)?)
        } else {
            Reader::Wide(open(process, status, (ring, attach), last)?)
        };
        Ok(Self { ring, reader, laps: 0, missed: 0 })
    }

    /// The ring.
    pub const fn ring(&self) -> RingId {
        self.ring
    }

    /// Reads the next messages into `batch`; how many. A lap is noted and read on from.
    pub fn read(&mut self, batch: &mut Batch) -> usize {
        loop {
            let read = match &mut self.reader {
                Reader::Narrow(reader) => read_flat(reader, &mut batch.words),
                Reader::Wide(reader) => read_flat(reader, &mut batch.words),
            };
            match read {
                Ok(count) => {
                    batch.count = count;
                    batch.first_sequence = self.next_sequence() - count as u64;
                    return count;
                }
                // Each lap moves the reader on, so this ends; the gap is what the next sequences say.
                Err(Lapped { missed }) => {
                    self.laps += 1;
                    self.missed += missed;
                    if self.laps.is_multiple_of(LAPS_MAX) {
                        batch.count = 0;
                        return 0;
                    }
                }
            }
        }
    }

    /// Gives the slots read back to a gated writer.
    pub fn commit(&mut self) {
        match &mut self.reader {
            Reader::Narrow(reader) => reader.commit(),
            Reader::Wide(reader) => reader.commit(),
        }
    }

    /// Sequence that will be read next.
    pub const fn next_sequence(&self) -> u64 {
        match &self.reader {
            Reader::Narrow(reader) => reader.next_sequence(),
            Reader::Wide(reader) => reader.next_sequence(),
        }
    }

    /// Where it is, for the status region.
    pub const fn position(&self) -> ReaderPosition {
        let next_sequence = self.next_sequence();
        ReaderPosition { ring: self.ring, next_sequence, laps: self.laps, missed: self.missed }
    }
}

/// Laps after which a read gives up until the next duty cycle: corrupt slots are stepped over one by one.
const LAPS_MAX: u64 = 64;

fn open<const W: usize>(
    process: &Process,
    status: &StatusWriter,
    (ring, attach): (RingId, Attach),
    last: u64,
) -> Result<RingReader<W>, RuntimeError> {
    match attach {
        Attach::Tap => process.ports.tap(ring, Start::After(last)),
        Attach::Gating => process.ports.gating_reader(ring, process.identity, status, Some(Start::After(last))),
    }
}

/// Reads up to a batch, its payloads one after another in `words`.
fn read_flat<const W: usize>(reader: &mut RingReader<W>, words: &mut [u64]) -> Result<usize, Lapped> {
    let (payloads, _) = words.as_chunks_mut::<W>();
    reader.read_batch(&mut payloads[..BATCH])
}
