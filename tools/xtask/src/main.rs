//! Chores of the project's own: run as `cargo run -p xtask -- <chore>`.
#![forbid(unsafe_code)]

mod test;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Chores of the project's own.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Formatting, lints, the tests but for `system`, then loom in a target folder of its own.
    Test {
        /// Only the plain tests: no formatting, lints or loom.
        #[arg(long)]
        quick: bool,
    },
}

fn main() -> ExitCode {
    match Arguments::parse().chore {
        Chore::Test { quick } => test::run(quick),
    }
}
