//! `ring tail`: messages as they are, from a living ring or a dead one. It may be lapped and then says so.

use crate::decode;
use crate::failure::{Failure, Finding, Outcome};
use crate::output;
use crate::place::Which;
use crate::regions::{Read, Regions};
use clap::Args;
use serde_json::json;
use shm_layout::ring::Start;
use shm_layout::topology::{RingId, RingKind};
use std::time::Duration;

/// Nap between two looks at an idle ring.
const NAP: Duration = Duration::from_millis(2);

/// Arguments of `ring tail`.
#[derive(Args, Debug)]
pub struct Arguments {
    /// The ring, such as execution.0
    #[arg(value_name = "RING")]
    ring: Option<String>,
    #[command(flatten)]
    which: Which,
    /// Print the last N messages
    #[arg(short = 'n', long, default_value_t = 10, value_name = "N")]
    count: u64,
    /// Begin at this sequence instead
    #[arg(long, value_name = "SEQUENCE", conflicts_with_all = ["count", "oldest"])]
    from: Option<u64>,
    /// Begin at the oldest message that the ring holds
    #[arg(long, conflicts_with = "count")]
    oldest: bool,
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
    /// When there is no such instance or ring.
    pub fn run(&self) -> Outcome {
        let place = super::place(&self.which, self.ring.as_deref())?;
        let regions = Regions::open(place.instance.regions())?;
        let ring = regions.ring(self.ring.as_deref())?;
        let start = match (self.from, self.oldest) {
            (Some(sequence), _) => Start::After(sequence.saturating_sub(1)),
            (None, true) => Start::Oldest,
            (None, false) => Start::After(ring.published().saturating_sub(self.count)),
        };
        let mut tap = ring.attach(start)?;
        // Without --follow: what was there when the command began, however fast the writer is.
        let end = ring.published();
        while self.follow || tap.next_sequence() <= end {
            match tap.read() {
                Read::Messages(first, messages) => {
                    for (sequence, words) in (first..).zip(&messages) {
                        if self.follow || sequence <= end {
                            self.print(ring.id, sequence, words)?;
                        }
                    }
                }
                Read::Lapped(from, missed) => self.print_lap(ring.id.kind, from, missed)?,
                Read::Nothing if self.follow => std::thread::sleep(NAP),
                Read::Nothing => break,
            }
        }
        Ok(Finding::Good)
    }

    fn print(&self, ring: RingId, sequence: u64, words: &[u64]) -> Result<(), Failure> {
        let mut value = decode::message(ring.kind, words);
        if self.json {
            value["ring"] = json!(ring.name());
            value["sequence"] = json!(sequence);
            output::json(value)
        } else {
            output::line(&format!("{sequence} {}", decode::text(&value)))
        }
    }

    fn print_lap(&self, kind: RingKind, from: u64, missed: u64) -> Result<(), Failure> {
        if self.json {
            output::json(json!({ "kind": "lapped", "ring": kind.snake_name(), "sequence": from, "missed": missed }))
        } else {
            let missed = output::count(missed, "message");
            output::line(&format!("{from} lapped: {missed} overwritten before the read"))
        }
    }
}
