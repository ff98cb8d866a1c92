//! `tickway kill`: stop every order, now; see what became of it; let it go again.
//!
//! Engaging acts by itself on the kill file: it asks no process for anything, and works when the supervisor is dead.

mod confirm;
mod engage;
mod release;
mod show;

use crate::failure::Outcome;
use crate::place::Place;
use clap::Subcommand;
use serde_json::{Value, json};
use std::fs::OpenOptions;
use std::io::Write;

/// The kill switch
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Latch the kill and wait until no order can leave any more; exit code 1 when that is not confirmed
    Engage(engage::Arguments),
    /// Show who engaged the kill, who has seen it, and what the venue may still hold
    Status(show::Arguments),
    /// Release the kill; strategies stay disarmed
    Release(release::Arguments),
}

impl Command {
    /// Runs the command.
    ///
    /// # Errors
    /// When the kill file cannot be written.
    pub fn run(&self) -> Outcome {
        match self {
            Self::Engage(arguments) => arguments.run(),
            Self::Status(arguments) => arguments.run(),
            Self::Release(arguments) => arguments.run(),
        }
    }
}

/// Notes who did what and why beside the instance's logs. The latch stands without it, so a refused write is only said.
fn note(place: &Place, action: &str, reason: &str, generation: u64) {
    let entry: Value = json!({
        "realtime_ns": runtime::clock::realtime_ns(),
        "action": action,
        "reason": reason,
        "generation": generation,
        "uid": nix::unistd::getuid().as_raw(),
    });
    let path = place.instance.log().join("kill.log");
    let opened = OpenOptions::new().create(true).append(true).open(&path);
    if let Err(error) = opened.and_then(|mut file| writeln!(file, "{entry}")) {
        eprintln!("tickway: {}: cannot note the {action}: {error}; the kill file itself was written", path.display());
    }
}
