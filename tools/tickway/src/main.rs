//! `tickway`: the operator's command.
//!
//! Reading commands map an instance's files read-only, never register as a reader, and work on a dead instance. Commands
//! that steer go to the supervisor's socket; only `kill engage` acts by itself. Nothing here is on the path of an order.
#![forbid(unsafe_code)]

mod bench;
mod capture;
mod config;
mod debug;
mod decode;
mod demo;
mod export;
mod failure;
mod journals;
mod kill;
mod launch;
mod ledger;
mod order;
mod output;
mod place;
mod position;
mod query;
mod regions;
mod ring;
mod roster;
mod schema;
mod socket;
mod status;
mod strategy;
mod tick_to_order;
mod up;

use clap::{Parser, Subcommand};
use failure::{Finding, Outcome};
use std::process::ExitCode;

/// The operator's command of Tickway
///
/// Exit codes: 0 = as it should be, 1 = the command found something wrong, 2 = usage, above 63 = it could not do its work
/// (sysexits), 130 = a signal ended it before its work was done; --follow is ended by one and exits with 0. Listings print one JSON object with --json, streams one per line.
#[derive(Parser, Debug)]
#[command(name = "tickway", version, max_term_width = 120)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Trade against a simulated venue on this machine, and print a reconciled report
    ///
    /// Exit code 1: some count differs.
    Demo(demo::Arguments),
    Status(status::Arguments),
    /// Start an instance
    Up(up::UpArguments),
    /// Stop an instance: cancel its orders, then end its processes in order
    Down(up::DownArguments),
    #[command(subcommand)]
    Ring(ring::Command),
    #[command(subcommand)]
    Schema(schema::Command),
    #[command(subcommand)]
    Capture(capture::Command),
    #[command(subcommand)]
    Journal(journals::Command),
    #[command(subcommand)]
    Order(order::Command),
    #[command(subcommand)]
    Position(position::Command),
    #[command(subcommand)]
    Strategy(strategy::Command),
    #[command(subcommand)]
    Kill(kill::Command),
    #[command(subcommand)]
    Config(config::Command),
    Bench(bench::Arguments),
    #[command(subcommand, hide = true)]
    Debug(debug::Command),
}

impl Command {
    fn run(&self) -> Outcome {
        match self {
            Self::Demo(command) => command.run(),
            Self::Status(command) => command.run(),
            Self::Up(command) => command.run(),
            Self::Down(command) => command.run(),
            Self::Ring(command) => command.run(),
            Self::Schema(command) => command.run(),
            Self::Capture(command) => command.run(),
            Self::Journal(command) => command.run(),
            Self::Order(command) => command.run(),
            Self::Position(command) => command.run(),
            Self::Strategy(command) => command.run(),
            Self::Kill(command) => command.run(),
            Self::Config(command) => command.run(),
            Self::Bench(command) => command.run(),
            Self::Debug(command) => command.run(),
        }
    }
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    // A refusal is of the kernel's making, not of the command's: it goes on, and a limit then ends it by its own name.
    let _ = runtime::signal::ignore_file_size_limit();
    match cli.command.run() {
        Ok(Finding::Good) => ExitCode::SUCCESS,
        Ok(Finding::Negative) => ExitCode::from(1),
        Err(failure) => {
            if !failure.message.is_empty() {
                eprintln!("tickway: {failure}");
            }
            ExitCode::from(failure.code)
        }
    }
}

/// Prints help or what is wrong with the arguments. A demo that promised one object on standard output keeps its word.
fn usage(error: &clap::Error) -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let is_demo = arguments.next().is_some_and(|first| first == "demo");
    let wrong = runtime::usage::line::<Cli>(error, std::env::args_os())
        .filter(|_| is_demo && arguments.any(|argument| argument == "--json"));
    if let Some(message) = wrong {
        let _ = demo::print_failure(true, &failure::Failure { code: failure::USAGE, message });
    }
    runtime::usage::print::<Cli>(error)
}
