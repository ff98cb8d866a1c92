//! `tickway ring`: what lies in the rings, who reads them and how far they are.

mod list;
mod tail;

use crate::failure::Outcome;
use clap::Subcommand;

/// Rings
#[derive(Subcommand, Debug)]
pub enum Command {
    /// List every ring: published, readers, lag, laps
    Ls(list::ListArguments),
    /// Show one ring: its readers, the kinds of message it holds, its rate
    Stat(list::StatArguments),
    /// Print the messages of a ring
    Tail(tail::Arguments),
}

impl Command {
    /// Runs the command.
    ///
    /// # Errors
    /// When there is no such instance or ring.
    pub fn run(&self) -> Outcome {
        match self {
            Self::Ls(arguments) => arguments.run(),
            Self::Stat(arguments) => arguments.run(),
            Self::Tail(arguments) => arguments.run(),
        }
    }
}
