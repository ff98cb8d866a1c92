//! `tickway bench`: latencies and rates on this machine, beside their limits. The harness is the crate `benches`; here are
//! only its place among the commands and its exit codes.

use crate::failure::{Failure, Finding, OS_ERROR, Outcome};
use crate::{output, tick_to_order};
use benches::child::LaneEntry;
use benches::command::{Said, Verb};
use benches::lane::Tickway;

/// Measure this machine: rings, broadcast, journal, jitter, tick to order
///
/// Exit code 1: the work of a trial was wrong, no trial counted, or the self-test's stall did not show.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    #[command(subcommand)]
    verb: Measurement,
}

/// What is measured.
#[derive(clap::Subcommand, Debug)]
enum Measurement {
    /// From the feed handler's input to the order at the gateway, per placement, across the demo's processes
    TickToOrder(tick_to_order::Arguments),
    #[command(flatten)]
    Harness(Verb),
}

impl Arguments {
    /// Measures.
    ///
    /// # Errors
    /// When it cannot be measured, or a file not be written.
    pub fn run(&self) -> Outcome {
        let verb = match &self.verb {
            Measurement::TickToOrder(arguments) => return arguments.run(),
            Measurement::Harness(verb) => verb,
        };
        let said = benches::command::run(verb, &[LaneEntry::processes::<Tickway>()]);
        match said.map_err(|error| Failure { code: OS_ERROR, message: error.to_string() })? {
            Said::Report(text, good) => {
                output::line(&text)?;
                Ok(if good { Finding::Good } else { Finding::Negative })
            }
            // A child told its own failure.
            Said::Child(true) => Ok(Finding::Good),
            Said::Child(false) => Err(Failure { code: OS_ERROR, message: String::new() }),
        }
    }
}
