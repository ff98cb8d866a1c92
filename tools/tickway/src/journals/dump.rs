//! `journal dump`: every record, files first, then what only the tail has.

use super::Source;
use crate::decode;
use crate::failure::{Failure, Finding, Outcome};
use crate::ledger::JournalFiles;
use crate::output;
use clap::Args;
use journal::{End, Entry, Journal, Place};
use runtime::store::segment_path;
use serde_json::{Value, json};

/// Arguments of `journal dump`.
#[derive(Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    source: Source,
    /// Begin at this sequence
    #[arg(long, default_value_t = 0, value_name = "SEQUENCE")]
    from: u64,
    /// Only records of this type, such as intent, sent, execution, fence
    #[arg(long, value_name = "TYPE")]
    record: Option<String>,
    /// Print one JSON object per record
    #[arg(long)]
    json: bool,
}

impl Arguments {
    /// Runs the command; a journal that is not readable to its end is a negative finding.
    ///
    /// # Errors
    /// When there is no such journal.
    pub fn run(&self) -> Outcome {
        let mut finding = Finding::Good;
        for journal in self.source.read()? {
            if let Some(bad) = self.dump(&journal)? {
                eprintln!("tickway: {bad}");
                finding = Finding::Negative;
            }
        }
        Ok(finding)
    }

    /// Prints one journal; returns what is wrong with its end.
    fn dump(&self, files: &JournalFiles) -> Result<Option<String>, Failure> {
        let slices = files.slices();
        let mut entries = Journal::new(&slices, files.tail.as_ref()).entries();
        for entry in entries.by_ref().filter(|entry| entry.header.sequence >= self.from) {
            let value = value(files.gateway, &entry);
            if self.record.as_ref().is_some_and(|wanted| value["record"] != json!(wanted)) {
                continue;
            }
            if self.json {
                output::json(value)?;
            } else {
                let sequence = entry.header.sequence;
                let name = value["record"].as_str().unwrap_or("?");
                output::line(&format!("{sequence} {name}: {}", decode::text(&without_frame(value.clone()))))?;
            }
        }
        let named = |file_id, offset, what: &str| {
            let path = segment_path(&files.directory, file_id);
            format!("{}: offset {offset}: {what}; `tickway journal verify` checks every byte", path.display())
        };
        Ok(match entries.end() {
            Some(End::Complete { .. }) | None => None,
            Some(End::Torn { file_id, offset, bad }) => Some(named(file_id, offset, &bad.to_string())),
            Some(End::Corrupt { file_id, offset, what }) => Some(named(file_id, offset, what)),
        })
    }
}

fn value(gateway: u8, entry: &Entry<'_>) -> Value {
    let mut value = match entry.record() {
        Ok(record) => decode::record(&record),
        Err(bad) => json!({ "record": "unreadable", "error": bad.to_string() }),
    };
    let (file_id, offset) = match entry.place {
        Place::File(file_id, offset) => (Some(file_id), Some(offset)),
        Place::Tail => (None, None),
    };
    value["gateway"] = json!(gateway);
    value["sequence"] = json!(entry.header.sequence);
    value["epoch"] = json!(entry.header.epoch);
    value["file_id"] = json!(file_id);
    value["offset"] = json!(offset);
    value
}

/// What the line for people says already, or not at all.
fn without_frame(mut value: Value) -> Value {
    if let Some(object) = value.as_object_mut() {
        for key in ["record", "gateway", "sequence", "file_id", "offset"] {
            object.remove(key);
        }
    }
    value
}
