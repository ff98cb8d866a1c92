//! `journal verify`: any flipped byte of the files is found and named.

use super::Source;
use crate::failure::{Failure, Finding, Outcome};
use crate::ledger::JournalFiles;
use crate::output;
use clap::Args;
use journal::verify::Report;
use runtime::store::{read_segments, segment_path};
use serde_json::json;
use std::time::Duration;

/// Looks at a journal whose writer lives: its last batch may be half written at one of them, not at all.
const LOOKS: u32 = 5;

/// Arguments of `journal verify`.
#[derive(Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    source: Source,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Arguments {
    /// Runs the command.
    ///
    /// # Errors
    /// When there is no such journal.
    pub fn run(&self) -> Outcome {
        let mut journals = self.source.read()?;
        let mut findings = Vec::new();
        let (mut records, mut segments) = (0, 0);
        for journal in &mut journals {
            let report = settled(journal)?;
            records += report.records;
            segments += report.segments;
            for finding in report.findings {
                let file = segment_path(&journal.directory, finding.file_id);
                if !self.json {
                    output::line(&format!("{}: offset {}: {}", file.display(), finding.offset, finding.what))?;
                }
                findings.push(json!({ "file": file, "offset": finding.offset, "what": finding.what }));
            }
        }
        let sound = findings.is_empty();
        if self.json {
            output::json(json!({ "sound": sound, "segments": segments, "records": records, "findings": findings }))?;
        } else if sound {
            output::line(&format!("{segments} segments, {records} records: every byte stands"))?;
        } else {
            output::line("restore the files named above from a copy; nothing here repairs a journal")?;
        }
        Ok(if sound { Finding::Good } else { Finding::Negative })
    }
}

/// The report of a journal, looked at again while its last segment may be being written.
fn settled(journal: &mut JournalFiles) -> Result<Report, Failure> {
    let mut looks = 1;
    loop {
        let report = journal::verify::verify(&journal.slices());
        let last = journal.segments.last().map(|(file_id, _)| *file_id);
        let only_last = report.findings.iter().all(|finding| Some(finding.file_id) == last);
        if report.findings.is_empty() || !only_last || looks == LOOKS || journal.tail.is_none() {
            return Ok(report);
        }
        looks += 1;
        std::thread::sleep(Duration::from_millis(5));
        journal.segments = read_segments(&journal.directory)?;
    }
}
