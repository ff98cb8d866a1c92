//! `tickway bench`: latencies and rates on this machine, beside their limits. The harness is the crate `benches`; here are
//! only its place among the commands and its exit codes.

use crate::failure::{Failure, Finding, OS_ERROR, Outcome};
use crate::output;
use crate::tick_to_order;
use benches::child::LaneEntry;
use benches::command::{Said, Verb};
use benches::lane::Tickway;

/// Measure this machine
///
/// Exit code 1: the work of a trial was wrong, no trial counted, or the self-test's stall did not show.
#[derive(clap::Subcommand, Debug)]
pub enum Command {
    #[command(flatten)]
    Harness(Verb),
    /// From the feed handler's input to the order at the gateway, across real processes
    TickToOrder(tick_to_order::Arguments),
}

impl Command {
    /// Measures.
    ///
    /// # Errors
    /// When it cannot be measured, or a file not be written.
    pub fn run(&self) -> Outcome {
        match self {
            Self::Harness(verb) => harness(verb),
            Self::TickToOrder(command) => command.run(),
        }
    }
}

fn harness(verb: &Verb) -> Outcome {
    let said = benches::command::run(verb, &[LaneEntry::processes::<Tickway>()]);
    match said.map_err(|error| Failure { code: OS_ERROR, message: error.to_string() })? {
        Said::Report(text, good) => {
            output::line(&text)?;
            Ok(if good { Finding::Good } else { Finding::Negative })
        }
        Said::Child(true) => Ok(Finding::Good),
        // It told its failure itself.
        Said::Child(false) => Err(Failure { code: OS_ERROR, message: String::new() }),
    }
}
