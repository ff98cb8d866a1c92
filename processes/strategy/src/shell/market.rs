//! The strategy's tap of `market_data`: it may be lapped, and then says so.

use runtime::inputs::BATCH;
use shm_layout::message::market_data::MarketData;
use shm_layout::message::{BadMessage, WORDS_64, Words64};
use shm_layout::ring::RingReader;
use shm_layout::status::ReaderPosition;
use shm_layout::topology::RingId;

/// What a poll came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Polled {
    /// So many messages are in the batch.
    Messages(usize),
    /// So many messages are lost.
    Lapped(u64),
    /// Nothing was looked at: what it might cause has no room.
    NoRoom,
}

/// The tap and the batch in hand.
#[derive(Debug)]
pub(super) struct MarketInput {
    ring: RingId,
    reader: RingReader<WORDS_64>,
    words: Box<[Words64]>,
    messages: Vec<Result<MarketData, BadMessage>>,
    laps: u64,
    missed: u64,
    malformed: u64,
}

impl MarketInput {
    pub(super) fn new(ring: RingId, reader: RingReader<WORDS_64>) -> Self {
        let words = vec![[0; WORDS_64]; BATCH].into();
        Self { ring, reader, words, messages: Vec::with_capacity(BATCH), laps: 0, missed: 0, malformed: 0 }
    }

    /// Reads a batch of at most `limit` messages.
    pub(super) fn poll(&mut self, limit: usize) -> Polled {
        self.messages.clear();
        if limit == 0 {
            return Polled::NoRoom;
        }
        match self.reader.read_batch(&mut self.words[..limit.min(BATCH)]) {
            Ok(count) => {
                self.messages.extend(self.words[..count].iter().map(MarketData::decode));
                self.malformed += self.messages.iter().filter(|message| message.is_err()).count() as u64;
                Polled::Messages(count)
            }
            Err(lapped) => {
                self.laps += 1;
                self.missed += lapped.missed;
                Polled::Lapped(lapped.missed)
            }
        }
    }

    /// The messages of the batch, in order.
    pub(super) fn messages(&self) -> impl Iterator<Item = Result<MarketData, BadMessage>> {
        self.messages.iter().copied()
    }

    /// Ring sequence of the last message read.
    pub(super) const fn through(&self) -> u64 {
        self.reader.next_sequence() - 1
    }

    pub(super) const fn ring(&self) -> RingId {
        self.ring
    }

    /// Laps, and messages that could not be read.
    pub(super) const fn faults(&self) -> [u64; 2] {
        [self.laps, self.malformed]
    }

    pub(super) const fn position(&self) -> ReaderPosition {
        let next_sequence = self.reader.next_sequence();
        ReaderPosition { ring: self.ring, next_sequence, laps: self.laps, missed: self.missed }
    }
}
