//! `tickway demo`: a simulated venue and every process of an instance on this machine, and a report that is reconciled.
//!
//! The report never takes one side's word: each of its four equations holds counts that were kept apart. On every way out
//! (an error, a second Ctrl-C, a panic) no process and no region is left behind.

mod books;
mod cleanup;
mod counts;
mod follow;
mod held;
mod host;
mod interrupt;
mod latency;
mod machine;
mod market;
mod progress;
mod prose;
mod quiesce;
mod report;
mod session;
mod venue;
mod verdict;

use crate::failure::{Failure, Finding, Outcome};
use crate::output;
#[cfg(test)]
pub use books::Books;
use clap::Args;
use exchange_sim::fault::FaultRates;
use exchange_sim::pace::Pace;
#[cfg(test)]
pub use latency::Samples;
#[cfg(test)]
pub use report::Process;
pub use report::Report;
use runtime::placement::Placement;
use std::path::PathBuf;

/// Arguments of `demo`.
#[derive(Args, Clone, Debug)]
#[command(allow_negative_numbers = true)]
pub struct Arguments {
    /// Seconds that the market is open
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub seconds: u64,
    /// Take the market from a Nasdaq ITCH 5.0 BinaryFILE
    #[arg(long, value_name = "FILE")]
    pub itch: Option<PathBuf>,
    /// Pace of the file: real, xN or max (default: scaled to --seconds)
    #[arg(long, requires = "itch", value_parser = venue::terms::<Pace>)]
    pub pace: Option<String>,
    /// Faults of the feed, such as malformed=0.01,drop=0.01,dup=0.01
    #[arg(long, value_name = "RATES", value_parser = venue::terms::<FaultRates>)]
    pub fault: Option<String>,
    /// Seed of the simulated market and of its faults
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Market messages per second, over all symbols
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub rate: Option<u32>,
    /// Symbols: of the simulated market, or the most active ones of the file
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=32))]
    pub symbols: Option<u16>,
    /// Host file, instead of the demo's own
    #[arg(long, value_name = "FILE")]
    pub host: Option<PathBuf>,
    /// What shares a process: processes (nothing), paired or fused, instead of the host file's
    #[arg(long)]
    pub placement: Option<Placement>,
    /// Name of the instance, instead of the host file's
    #[arg(long, value_name = "NAME")]
    pub instance: Option<String>,
    /// Data directory, instead of the instance's default
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Print the report as one JSON object, and nothing else, to standard output
    #[arg(long)]
    pub json: bool,
}

impl Arguments {
    /// A demo that is asked for nothing but its length.
    #[must_use]
    pub fn quiet() -> Self {
        Self {
            seconds: 30,
            itch: None,
            pace: None,
            fault: None,
            seed: 1,
            rate: None,
            symbols: None,
            host: None,
            placement: None,
            instance: None,
            data: None,
            json: true,
        }
    }

    /// Runs the demo for its report, which is not printed; nothing is left behind on any way out.
    ///
    /// # Errors
    /// When it could not be run to a report.
    pub fn measure(&self) -> Result<Report, Failure> {
        static ONCE: std::sync::Once = std::sync::Once::new();
        let mut watched = Ok(());
        ONCE.call_once(|| {
            cleanup::on_panic(false);
            watched = interrupt::watch(|| cleanup::sweep_and_exit(|| {}, 130));
        });
        watched?;
        let outcome = session::run(self);
        cleanup::sweep();
        outcome
    }

    /// Runs the demo.
    ///
    /// # Errors
    /// When it could not be run to a report; with `--json` one object is printed all the same.
    pub fn run(&self) -> Outcome {
        cleanup::on_panic(self.json);
        let json = self.json;
        interrupt::watch(move || {
            eprintln!("demo: interrupted again: every process is killed");
            let failure = Failure::new(130, "interrupted twice before the report was ready", "let it end in order");
            cleanup::sweep_and_exit(|| drop(print_failure(json, &failure)), 130);
        })?;
        if let Err(error) = runtime::scheduler::become_cold() {
            eprintln!("demo: {error}");
        }
        let outcome = session::run(self);
        cleanup::sweep();
        match outcome {
            Ok(report) => {
                if self.json {
                    print_once(&serde_json::to_string(&report).expect("a report of plain values is JSON"))?;
                } else {
                    output::line(&prose::text(&report))?;
                }
                Ok(if report.differences.is_empty() { Finding::Good } else { Finding::Negative })
            }
            Err(failure) => {
                print_failure(self.json, &failure)?;
                Err(failure)
            }
        }
    }
}

/// The object of a demo that came to no report. Nothing without `--json`: the line on standard error says it.
pub fn print_failure(json: bool, failure: &Failure) -> Result<(), Failure> {
    if json { print_once(&Report::failed(&failure.message).to_string()) } else { Ok(()) }
}

/// Prints the report unless one was printed before: standard output holds exactly one object.
fn print_once(object: &str) -> Result<(), Failure> {
    static PRINTED: std::sync::Once = std::sync::Once::new();
    let mut printed = Ok(());
    PRINTED.call_once(|| {
        printed = output::line(object);
    });
    printed
}
