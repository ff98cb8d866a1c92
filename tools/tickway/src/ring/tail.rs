//! `ring tail`: messages as they are, from a living ring or a dead one. It may be lapped and then says so.
//!
//! It never keeps up at the writer's expense: it reads a burst, naps, and when it was lapped it goes on near the newest
//! message, so that of a ring too fast for eyes it shows a sample.

use crate::export::{Event, Sink, What};
use crate::failure::{Failure, Finding, INTERRUPTED, Outcome};
use crate::query::Filter;
use crate::regions::{BATCH, Batch, Read, RingRegion, Tap};
use crate::ring::source::Source;
use clap::Args;
use recorder::capture::stamp;
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
        let filter = Filter::parse(&self.conditions, opened.host().as_ref())?;
        let (ring, mut sink) = (&opened.ring, Sink::stream(self.json));
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
        let mut tap = ring.attach(start)?;
        match scan(ring.id, &mut tap, &filter, end, &mut sink) {
            // A stream without an end of its own is ended by a signal.
            Err(failure) if self.follow && failure.code == INTERRUPTED => Ok(Finding::Good),
            Err(failure) => Err(failure),
            Ok(()) if self.follow => follow(ring, &mut tap, &filter, &mut sink),
            Ok(()) => Ok(Finding::Good),
        }
    }

    /// Prints the last messages that match, among those that the ring holds.
    fn print_last(&self, ring: &RingRegion, filter: &Filter, end: u64, sink: &mut Sink) -> Result<(), Failure> {
        let mut last: VecDeque<(u64, Vec<u64>)> = VecDeque::new();
        let (mut tap, mut batch) = (ring.attach(Start::Oldest)?, Batch::default());
        while tap.next_sequence() <= end && !stop_requested() && tap.read(&mut batch) != Read::Nothing {
            for (sequence, words) in batch.messages().filter(|(sequence, _)| *sequence <= end) {
                if filter.matches(ring.id, words) {
                    last.push_back((sequence, words.to_vec()));
                }
            }
            while last.len() as u64 > self.count {
                last.pop_front();
            }
        }
        last.iter().try_for_each(|(sequence, words)| sink.write(&message(ring.id, *sequence, words)))
    }
}

/// The event of a message.
fn message(ring: RingId, sequence: u64, words: &[u64]) -> Event<'_> {
    Event { ring, sequence, stamp_ns: stamp::own(ring.kind, words), what: What::Message(words) }
}

/// Writes what the ring holds, up to the sequence `end`; laps too.
///
/// # Errors
/// When the sink cannot be written, or a signal ended it before `end`.
pub fn scan(ring: RingId, tap: &mut Tap, filter: &Filter, end: u64, sink: &mut Sink) -> Result<(), Failure> {
    let mut batch = Batch::default();
    while tap.next_sequence() <= end {
        if stop_requested() {
            return Err(sink.interrupted());
        }
        match tap.read(&mut batch) {
            Read::Messages(_) => {
                for (sequence, words) in batch.messages().filter(|(sequence, _)| *sequence <= end) {
                    if filter.matches(ring, words) {
                        sink.write(&message(ring, sequence, words))?;
                    }
                }
            }
            Read::Lapped(sequence, missed) => {
                sink.write(&Event { ring, sequence, stamp_ns: 0, what: What::Lapped(missed) })?;
            }
            Read::Nothing => break,
        }
    }
    // A last batch may reach beyond: those messages are the follower's.
    if tap.next_sequence() > end + 1 {
        tap.seek(end);
    }
    Ok(())
}

/// Goes on as messages come, until it is told to stop.
fn follow(ring: &RingRegion, tap: &mut Tap, filter: &Filter, sink: &mut Sink) -> Outcome {
    let (mut batch, mut burst) = (Batch::default(), 0);
    while !stop_requested() {
        match tap.read(&mut batch) {
            Read::Messages(count) => {
                for (sequence, words) in batch.messages() {
                    if filter.matches(ring.id, words) {
                        sink.write(&message(ring.id, sequence, words))?;
                    }
                }
                burst += count;
            }
            Read::Lapped(sequence, _) => {
                tap.seek(ring.published().saturating_sub(BATCH as u64).max(tap.next_sequence() - 1));
                let missed = tap.next_sequence() - sequence;
                sink.write(&Event { ring: ring.id, sequence, stamp_ns: 0, what: What::Lapped(missed) })?;
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
