//! `journal ls`.

use super::Source;
use crate::failure::{Finding, Outcome};
use crate::ledger::JournalFiles;
use crate::output::{self, hex, or_dash};
use clap::Args;
use journal::scan::Walk;
use journal::segment::{PAGE_BYTES, SegmentHeader, Trailer};
use runtime::store::segment_path;
use serde_json::{Value, json};

/// Arguments of `journal ls`.
#[derive(Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    source: Source,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What one segment holds.
struct Segment {
    gateway: u8,
    file_id: u32,
    bytes: usize,
    /// `None` for a segment that was made and not yet begun, or is not one.
    header: Option<SegmentHeader>,
    records: u64,
    last_sequence: Option<u64>,
    sealed: bool,
}

impl Segment {
    fn of(gateway: u8, file_id: u32, bytes: &[u8]) -> Self {
        let header = SegmentHeader::decode(bytes).ok();
        let (mut records, mut last_sequence) = (0, None);
        if let Some(header) = header {
            let mut walk = Walk::new(bytes, header);
            records = walk.by_ref().count() as u64;
            last_sequence = (records > 0).then(|| walk.last_sequence());
        }
        let trailer = bytes.len().checked_sub(PAGE_BYTES).map(|at| Trailer::decode(&bytes[at..]));
        Self {
            gateway,
            file_id,
            bytes: bytes.len(),
            header,
            records,
            last_sequence,
            sealed: trailer.is_some_and(|trailer| trailer.is_ok()),
        }
    }

    fn to_json(&self, journal: &JournalFiles) -> Value {
        json!({
            "gateway": self.gateway,
            "file": segment_path(&journal.directory, self.file_id),
            "file_id": self.file_id,
            "bytes": self.bytes,
            "first_sequence": self.header.map(|header| header.first_sequence),
            "last_sequence": self.last_sequence,
            "records": self.records,
            "sealed": self.sealed,
            "epoch": self.header.map(|header| header.epoch),
            "boot_stamp": self.header.map(|header| hex(header.boot_stamp)),
            "config_hash": self.header.map(|header| hex(header.config_hash)),
            "created_ns": self.header.map(|header| header.created_ns.0),
        })
    }

    fn cells(&self) -> [String; 8] {
        [
            self.gateway.to_string(),
            self.file_id.to_string(),
            self.bytes.to_string(),
            or_dash(self.header.map(|header| header.first_sequence)),
            or_dash(self.last_sequence),
            self.records.to_string(),
            or_dash(self.header.map(|header| header.epoch)),
            if self.sealed { "sealed".to_owned() } else { "open".to_owned() },
        ]
    }
}

impl Arguments {
    /// Runs the command.
    ///
    /// # Errors
    /// When there is no such journal.
    pub fn run(&self) -> Outcome {
        let journals = self.source.read()?;
        let segments = journals.iter().flat_map(|journal| {
            let of = |(file_id, bytes): &(u32, Vec<u8>)| Segment::of(journal.gateway, *file_id, bytes);
            journal.segments.iter().map(of).map(move |segment| (journal, segment))
        });
        if self.json {
            let segments: Vec<Value> = segments.map(|(journal, segment)| segment.to_json(journal)).collect();
            let tail = |journal: &JournalFiles| {
                let tail = journal.tail.as_ref()?;
                Some(json!({
                    "gateway": journal.gateway,
                    "bytes": tail.bytes.len(),
                    "durable_sequence": tail.durable_sequence,
                    "epoch": tail.epoch,
                }))
            };
            let tails: Vec<Value> = journals.iter().filter_map(tail).collect();
            output::json(json!({ "segments": segments, "tails": tails }))?;
        } else {
            let headings = ["gateway", "segment", "bytes", "first", "last", "records", "epoch", "state"];
            let mut table = output::table(&headings);
            for (_, segment) in segments {
                table.add_row(segment.cells());
            }
            output::print_table(&table)?;
        }
        Ok(Finding::Good)
    }
}
