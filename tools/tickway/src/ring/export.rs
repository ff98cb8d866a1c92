//! `ring export`: what the ring holds now, in a format for other tools.

use crate::export::{Format, Sink};
use crate::failure::Outcome;
use crate::query::Filter;
use crate::ring::reading::{Reading, scan};
use crate::ring::source::Source;
use clap::Args;
use shm_layout::ring::Start;
use std::path::PathBuf;

/// Arguments of `ring export`.
#[derive(Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    source: Source,
    /// How to write them
    #[arg(long, value_enum)]
    format: Format,
    /// Where to, all or nothing; - is standard output
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Only messages of which this holds: instrument=, kind=, cl_ord_id=, strategy=, side=; may be given more than once
    #[arg(long = "where", value_name = "KEY=VALUE")]
    conditions: Vec<String>,
}

impl Arguments {
    /// Runs the command.
    ///
    /// # Errors
    /// When there is no such instance or ring, a condition is none, or the file cannot be written.
    pub fn run(&self) -> Outcome {
        let opened = self.source.open()?;
        let filter = Filter::parse(&self.conditions, opened.host().as_ref())?;
        let ring = &opened.ring;
        let inputs: Vec<PathBuf> = opened.regions.rings.iter().map(|ring| ring.path.clone()).collect();
        let mut sink = Sink::create(self.format, &self.out, &[ring.id], &inputs)?;
        let end = ring.published();
        let found = scan(ring, &mut Reading::begin(ring, Start::Oldest)?, &filter, end, &mut sink)?;
        sink.finish()?;
        Ok(found)
    }
}
