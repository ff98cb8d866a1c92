//! Journal append: one report of 128 bytes into a warm tail, framed, summed and committed.

use crate::micro::Workload;
use journal::memory::{BOOT_STAMP, new_tail};
use journal::record::Record;
use journal::{TailWriter, tail};
use shm_layout::message::execution::{Execution, ExecutionKind, ExecutionReport};
use shm_layout::ring::sync::{Ordering, SharedWords};
use shm_layout::types::{ClOrdId, ExecType, Nanos, Qty};

/// Bytes of the tail's circular area: it stays in the core's own cache.
const TAIL_BYTES: usize = 256 << 10;
/// Records of a pass: with their frames they fill a part of the tail.
const RECORDS: u64 = 1024;
/// Words of `committed_bytes` and `released_bytes` in the tail's header, as its drawing gives them.
const COMMITTED: usize = 128 / 8;
const RELEASED: usize = 256 / 8;

/// A tail and the records for it.
#[derive(Debug)]
pub struct Append {
    words: SharedWords,
    writer: TailWriter,
    records: Vec<Record>,
}

/// An empty tail in memory.
#[must_use]
pub fn empty_tail(bytes: usize) -> SharedWords {
    new_tail(bytes)
}

/// The writer of an empty tail.
///
/// # Panics
/// When the words are no tail.
#[must_use]
pub fn writer_of(words: &SharedWords) -> TailWriter {
    TailWriter::attach(words.clone(), BOOT_STAMP, 1, 0).expect("a fresh tail")
}

/// Says what the flusher says when everything is durable.
pub fn release(words: &SharedWords) {
    words.store(RELEASED, words.load(COMMITTED, Ordering::Acquire), Ordering::Release);
}

impl Append {
    /// A warm tail.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "making the input is work, not a default")]
    pub fn new() -> Self {
        let words = empty_tail(TAIL_BYTES);
        Self { writer: writer_of(&words), words, records: (1..=64).map(record).collect() }
    }
}

fn record(number: u64) -> Record {
    let report = ExecutionReport {
        kind: ExecutionKind::ExecutionReport as u8,
        exec_type: ExecType::New as u8,
        cl_ord_id: ClOrdId(number),
        leaves_qty: Qty(number as i64 * 100),
        journal_sequence: number,
        ..ExecutionReport::default()
    };
    Record::execution(&Execution::Report(report), number, Nanos(number))
}

impl Workload for Append {
    fn operations(&self) -> u64 {
        RECORDS
    }

    fn prepare(&mut self) {
        release(&self.words);
    }

    fn pass(&mut self) -> u64 {
        let mut sum = 0;
        for _ in 0..RECORDS / 64 {
            for record in &self.records {
                sum ^= self.writer.append(record).expect("the tail was released");
            }
        }
        // The last bytes committed, among them the last record's checksum.
        let last = self.words.load(COMMITTED, Ordering::Acquire) as usize % TAIL_BYTES / 8;
        let from = tail::HEADER_BYTES / 8 + (last + TAIL_BYTES / 8 - 24) % (TAIL_BYTES / 8);
        (0..24).fold(sum, |sum, word| sum.rotate_left(1) ^ self.words.load(from + word, Ordering::Relaxed))
    }
}
