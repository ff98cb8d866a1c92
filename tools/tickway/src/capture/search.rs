//! `capture grep` and `capture export`: the index finds the stretches, the conditions the messages.

use super::{Opened, Source, failure, report};
use crate::export::{Event, Format, Sink, What};
use crate::failure::{Failure, Outcome, USAGE};
use crate::query::Filter;
use clap::Args;
use recorder::capture::index::EXTENSION;
use recorder::capture::query::{Found, FoundWhat, Selection, search_past_damage};
use recorder::capture::reader::files;
use runtime::config::HostFile;
use runtime::signal::stop_requested;
use shm_layout::topology::RingId;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::PathBuf;

/// What is looked for.
#[derive(Args, Debug)]
struct Conditions {
    /// Only this ring, such as execution.0; may be given more than once
    #[arg(long = "ring", value_name = "RING")]
    rings: Vec<String>,
    /// Only messages of which this holds: instrument=, kind=, cl_ord_id=, strategy=, side=; may be given more than once
    #[arg(long = "where", value_name = "KEY=VALUE")]
    conditions: Vec<String>,
    /// From this sequence on, or with `ns` this stamp: 1700, 1763700000000000000ns
    #[arg(long, value_name = "SEQUENCE|STAMPns")]
    from: Option<Bound>,
    /// Up to this sequence or stamp, it included
    #[arg(long, value_name = "SEQUENCE|STAMPns")]
    to: Option<Bound>,
}

/// Arguments of `capture grep`.
#[derive(Args, Debug)]
pub struct GrepArguments {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    conditions: Conditions,
    /// Print one JSON object per message
    #[arg(long)]
    json: bool,
}

/// Arguments of `capture export`.
#[derive(Args, Debug)]
pub struct ExportArguments {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    conditions: Conditions,
    /// How to write them
    #[arg(long, value_enum)]
    format: Format,
    /// Where to, all or nothing; - is standard output
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// No ring comes to so many messages; as a stamp, it is eleven days after 1970.
const SEQUENCE_END: u64 = 1_000_000_000_000_000;
const WRITE_ONE: &str = "write a sequence, such as 1700, or a stamp, such as 1763700000000000000ns";

/// An end of a range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Bound {
    Sequence(u64),
    Stamp(u64),
}

impl std::str::FromStr for Bound {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = match text.strip_suffix("ns") {
            Some(stamp) => stamp.trim().parse().map(Self::Stamp),
            None => text.parse().map(Self::Sequence),
        };
        match read {
            // A sequence would need years of a million messages per second.
            Ok(Self::Sequence(sequence)) if sequence >= SEQUENCE_END => {
                Err(format!("{sequence} is greater than any sequence; a stamp ends in ns: {sequence}ns"))
            }
            read => read.map_err(|_| WRITE_ONE.to_owned()),
        }
    }
}

impl Conditions {
    fn selection(&self, opened: &Opened) -> Result<Selection, Failure> {
        let known = rings_of(opened);
        let mut selection = Selection::default();
        for name in &self.rings {
            let found = known.iter().find(|ring| ring.name() == *name);
            selection.rings.push(*found.ok_or_else(|| {
                let names: Vec<String> = known.iter().map(|ring| ring.name()).collect();
                let cure = format!("the rings are: {}", names.join(", "));
                Failure::new(USAGE, format!("the capture has no ring {name:?}"), cure)
            })?);
        }
        match self.from {
            Some(Bound::Sequence(from)) => selection.sequences = from..=u64::MAX,
            Some(Bound::Stamp(from)) => selection.times = from..=u64::MAX,
            None => {}
        }
        match self.to {
            Some(Bound::Sequence(to)) => selection.sequences = *selection.sequences.start()..=to,
            Some(Bound::Stamp(to)) => selection.times = *selection.times.start()..=to,
            None => {}
        }
        for (range, unit) in [(&selection.sequences, ""), (&selection.times, "ns")] {
            if range.is_empty() {
                let what = format!("--from {}{unit} is after --to {}{unit}", range.start(), range.end());
                return Err(Failure::new(USAGE, what, "nothing is between: change one for the other"));
            }
        }
        Ok(selection)
    }

    fn run(&self, opened: &Opened, sink: &mut Sink) -> Outcome {
        let filter = Filter::parse(&self.conditions, host(opened).as_ref())?;
        let selection = self.selection(opened)?;
        let mut ended = None;
        let damaged = search_past_damage(&opened.files, &selection, |found| {
            if let Some(event) = event(found, &filter)
                && let Err(failure) = sink.write(&event)
            {
                ended = Some(failure);
            } else if stop_requested() {
                ended = Some(sink.interrupted());
            }
            if ended.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .map_err(failure)?;
        ended.map_or_else(|| sink.finish(), Err)?;
        Ok(report(&opened.damaged).max(report(&damaged)))
    }
}

/// What is written of something found; gaps always, since what was looked for may have been there.
fn event<'a>(found: &Found<'a>, filter: &Filter) -> Option<Event<'a>> {
    let Found { ring, sequence, stamp_ns, what } = *found;
    let what = match what {
        FoundWhat::Message(words) if filter.matches(ring, words) => What::Message(words),
        FoundWhat::Message(_) => return None,
        FoundWhat::Gap(missed) => What::Gap(missed),
        FoundWhat::End if filter.is_empty() => What::End,
        FoundWhat::End => return None,
    };
    Some(Event { ring, sequence, stamp_ns, what })
}

/// The rings of a capture, by its index.
fn rings_of(opened: &Opened) -> BTreeSet<RingId> {
    let groups = opened.files.iter().flat_map(|file| &file.groups);
    groups.flat_map(|group| &group.entries).filter_map(|entry| entry.ring()).collect()
}

impl GrepArguments {
    /// Runs `capture grep`.
    ///
    /// # Errors
    /// When there is no capture, or a condition is none.
    pub fn run(&self) -> Outcome {
        let opened = self.source.open()?;
        let mut sink = Sink::stream_of_many(self.json).with_symbols(host(&opened));
        self.conditions.run(&opened, &mut sink)
    }
}

impl ExportArguments {
    /// Runs `capture export`.
    ///
    /// # Errors
    /// As `capture grep`, and when the file cannot be written.
    pub fn run(&self) -> Outcome {
        let opened = self.source.open()?;
        let selected = self.conditions.selection(&opened)?.rings;
        let all = || rings_of(&opened).into_iter().collect();
        let rings: Vec<RingId> = if selected.is_empty() { all() } else { selected };
        let mut sink = Sink::create(self.format, &self.out, &rings, &inputs(&opened)?)?;
        self.conditions.run(&opened, &mut sink)
    }
}

/// The host file of the instance, for its symbols; `None` when it cannot be read.
fn host(opened: &Opened) -> Option<HostFile> {
    opened.place.as_ref()?.host_file().ok()
}

/// Every file of the capture's directory that an output must not replace: of other boots too, and the indexes.
fn inputs(opened: &Opened) -> Result<Vec<PathBuf>, Failure> {
    let captures = files(&opened.directory).map_err(failure)?;
    Ok(captures.into_iter().flat_map(|path| [path.with_extension(EXTENSION), path]).collect())
}
