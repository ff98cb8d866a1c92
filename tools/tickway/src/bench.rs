//! `tickway bench`: latencies and rates on this machine, beside their limits. The harness is the crate `benches`; here are
//! only its place among the commands and its exit codes.

use crate::failure::{Failure, Finding, IO_ERROR, NO_INPUT, NO_PERMISSION, OS_ERROR, Outcome, USAGE};
use crate::{output, tick_to_order};
use benches::BenchError;
use benches::child::LaneEntry;
use benches::command::{Said, Told, Verb};
use benches::error::Fault;
use benches::lane::Tickway;
use std::io::ErrorKind;

/// Measure this machine: rings, broadcast, journal, jitter, tick to order
///
/// Exit code 1: the work of a trial was wrong, no trial counted, or the self-test's stall did not show. A file that cannot
/// be written is told before anything is measured: 66, 74 or 77.
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
        match said? {
            Said::Report(told) => printed(told),
            // A child told its own failure.
            Said::Child(true) => Ok(Finding::Good),
            Said::Child(false) => Err(Failure { code: OS_ERROR, message: String::new() }),
        }
    }
}

/// Prints what was measured, also when a file beside it could not be written.
///
/// # Errors
/// When something could not be written.
pub fn printed(told: Told) -> Outcome {
    output::line(&told.text)?;
    match told.unwritten {
        Some(error) => Err(error.into()),
        None => Ok(if told.good { Finding::Good } else { Finding::Negative }),
    }
}

impl From<BenchError> for Failure {
    fn from(error: BenchError) -> Self {
        let code = match error.fault() {
            Fault::Usage => USAGE,
            Fault::File(ErrorKind::NotFound) => NO_INPUT,
            Fault::File(ErrorKind::PermissionDenied) => NO_PERMISSION,
            Fault::File(_) => IO_ERROR,
            Fault::Other => OS_ERROR,
        };
        Self { code, message: error.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn the_exit_code_says_whose_fault_it_is() {
        let file = |kind: ErrorKind| BenchError::file("write", Path::new("page.html"), &kind.into());
        let code = |error: BenchError| Failure::from(error).code;
        let codes =
            [ErrorKind::NotFound, ErrorKind::PermissionDenied, ErrorKind::StorageFull].map(|kind| code(file(kind)));
        assert_eq!(codes, [66, 77, 74]);
        assert_eq!([code(BenchError::usage("a", "b")), code(BenchError::new("a", "b"))], [2, 71]);
    }
}
