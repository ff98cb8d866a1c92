//! `tickway config`: what a host file says, held against the structs of every process that will read it.

mod check;

pub use check::{check, check_interfaces};

use crate::failure::{Finding, Outcome};
use crate::output::{self, hex};
use crate::place::{Which, load_host};
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::PathBuf;

/// Host files
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Check a host file, every process's table included
    Check(CheckArguments),
    /// Print a host file as it takes effect, defaults filled in
    Show(ShowArguments),
}

/// Arguments of `config check`.
#[derive(Args, Debug)]
pub struct CheckArguments {
    /// The host file
    host: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Arguments of `config show`.
#[derive(Args, Debug)]
pub struct ShowArguments {
    /// The host file; without it, the effective one of an instance
    #[arg(conflicts_with_all = ["instance", "data", "regions"])]
    host: Option<PathBuf>,
    #[command(flatten)]
    which: Which,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Command {
    /// Runs the command.
    ///
    /// # Errors
    /// When the file cannot be read or is not sound.
    pub fn run(&self) -> Outcome {
        match self {
            Self::Check(arguments) => arguments.run(),
            Self::Show(arguments) => arguments.run(),
        }
    }
}

impl CheckArguments {
    fn run(&self) -> Outcome {
        let file = load_host(&self.host)?;
        check(&file)?;
        let (counts, hash) = (file.counts(), hex(file.config_hash()));
        if self.json {
            output::json(json!({
                "file": self.host,
                "sound": true,
                "config_hash": hash,
                "instruments": file.instruments().len(),
                "feed_handlers": counts.feed_handlers,
                "strategies": counts.strategies,
                "gateways": counts.gateways,
            }))?;
        } else {
            let rows = output::count(file.instruments().len() as u64, "instrument");
            let venues = output::count(counts.gateways, "venue");
            let strategies = if counts.strategies == 1 { "strategy" } else { "strategies" };
            let (path, count) = (self.host.display(), counts.strategies);
            output::line(&format!("{path}: sound: {rows}, {venues}, {count} {strategies}, {hash}"))?;
        }
        Ok(Finding::Good)
    }
}

impl ShowArguments {
    fn run(&self) -> Outcome {
        let file = match &self.host {
            Some(path) => load_host(path)?,
            None => self.which.find()?.host_file()?,
        };
        if self.json {
            let table: toml::Table = file.echo().parse().expect("the echo is TOML");
            let table = serde_json::to_value(&table).expect("TOML is a subset of JSON here");
            output::json(json!({ "file": file.file(), "config_hash": hex(file.config_hash()), "host_file": table }))?;
        } else {
            output::line(&format!("# {} {}", file.file(), hex(file.config_hash())))?;
            output::line(file.echo().trim_end())?;
        }
        Ok(Finding::Good)
    }
}
