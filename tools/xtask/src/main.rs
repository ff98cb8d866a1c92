//! Chores of the project's own: run as `cargo xtask <chore>`.
#![forbid(unsafe_code)]

mod budgets;
mod fuzz;
mod mutate;
mod test;

use clap::{Parser, Subcommand};
use std::path::{Path, PathBuf};
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
    /// Fuzzes every decoder and reader, and keeps a small corpus for the ordinary tests.
    Fuzz {
        /// Time for all targets together.
        #[arg(long, default_value_t = 10.0)]
        minutes: f64,
        /// Only this one.
        #[arg(long)]
        target: Option<String>,
    },
    /// Scribbles over shared memory beside real readers, which must reject, count and live.
    Mutate {
        /// For how long.
        #[arg(long, default_value_t = 10.0)]
        minutes: f64,
        /// Of the scribbles.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
}

/// The project's root: two folders above this package.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("tools/xtask lies two folders down").to_path_buf()
}

fn code(done: anyhow::Result<()>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn main() -> ExitCode {
    match Arguments::parse().chore {
        Chore::Test { quick } => test::run(quick),
        Chore::Budgets { instructions } => budgets::run(instructions),
        Chore::Fuzz { minutes, target } => code(fuzz::run(minutes, target.as_deref())),
        Chore::Mutate { minutes, seed } => code(mutate::run(minutes, seed)),
    }
}
