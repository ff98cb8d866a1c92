//! The `order_intent` rings, one per (strategy, gateway): how many requests may be read, given the room to answer them.
//!
//! Each request is answered by one message of `order_entry`, whose last slots are a reserve for cancels:
//!
//! ```text
//! room beyond the reserve    as many requests as there is room for, of any kind
//! only the reserve is left   one at a time, and only a cancel (or what is no request, and has no answer);
//!                            a new order or replace at the head waits, and its ring stands still behind it
//! nothing is left            nothing
//! ```
//! Requests of one strategy are never reordered. A cancel behind a waiting order loses nothing by it: `order_entry` is a
//! queue too, so the cancel would reach the gateway after the same messages.

use runtime::inputs::BATCH;
use shm_layout::message::order::OrderRequest;
use shm_layout::message::{BadMessage, WORDS_128, Words128};
use shm_layout::ring::{RingReader, RingWriter};
use shm_layout::status::ReaderPosition;
use shm_layout::topology::RingId;

/// One ring.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) ring: RingId,
    reader: RingReader<WORDS_128>,
    laps: u64,
    missed: u64,
}

impl Queue {
    pub(super) const fn new(ring: RingId, reader: RingReader<WORDS_128>) -> Self {
        Self { ring, reader, laps: 0, missed: 0 }
    }

    pub(super) const fn gateway(&self) -> usize {
        self.ring.gateway as usize
    }

    /// Sequence of the last message read.
    pub(super) const fn through(&self) -> u64 {
        self.reader.next_sequence() - 1
    }

    /// Gives the slots read so far back to the strategy.
    pub(super) fn commit(&mut self) {
        self.reader.commit();
    }

    pub(super) const fn position(&self) -> ReaderPosition {
        let next_sequence = self.reader.next_sequence();
        ReaderPosition { ring: self.ring, next_sequence, laps: self.laps, missed: self.missed }
    }

    /// Reads up to `words.len()` messages. While risk was dead and parked, a strategy may have gone round its ring: what
    /// was overwritten was never forwarded, so nothing is reserved for it, and it is counted.
    fn read(&mut self, words: &mut [Words128]) -> usize {
        self.reader.read_batch(words).unwrap_or_else(|lapped| {
            self.laps += 1;
            self.missed += lapped.missed;
            self.reader.commit();
            0
        })
    }
}

/// All rings, and the batch in hand.
#[derive(Debug)]
pub(super) struct Intents {
    pub(super) queues: Vec<Queue>,
    words: Box<[Words128]>,
    /// The batch read last.
    pub(super) requests: Vec<Result<OrderRequest, BadMessage>>,
}

impl Intents {
    pub(super) fn new(queues: Vec<Queue>) -> Self {
        Self { queues, words: vec![[0; WORDS_128]; BATCH].into(), requests: Vec::with_capacity(BATCH) }
    }

    /// Requests lost to laps, of all rings.
    pub(super) fn missed(&self) -> u64 {
        self.queues.iter().map(|queue| queue.missed).sum()
    }

    /// Reads a batch of ring `index` that fits the room of its `order_entry`, into `requests`.
    pub(super) fn read(&mut self, index: usize, entry: &mut RingWriter<WORDS_128>) -> usize {
        self.requests.clear();
        let queue = &mut self.queues[index];
        let room = entry.room().min(BATCH);
        let count = match room {
            0 if entry.room_reserved() > 0 => queue.read(&mut self.words[..1]),
            room => queue.read(&mut self.words[..room]),
        };
        self.requests.extend(self.words[..count].iter().map(OrderRequest::decode));
        let waits = |request: &Result<OrderRequest, BadMessage>| matches!(request, Ok(request) if !matches!(request, OrderRequest::OrderCancelRequest(_)));
        if room == 0 && self.requests.first().is_some_and(waits) {
            let before = queue.through() - 1;
            queue.reader.seek(before);
            self.requests.clear();
        }
        self.requests.len()
    }
}
