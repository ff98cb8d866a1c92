//! Reading a journal again: the scan with every checksum, and the rebuild of orders and positions from its records.
//!
//! The journal is the one that the gateway made of thousands of orders in [`super::tick_to_order`], flushed by the
//! product's flusher into segments in memory.

use crate::micro::Workload;
use crate::work::journal::{empty_tail, writer_of};
use crate::work::tick_to_order::{INSTRUMENTS, TickToOrder};
use journal::memory::{MemoryStore, config};
use journal::{End, Flusher, FlusherConfig, Journal, Record, Resume, Through, rebuild};
use orders::OrdersState;
use shm_layout::types::Nanos;

/// Passes of orders behind the journal.
const PASSES: usize = 128;
/// Bytes of the tail that the records pass through.
const TAIL_BYTES: usize = 1 << 20;
/// Bytes of a segment.
const SEGMENT_BYTES: u64 = 16 << 20;

/// A flusher's configuration: every record durable (L2).
#[must_use]
pub const fn flusher_config(segment_bytes: u64, batch_bytes: usize) -> FlusherConfig {
    FlusherConfig { durability: 2, ..config(segment_bytes, batch_bytes) }
}

/// Where a flusher begins that finds no segment.
pub const FRESH: Resume = Resume { file_id: 0, last_sequence: 0, trailer_hash: 0, open: None };

/// The gateway's records of many orders: intents, reports, venue messages.
#[must_use]
pub fn records() -> Vec<Record> {
    let mut work = TickToOrder::recorded();
    for _ in 0..PASSES {
        work.prepare();
        work.pass();
    }
    work.prepare();
    work.take_records()
}

/// The records as segments.
///
/// # Panics
/// When tail or flusher refuse a record.
#[must_use]
pub fn segments(records: &[Record]) -> MemoryStore {
    let words = empty_tail(TAIL_BYTES);
    let mut writer = writer_of(&words);
    let config = flusher_config(SEGMENT_BYTES, TAIL_BYTES);
    let mut flusher = Flusher::new(words, MemoryStore::default(), config, &FRESH).expect("an empty tail");
    for batch in records.chunks(1024) {
        for record in batch {
            writer.append(record).expect("the flusher keeps up");
        }
        while flusher.poll(Nanos(1)).expect("memory does not fail") > 0 {}
    }
    flusher.into_store()
}

/// A journal in memory and the number of its records.
#[derive(Debug)]
struct Stored {
    store: MemoryStore,
    records: u64,
}

impl Stored {
    fn new() -> Self {
        let records = records();
        Self { store: segments(&records), records: records.len() as u64 }
    }
}

/// Passes over every record, each checked.
#[derive(Debug)]
pub struct Scan(Stored);

impl Scan {
    /// Of a journal of many orders.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "making the input is work, not a default")]
    pub fn new() -> Self {
        Self(Stored::new())
    }
}

impl Workload for Scan {
    fn operations(&self) -> u64 {
        self.0.records
    }

    fn pass(&mut self) -> u64 {
        let segments = self.0.store.segments();
        let journal = Journal::new(&segments, None);
        let mut entries = journal.entries();
        let sum = entries.by_ref().fold(0_u64, |sum, entry| {
            sum.rotate_left(1) ^ entry.header.sequence ^ u64::from(entry.header.record_type) << 32
        });
        assert_eq!(entries.end(), Some(End::Complete { last_sequence: self.0.records }), "every record was read");
        sum
    }
}

/// Folds every record into orders and positions.
#[derive(Debug)]
pub struct RebuildState {
    stored: Stored,
    state: OrdersState,
}

impl RebuildState {
    /// Of a journal of many orders.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "making the input is work, not a default")]
    pub fn new() -> Self {
        Self { stored: Stored::new(), state: empty_state() }
    }
}

fn empty_state() -> OrdersState {
    OrdersState::with_capacity(1024, INSTRUMENTS as usize, 1)
}

impl Workload for RebuildState {
    fn operations(&self) -> u64 {
        self.stored.records
    }

    fn prepare(&mut self) {
        self.state = empty_state();
    }

    fn pass(&mut self) -> u64 {
        let segments = self.stored.store.segments();
        let journal = Journal::new(&segments, None);
        let through = Through::Sequence(self.stored.records);
        let rebuilt = rebuild(&journal, &mut self.state, through).expect("the gateway's own journal folds");
        assert_eq!(rebuilt.through_journal_sequence, self.stored.records);
        self.state.hash() ^ u64::from(rebuilt.last_user_ref_num)
    }
}
