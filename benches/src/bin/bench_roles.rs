//! The harness by itself, without the operator's command: `bench_roles bench ring`, and the roles of the trials that the
//! harness's tests start (a test binary's own arguments belong to its test runner).
#![forbid(unsafe_code)]

use benches::child::LaneEntry;
use benches::command::{Said, Verb, run};
use benches::lane::Tickway;
use clap::Parser;
use runtime::usage::parse;
use std::process::ExitCode;

/// Tickway's latency harness
#[derive(Parser)]
#[command(version)]
enum Cli {
    /// Measure
    #[command(subcommand)]
    Bench(Verb),
}

fn main() -> ExitCode {
    let Cli::Bench(verb) = parse();
    match run(&verb, &[LaneEntry::processes::<Tickway>()]) {
        Ok(Said::Report(told)) => {
            println!("{}", told.text);
            if let Some(error) = told.unwritten {
                eprintln!("bench: {error}");
                return ExitCode::from(74);
            }
            if told.good { ExitCode::SUCCESS } else { ExitCode::from(1) }
        }
        Ok(Said::Child(played)) => {
            if played {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::from(71)
        }
    }
}
