//! `tickway ring`: what lies in the rings, who reads them and how far they are.

mod list;
mod tail;

use crate::failure::{Failure, Outcome, USAGE};
use crate::place::{Place, Which};
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

/// The instance in which a ring is to be found; without an instance to list its rings, the want of a name is said alone.
fn place(which: &Which, ring: Option<&str>) -> Result<Place, Failure> {
    let unnamed = || Failure::new(USAGE, "name a ring, such as market_data.0", "`tickway ring ls` lists them");
    which.find().map_err(|failure| if ring.is_none() { unnamed() } else { failure })
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
