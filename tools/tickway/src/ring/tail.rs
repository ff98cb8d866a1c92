//! `ring tail`: messages as they are, from a living ring or a dead one. It may be lapped and then says so.
//!
//! It never keeps up at the writer's expense: it reads a burst, naps, and when it was lapped it goes on near the newest
//! message, so that of a ring too fast for eyes it shows a sample.

use crate::export::{Event, Sink, What};
use crate::failure::{Failure, Finding, INTERRUPTED, Outcome};
use crate::query::Filter;
use crate::regions::{BATCH, Batch, Read, RingRegion, Tap};
use crate::ring::source::Source;
use crate::ring::stamps;
use clap::Args;
use recorder::capture::stamp::Carried;
use runtime::signal::stop_requested;
use shm_layout::ring::Start;
use shm_layout::topology::RingId;
use std::collections::VecDeque;
use std::time::Duration;

/// Nap between two looks at a ring.
const NAP: Duration = Duration::from_millis(2);
/// Messages read between two naps: a million per second, of which a producer of 10 million notices little.
const BURST: usize = 2_048;
const _: () = assert!(BURST.is_multiple_of(BATCH), "a burst is whole batches");

/// Arguments of `ring tail`.
#[derive(Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    source: Source,
    /// Print the last N messages (that match)
    #[arg(short = 'n', long, default_value_t = 10, value_name = "N")]
    count: u64,
    /// Begin at this sequence instead
    #[arg(long, value_name = "SEQUENCE", conflicts_with_all = ["count", "oldest"])]
    from: Option<u64>,
    /// Begin at the oldest message that the ring holds
    #[arg(long, conflicts_with = "count")]
    oldest: bool,
    /// Only messages of which this holds: instrument=, kind=, cl_ord_id=, strategy=, side=; may be given more than once
    #[arg(long = "where", value_name = "KEY=VALUE")]
    conditions: Vec<String>,
    /// Go on as messages come
    #[arg(short, long)]
    follow: bool,
    /// Print one JSON object per message
    #[arg(long)]
    json: bool,
}

impl Arguments {
    /// Runs the command.
    ///
    /// # Errors
    /// When there is no such instance or ring, or a condition is none.
    pub fn run(&self) -> Outcome {
        let opened = self.source.open()?;
        let host = opened.host();
        let filter = Filter::parse(&self.conditions, host.as_ref())?;
        let (ring, mut sink) = (&opened.ring, Sink::stream(self.json).with_symbols(host));
        // Without --follow: what was there when the command began, however fast the writer is.
        let end = ring.published();
        let start = match (self.from, self.oldest) {
            (Some(sequence), _) => Start::After(sequence.saturating_sub(1)),
            (None, true) => Start::Oldest,
            (None, false) if filter.is_empty() => Start::After(end.saturating_sub(self.count)),
            (None, false) => {
                self.print_last(ring, &filter, end, &mut sink)?;
                Start::After(end)
            }
        };
        let mut reading = Reading::begin(ring, start)?;
        match scan(ring, &mut reading, &filter, end, &mut sink) {
            // A stream without an end of its own is ended by a signal.
            Err(failure) if self.follow && failure.code == INTERRUPTED => Ok(Finding::Good),
            Err(failure) => Err(failure),
            Ok(()) if self.follow => follow(ring, &mut reading, &filter, &mut sink),
            Ok(()) => Ok(Finding::Good),
        }
    }

    /// Prints the last messages that match, among those that the ring holds.
    fn print_last(&self, ring: &RingRegion, filter: &Filter, end: u64, sink: &mut Sink) -> Result<(), Failure> {
        let mut last: VecDeque<(u64, u64, Vec<u64>)> = VecDeque::new();
        let Reading { mut tap, mut carried } = Reading::begin(ring, Start::Oldest)?;
        let mut batch = Batch::default();
        while tap.next_sequence() <= end && !stop_requested() && tap.read(&mut batch) != Read::Nothing {
            for (sequence, words) in batch.messages().filter(|(sequence, _)| *sequence <= end) {
                let stamp_ns = carried.next(ring.id.kind, words);
                if filter.matches(ring.id, words) {
                    last.push_back((sequence, stamp_ns, words.to_vec()));
                }
            }
            while last.len() as u64 > self.count {
                last.pop_front();
            }
        }
        let event = |(sequence, stamp_ns, words): &(u64, u64, Vec<u64>)| {
            sink.write(&Event { ring: ring.id, sequence: *sequence, stamp_ns: *stamp_ns, what: What::Message(words) })
        };
        last.iter().try_for_each(event)
    }
}

/// Where a command stands in a ring, and the stamp that it carries on to a message without one.
#[derive(Debug)]
pub struct Reading {
    tap: Tap,
    carried: Carried,
}

impl Reading {
    /// Begins there.
    ///
    /// # Errors
    /// When the region is no ring of its slots.
    pub fn begin(ring: &RingRegion, start: Start) -> Result<Self, Failure> {
        let tap = ring.attach(start)?;
        let carried = stamps::carried(ring, tap.next_sequence());
        Ok(Self { tap, carried })
    }

    /// Writes the messages of a batch that match, up to the sequence `end`.
    fn write(
        &mut self,
        ring: RingId,
        batch: &Batch,
        end: u64,
        filter: &Filter,
        sink: &mut Sink,
    ) -> Result<(), Failure> {
        for (sequence, words) in batch.messages().filter(|(sequence, _)| *sequence <= end) {
            let stamp_ns = self.carried.next(ring.kind, words);
            if filter.matches(ring, words) {
                sink.write(&Event { ring, sequence, stamp_ns, what: What::Message(words) })?;
            }
        }
        Ok(())
    }

    /// Writes that messages from a sequence on were overwritten: then, as far as is known, it is as late as the last one read.
    fn write_lap(&self, ring: RingId, sequence: u64, missed: u64, sink: &mut Sink) -> Result<(), Failure> {
        let stamp_ns = self.carried.stamp_ns;
        sink.write(&Event { ring, sequence, stamp_ns, what: What::Lapped(missed) })
    }
}

/// Writes what the ring holds, up to the sequence `end`; laps too.
///
/// # Errors
/// When the sink cannot be written, or a signal ended it before `end`.
pub fn scan(
    ring: &RingRegion,
    reading: &mut Reading,
    filter: &Filter,
    end: u64,
    sink: &mut Sink,
) -> Result<(), Failure> {
    let mut batch = Batch::default();
    while reading.tap.next_sequence() <= end {
        if stop_requested() {
            return Err(sink.interrupted());
        }
        match reading.tap.read(&mut batch) {
            Read::Messages(_) => reading.write(ring.id, &batch, end, filter, sink)?,
            Read::Lapped(sequence, missed) => reading.write_lap(ring.id, sequence, missed, sink)?,
            Read::Nothing => break,
        }
    }
    // A last batch may reach beyond: those messages are the follower's.
    if reading.tap.next_sequence() > end + 1 {
        reading.tap.seek(end);
    }
    Ok(())
}

/// Goes on as messages come, until it is told to stop.
fn follow(ring: &RingRegion, reading: &mut Reading, filter: &Filter, sink: &mut Sink) -> Outcome {
    let (mut batch, mut burst) = (Batch::default(), 0);
    while !stop_requested() {
        match reading.tap.read(&mut batch) {
            Read::Messages(count) => {
                reading.write(ring.id, &batch, u64::MAX, filter, sink)?;
                burst += count;
            }
            Read::Lapped(sequence, _) => {
                let tap = &mut reading.tap;
                tap.seek(ring.published().saturating_sub(BATCH as u64).max(tap.next_sequence() - 1));
                let missed = tap.next_sequence() - sequence;
                reading.write_lap(ring.id, sequence, missed, sink)?;
                burst = BURST;
            }
            Read::Nothing => burst = BURST,
        }
        if burst >= BURST {
            burst = 0;
            std::thread::sleep(NAP);
        }
    }
    Ok(Finding::Good)
}
