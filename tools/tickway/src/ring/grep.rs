//! `ring grep`: the messages that match, among those that the ring holds now.

use crate::export::Sink;
use crate::failure::Outcome;
use crate::query::Filter;
use crate::ring::reading::{Reading, scan};
use crate::ring::source::Source;
use clap::Args;
use shm_layout::ring::Start;

/// Arguments of `ring grep`.
#[derive(Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    source: Source,
    /// Only messages of which this holds: instrument=, kind=, cl_ord_id=, strategy=, side=; may be given more than once
    #[arg(long = "where", value_name = "KEY=VALUE", required = true)]
    conditions: Vec<String>,
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
        let end = ring.published();
        let found = scan(ring, &mut Reading::begin(ring, Start::Oldest)?, &filter, end, &mut sink)?;
        Ok(found)
    }
}
