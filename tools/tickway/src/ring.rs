//! `tickway ring`: what lies in the rings, who reads them and how far they are.

mod dump;
mod export;
mod grep;
mod lag;
mod list;
mod readers;
mod reading;
mod source;
mod stamps;
mod tail;
mod verify;

use crate::failure::Outcome;
use clap::Subcommand;
use runtime::signal::stop_requested;
use std::time::Duration;

/// Rings
///
/// Exit code 1: something cannot be read that was published. It is told, and what lies before and behind it is read.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// List every ring: published, readers, lag, laps
    Ls(list::ListArguments),
    /// Show one ring: its readers, the kinds of message it holds, its rate
    Stat(list::StatArguments),
    /// Show how far each reader is behind, in messages and in microseconds
    ///
    /// us is the age of the oldest message not read; where that carries no stamp, of the nearest one that does. high water is
    /// the greatest lag seen, at one look each millisecond.
    Lag(lag::Arguments),
    /// Print the messages of a ring
    Tail(tail::Arguments),
    /// Search what a ring holds now
    Grep(grep::Arguments),
    /// Print every slot with its stamp
    Dump(dump::Arguments),
    /// Check header, stamps and messages
    ///
    /// Exit code 1: something was found, each with its slot and offset.
    Verify(verify::Arguments),
    /// Write what a ring holds now as NDJSON, CSV or pcapng
    ///
    /// stamp_ns and a packet's time are the message's own receive_ns (on control and step now_ns); where that is 0 or missing,
    /// the time of the last message before it that has one, and before the first such message that one's.
    Export(export::Arguments),
}

impl Command {
    /// Runs the command.
    ///
    /// # Errors
    /// When there is no such instance or ring.
    pub fn run(&self) -> Outcome {
        // Ctrl-C ends in order: nothing is half written. A stream that goes on for ever (--follow) ends with exit code 0,
        // whatever has an end of its own with 130.
        runtime::signal::install(runtime::signal::HangUp::Stops)?;
        match self {
            Self::Ls(arguments) => arguments.run(),
            Self::Stat(arguments) => arguments.run(),
            Self::Lag(arguments) => arguments.run(),
            Self::Tail(arguments) => arguments.run(),
            Self::Grep(arguments) => arguments.run(),
            Self::Dump(arguments) => arguments.run(),
            Self::Verify(arguments) => arguments.run(),
            Self::Export(arguments) => arguments.run(),
        }
    }
}

/// Longest sleep before a signal is seen.
const SLEEP_MAX: Duration = Duration::from_millis(10);

/// Waits; false when a signal ended it before.
fn wait(duration: Duration) -> bool {
    let mut left = duration;
    while !left.is_zero() && !stop_requested() {
        let step = left.min(SLEEP_MAX);
        std::thread::sleep(step);
        left -= step;
    }
    !stop_requested()
}
