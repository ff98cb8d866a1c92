//! `ring tail`: messages as they are, from a living ring or a dead one. It may be lapped and then says so.
//!
//! It never keeps up at the writer's expense: it reads a burst, naps, and when it was lapped it goes on near the newest
//! message, so that of a ring too fast for eyes it shows a sample.

use crate::export::{Event, Sink, What};
use crate::failure::{Finding, INTERRUPTED, Outcome};
use crate::place::Ending;
use crate::query::Filter;
use crate::regions::{BATCH, Batch, Read, RingRegion};
use crate::ring::reading::{Reading, scan};
use crate::ring::source::{Opened, Source};
use clap::Args;
use runtime::signal::stop_requested;
use shm_layout::ring::Start;
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
    /// Go on as messages come, until the instance ends
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
        let mut sink = Sink::stream(self.json).with_symbols(host);
        match self.print(&opened, &filter, &mut sink) {
            // A stream without an end of its own is ended by a signal.
            Err(failure) if self.follow && failure.code == INTERRUPTED => Ok(Finding::Good),
            outcome => outcome,
        }
    }

    fn print(&self, opened: &Opened, filter: &Filter, sink: &mut Sink) -> Outcome {
        let ring = &opened.ring;
        // Without --follow: what was there when the command began, however fast the writer is.
        let end = ring.published();
        let mut found = Finding::Good;
        let start = match (self.from, self.oldest) {
            (Some(sequence), _) => Start::After(sequence.saturating_sub(1)),
            (None, true) => Start::Oldest,
            (None, false) if filter.is_empty() => Start::After(end.saturating_sub(self.count)),
            (None, false) => {
                found = self.print_last(ring, filter, end, sink)?;
                Start::After(end)
            }
        };
        let mut reading = Reading::begin(ring, start)?;
        found = found.max(scan(ring, &mut reading, filter, end, sink)?);
        if self.follow {
            found = found.max(follow(opened, &mut reading, filter, sink)?);
        }
        Ok(found)
    }

    /// Prints the last messages that match, among those that the ring holds, after what of it cannot be read.
    fn print_last(&self, ring: &RingRegion, filter: &Filter, end: u64, sink: &mut Sink) -> Outcome {
        let mut last: VecDeque<(u64, u64, Vec<u64>)> = VecDeque::new();
        let (mut reading, mut batch) = (Reading::begin(ring, Start::Oldest)?, Batch::default());
        let mut found = Finding::Good;
        while !reading.is_at(end) {
            if stop_requested() {
                return Err(sink.interrupted());
            }
            match reading.read(ring, end, &mut batch) {
                Read::Messages(_) => {
                    for (sequence, words) in batch.messages().filter(|(sequence, _)| *sequence <= end) {
                        let stamp_ns = reading.carry(ring.id.kind, words);
                        if filter.matches(ring.id, words) {
                            last.push_back((sequence, stamp_ns, words.to_vec()));
                        }
                    }
                }
                Read::Damaged(sequence, missed) => {
                    reading.write_missing(ring.id, sequence, What::Damaged(missed), sink)?;
                    found = Finding::Negative;
                }
                Read::Lapped(..) => {}
                Read::Nothing => break,
            }
            while last.len() as u64 > self.count {
                last.pop_front();
            }
        }
        let event = |(sequence, stamp_ns, words): &(u64, u64, Vec<u64>)| {
            let (sequence, stamp_ns) = (*sequence, *stamp_ns);
            sink.write(&Event { ring: ring.id, sequence, stamp_ns, what: What::Message(words) })
        };
        last.iter().try_for_each(event)?;
        Ok(found)
    }
}

/// Goes on as messages come, until it is told to stop or the instance, which lived, has ended.
fn follow(opened: &Opened, reading: &mut Reading, filter: &Filter, sink: &mut Sink) -> Outcome {
    let (ring, mut ending) = (&opened.ring, Ending::of(opened.place.as_ref()));
    let (mut batch, mut burst, mut has_ended, mut found) = (Batch::default(), 0, false, Finding::Good);
    // The last sequence that is sure to have been published before a look: what is not there then is damage.
    let mut sure = 0;
    while !stop_requested() {
        match reading.read(ring, sure, &mut batch) {
            Read::Messages(count) => {
                reading.write(ring.id, &batch, u64::MAX, filter, sink)?;
                burst += count;
            }
            Read::Lapped(sequence, _) => {
                reading.skip_to(ring.published().saturating_sub(BATCH as u64));
                let missed = reading.next_sequence() - sequence;
                reading.write_missing(ring.id, sequence, What::Lapped(missed), sink)?;
                burst = BURST;
            }
            // What was published before the end was seen has been read now.
            Read::Nothing if has_ended => {
                eprintln!("tickway: the instance has ended");
                break;
            }
            Read::Damaged(sequence, missed) => {
                reading.write_missing(ring.id, sequence, What::Damaged(missed), sink)?;
                found = Finding::Negative;
            }
            Read::Nothing => {
                // A writer that is a ring ahead has overwritten what is looked for: where that is not so, the word is false.
                let published = ring.published();
                sure = if published < reading.next_sequence() + ring.slots as u64 { published } else { 0 };
                burst = BURST;
            }
        }
        if burst >= BURST {
            burst = 0;
            std::thread::sleep(NAP);
            has_ended = has_ended || ending.has_come();
        }
    }
    Ok(found)
}
