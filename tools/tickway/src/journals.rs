//! `tickway journal`: what was written about orders, record by record, and whether every byte of it still stands.

mod dump;
mod list;
mod verify;

use crate::failure::{Failure, Outcome};
use crate::ledger::{self, JournalFiles};
use crate::place::Which;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// The gateways' journals
#[derive(Subcommand, Debug)]
pub enum Command {
    /// List the segments of every gateway's journal
    Ls(list::Arguments),
    /// Print the records of a journal
    Dump(dump::Arguments),
    /// Check every byte of the journal's files; exit code 1 when one is wrong
    Verify(verify::Arguments),
}

/// Which journals: those of an instance, or a directory of segments.
#[derive(Args, Debug)]
pub struct Source {
    /// A directory of segments, instead of an instance's
    #[arg(value_name = "DIR", conflicts_with_all = ["instance", "data", "regions", "gateway"])]
    directory: Option<PathBuf>,
    #[command(flatten)]
    which: Which,
    /// Only this gateway's
    #[arg(long, value_name = "INDEX")]
    gateway: Option<u8>,
}

impl Source {
    fn read(&self) -> Result<Vec<JournalFiles>, Failure> {
        if let Some(directory) = &self.directory {
            return Ok(vec![JournalFiles::read_directory(directory)?]);
        }
        let place = self.which.find()?;
        let gateways = match self.gateway {
            Some(gateway) => vec![gateway],
            None => ledger::gateways(&place.instance)?,
        };
        gateways.into_iter().map(|gateway| JournalFiles::read(&place.instance, gateway)).collect()
    }
}

impl Command {
    /// Runs the command.
    ///
    /// # Errors
    /// When there is no such journal, or it cannot be read.
    pub fn run(&self) -> Outcome {
        match self {
            Self::Ls(arguments) => arguments.run(),
            Self::Dump(arguments) => arguments.run(),
            Self::Verify(arguments) => arguments.run(),
        }
    }
}
