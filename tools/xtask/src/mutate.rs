//! `mutate`: the mutator beside real readers, for as long as is wanted.

use anyhow::{Result, ensure};
use std::process::Command;

/// Builds the `neighbour` binary and lets it mutate.
///
/// # Errors
/// When it does not build, or a reader did what it must not.
pub fn run(minutes: f64, seed: u64) -> Result<()> {
    let seconds = (minutes * 60.0).max(1.0) as u64;
    let mut cargo = Command::new("cargo");
    cargo.current_dir(super::root()).args(["run", "--quiet", "--release", "-p", "neighbour", "--", "mutate"]);
    cargo.args(["--seconds", &seconds.to_string(), "--seed", &seed.to_string()]);
    ensure!(cargo.status()?.success(), "a neighbour brought a reader down: see above");
    Ok(())
}
