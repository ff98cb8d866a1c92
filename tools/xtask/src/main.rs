//! Chores of the project's own: run as `cargo run -p xtask -- <chore>`.
#![forbid(unsafe_code)]

mod budgets;
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
    /// Formatting, lints, the tests, loom in a target folder of its own, and the instruction budgets.
    Test {
        /// Only the plain tests: no formatting, lints or loom.
        #[arg(long)]
        quick: bool,
    },
    /// The figures of benches/ against the promises of benches/budgets.toml.
    Budgets {
        /// Instructions per operation, counted by valgrind, instead of times and ratios.
        #[arg(long)]
        instructions: bool,
    },
}

fn main() -> ExitCode {
    match Arguments::parse().chore {
        Chore::Test { quick } => test::run(quick),
        Chore::Budgets { instructions } => budgets::run(instructions),
    }
}
