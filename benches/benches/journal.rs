//! The journal beside its limits and redb: append to a warm tail, durable group commit, scan, rebuild.
//!
//! Files lie in the build's own folder, on a real disk. redb commits each batch with its immediate durability, which is its
//! default and what its documentation recommends for data that must survive.
#![forbid(unsafe_code)]

use benches::micro::{Workload, compare, state, state_gain, state_ns, state_over};
use benches::work::journal::{Append, empty_tail, writer_of};
use benches::work::limits::{CopyAndSum, RawScan};
use benches::work::replay::{FRESH, RebuildState, Scan, flusher_config, records};
use journal::frame::ALIGN;
use journal::{Flusher, Record, SegmentStore, TailWriter};
use redb::{Database, Durability, TableDefinition};
use runtime::store::FileStore;
use shm_layout::types::Nanos;
use std::path::Path;

/// Records of a commit.
const BATCH: usize = 1024;
/// Bytes of a segment: no segment ends within a measurement of a second.
const SEGMENT_BYTES: u64 = 256 << 20;
/// Bytes of the tail.
const TAIL_BYTES: usize = 1 << 20;

/// Ours: a batch in the tail, moved and durable. It is appended untimed: in the product another thread does that while this
/// one waits for the disk, and append has a figure of its own.
struct Ours {
    writer: TailWriter,
    flusher: Flusher<FileStore>,
    records: Vec<Record>,
}

impl Ours {
    fn new(folder: &Path, records: &[Record]) -> Self {
        let words = empty_tail(TAIL_BYTES);
        let writer = writer_of(&words);
        let config = flusher_config(SEGMENT_BYTES, TAIL_BYTES);
        let flusher = Flusher::new(words, FileStore::new(folder), config, &FRESH).expect("a fresh folder");
        Self { writer, flusher, records: records.iter().cycle().take(BATCH).copied().collect() }
    }
}

impl Workload for Ours {
    fn operations(&self) -> u64 {
        BATCH as u64
    }

    fn prepare(&mut self) {
        for record in &self.records {
            self.writer.append(record).expect("the batch fits the tail");
        }
    }

    fn pass(&mut self) -> u64 {
        while self.flusher.durable_sequence() < self.writer.last_sequence() {
            self.flusher.poll(Nanos(1)).expect("the disk takes it");
        }
        self.flusher.durable_sequence()
    }
}

/// The limit: as many bytes written over a file's written zeros, and fdatasync.
struct Raw {
    store: FileStore,
    batch: Vec<u8>,
    offset: u64,
}

impl Raw {
    fn new(folder: &Path, bytes: usize) -> Self {
        let mut store = FileStore::new(folder);
        store.create(1, SEGMENT_BYTES).expect("space for a file");
        Self { store, batch: (0..bytes).map(|byte| byte as u8 | 1).collect(), offset: 0 }
    }
}

impl Workload for Raw {
    fn operations(&self) -> u64 {
        BATCH as u64
    }

    fn pass(&mut self) -> u64 {
        if self.offset + self.batch.len() as u64 > SEGMENT_BYTES {
            self.offset = 0;
        }
        let written = self.store.write_at(1, self.offset, &self.batch).expect("the disk takes it");
        assert_eq!(written, self.batch.len());
        self.store.sync(1).expect("the disk takes it");
        self.offset += written as u64;
        self.offset
    }
}

/// redb: a table of 128-byte values by sequence.
struct Redb {
    database: Database,
    next: u64,
}

const TABLE: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("journal");

impl Workload for Redb {
    fn operations(&self) -> u64 {
        BATCH as u64
    }

    fn pass(&mut self) -> u64 {
        let mut transaction = self.database.begin_write().expect("one writer");
        transaction.set_durability(Durability::Immediate).expect("no savepoints");
        {
            let mut table = transaction.open_table(TABLE).expect("the table");
            for _ in 0..BATCH {
                self.next += 1;
                table.insert(self.next, [self.next as u8; 128].as_slice()).expect("an insert");
            }
        }
        transaction.commit().expect("the disk takes it");
        self.next
    }
}

fn durable(records: &[Record]) {
    let folder = |name: &str| {
        let folder = tempfile::Builder::new().prefix(name).tempdir_in(env!("CARGO_TARGET_TMPDIR"));
        folder.expect("a folder beside the build")
    };
    let (ours_in, raw_in, redb_in) = (folder("ours"), folder("raw"), folder("redb"));
    let mut ours = Ours::new(ours_in.path(), records);
    let bytes: usize = ours.records.iter().map(|record| journal::frame::record_bytes(record.payload().len())).sum();
    let mut raw = Raw::new(raw_in.path(), bytes + ALIGN);
    let database = Database::create(redb_in.path().join("journal.redb")).expect("a fresh database");
    let mut redb = Redb { database, next: 0 };
    let figures = compare(
        "Durable group commit, 1,024 records a commit",
        &mut [("tickway", &mut ours), ("fdatasync over written zeros (limit)", &mut raw), ("redb", &mut redb)],
    );
    state("group_commit_of_raw_fdatasync", figures[1].spread.median_ns / figures[0].spread.median_ns);
    state_gain("group_commit_gain_over_redb", &figures[0], &figures[2]);
}

fn main() {
    let figures = compare(
        "Journal append, a report of 128 bytes",
        &mut [("tickway", &mut Append::new()), ("copy and CRC of the bytes (limit)", &mut CopyAndSum::new())],
    );
    state_ns("journal_append_ns", &figures[0]);
    state_over("journal_append_over_copy_and_crc", &figures[0], &figures[1]);
    let records = records();
    let figures = compare(
        "Journal read again",
        &mut [
            ("scan", &mut Scan::new()),
            ("CRC of every record (limit)", &mut RawScan::new()),
            ("rebuild", &mut RebuildState::new()),
        ],
    );
    state_ns("journal_scan_ns", &figures[0]);
    state_over("journal_scan_over_crc", &figures[0], &figures[1]);
    state_ns("state_rebuild_ns", &figures[2]);
    durable(&records);
}
