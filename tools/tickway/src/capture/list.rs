//! `capture ls`.

use super::{Opened, Source, damage_to_json, failure, report};
use crate::failure::{Failure, Outcome};
use crate::output::{self, hex};
use clap::Args;
use recorder::capture::CaptureError;
use recorder::capture::index::Entry;
use recorder::capture::query::{FoundWhat, IndexedFile, Origin, Selection, search_past_damage};
use recorder::capture::reader::Boot;
use runtime::signal::stop_requested;
use serde_json::{Value, json};
use shm_layout::topology::RingId;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// Arguments of `capture ls`.
#[derive(Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    source: Source,
    /// Every gap record too
    #[arg(long)]
    gaps: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What the index says of one ring.
#[derive(Clone, Copy, Debug)]
struct Span {
    first_sequence: u64,
    next_sequence: u64,
    missed: u64,
    gaps: u64,
    time_min: u64,
    time_max: u64,
    ended: bool,
}

impl Span {
    fn of(entry: &Entry) -> Self {
        let (time_min, time_max) = entry.times();
        Self {
            first_sequence: entry.first_sequence(),
            next_sequence: entry.next_sequence(),
            missed: entry.missed(),
            gaps: entry.gaps(),
            time_min,
            time_max,
            ended: entry.ended(),
        }
    }

    fn add(&mut self, next: &Self) {
        self.next_sequence = next.next_sequence;
        self.missed += next.missed;
        self.gaps += next.gaps;
        self.time_min = self.time_min.min(next.time_min);
        self.time_max = self.time_max.max(next.time_max);
        self.ended = next.ended;
    }

    /// Messages captured.
    const fn messages(&self) -> u64 {
        self.next_sequence.saturating_sub(self.first_sequence).saturating_sub(self.missed)
    }

    fn to_json(self, ring: RingId) -> Value {
        json!({
            "ring": ring.name(),
            "first_sequence": self.first_sequence,
            "last_sequence": self.next_sequence.saturating_sub(1),
            "messages": self.messages(),
            "gaps": self.gaps,
            "missed": self.missed,
            "time_min_ns": self.time_min,
            "time_max_ns": self.time_max,
            "ended": self.ended,
        })
    }
}

fn spans<'a>(files: impl IntoIterator<Item = &'a IndexedFile>) -> BTreeMap<RingId, Span> {
    let mut spans: BTreeMap<RingId, Span> = BTreeMap::new();
    for entry in files.into_iter().flat_map(|file| &file.groups).flat_map(|group| &group.entries) {
        let Some(ring) = entry.ring() else { continue };
        let span = Span::of(entry);
        spans.entry(ring).and_modify(|known| known.add(&span)).or_insert(span);
    }
    spans
}

/// How the index of a file was had.
fn origin(file: &IndexedFile) -> String {
    match file.origin {
        Origin::Whole => "whole".to_owned(),
        Origin::Extended(bytes) => format!("whole but for the last {bytes} bytes"),
        Origin::Rebuilt => "rebuilt".to_owned(),
    }
}

impl Arguments {
    /// Runs the command.
    ///
    /// # Errors
    /// When there is no capture, or it cannot be read.
    pub fn run(&self) -> Outcome {
        let opened = self.source.open()?;
        let rings = spans(&opened.files);
        let mut damaged: Vec<Value> = opened.damaged.iter().map(damage_to_json).collect();
        let (gaps, more) = if self.gaps { gaps(&opened.files)? } else { (Vec::new(), Vec::new()) };
        damaged.extend(more.iter().map(damage_to_json));
        if self.json {
            let of_spans = |spans: BTreeMap<RingId, Span>| -> Vec<Value> {
                spans.into_iter().map(|(ring, span)| span.to_json(ring)).collect()
            };
            let file = |file: &IndexedFile| {
                json!({
                    "file": file.path,
                    "bytes": file.bytes,
                    "created_ns": file.header.created_ns.get(),
                    "index": origin(file),
                    "rings": of_spans(spans([file])),
                })
            };
            let files: Vec<Value> = opened.files.iter().map(file).collect();
            let boot_stamp = hex(opened.files[0].header.boot_stamp.get());
            let mut document = json!({
                "directory": opened.directory,
                "boot_stamp": boot_stamp,
                "boots": opened.boots.iter().map(boot_to_json).collect::<Vec<_>>(),
                "files": files,
                "rings": of_spans(rings),
                "damaged": damaged,
            });
            if self.gaps {
                document["gaps"] = json!(gaps);
            }
            output::json(document)?;
        } else {
            print_boots(&opened)?;
            print(&opened.files, &rings, &gaps)?;
        }
        Ok(report(&opened.damaged).max(report(&more)))
    }
}

fn boot_bytes(boot: &Boot) -> u64 {
    boot.files.iter().filter_map(|file| std::fs::metadata(file).ok()).map(|metadata| metadata.len()).sum()
}

fn boot_to_json(boot: &Boot) -> Value {
    json!({
        "boot_stamp": hex(boot.stamp),
        "created_ns": boot.created_ns,
        "files": boot.files.len(),
        "bytes": boot_bytes(boot),
    })
}

/// Every boot, and which of them the rest is about.
fn print_boots(opened: &Opened) -> Result<(), Failure> {
    let shown = opened.files.first().map(|file| file.header.boot_stamp.get());
    let mut table = output::table(&["boot", "created_ns", "files", "bytes", ""]);
    for boot in &opened.boots {
        let word = if Some(boot.stamp) == shown { "listed below" } else { "see --boot" };
        table.add_row([
            hex(boot.stamp),
            boot.created_ns.to_string(),
            boot.files.len().to_string(),
            boot_bytes(boot).to_string(),
            word.to_owned(),
        ]);
    }
    output::print_table(&table)
}

/// Every gap record, read from the captures, and what was found damaged meanwhile.
fn gaps(files: &[IndexedFile]) -> Result<(Vec<Value>, Vec<CaptureError>), Failure> {
    let mut gaps = Vec::new();
    let damaged = search_past_damage(files, &Selection::default(), |found| {
        if let FoundWhat::Gap(missed) = found.what {
            gaps.push(json!({ "ring": found.ring.name(), "first_sequence": found.sequence, "missed": missed }));
        }
        if stop_requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
    .map_err(failure)?;
    if stop_requested() {
        let what = format!("after {}", output::count(gaps.len() as u64, "gap"));
        return Err(Failure::interrupted(what, "without --gaps the index alone is read"));
    }
    Ok((gaps, damaged))
}

fn print(files: &[IndexedFile], rings: &BTreeMap<RingId, Span>, gaps: &[Value]) -> Result<(), Failure> {
    let mut table = output::table(&["file", "bytes", "rings", "messages", "gaps", "index"]);
    for file in files {
        let spans = spans([file]);
        table.add_row([
            file.path.display().to_string(),
            file.bytes.to_string(),
            spans.len().to_string(),
            spans.values().map(Span::messages).sum::<u64>().to_string(),
            spans.values().map(|span| span.gaps).sum::<u64>().to_string(),
            origin(file),
        ]);
    }
    output::print_table(&table)?;
    let headings = ["ring", "sequences", "messages", "gaps", "missed", "from_ns", "to_ns", "ended"];
    let mut table = output::table(&headings);
    for (ring, span) in rings {
        table.add_row([
            ring.name(),
            format!("{}..{}", span.first_sequence, span.next_sequence.saturating_sub(1)),
            span.messages().to_string(),
            span.gaps.to_string(),
            span.missed.to_string(),
            span.time_min.to_string(),
            span.time_max.to_string(),
            if span.ended { "yes" } else { "no" }.to_owned(),
        ]);
    }
    output::print_table(&table)?;
    let line = |gap: &Value| {
        let ring = gap["ring"].as_str().unwrap_or("?");
        output::line(&format!("{ring}: {} missing from sequence {}", gap["missed"], gap["first_sequence"]))
    };
    gaps.iter().try_for_each(line)
}
