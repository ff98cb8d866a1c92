//! Our ring, as an example for benches that put peers beside it: a registry of lanes, plans for each, one report.
//!
//! `cargo bench -p benches --bench ring`
#![forbid(unsafe_code)]

use benches::child::{LaneEntry, take_over};
use benches::host::Host;
use benches::lane::{Lane, Payload, Tickway};
use benches::{BenchError, suite};
use runtime::signal::{self, HangUp};
use std::process::ExitCode;

/// Trials of each measurement.
const RESTARTS: u32 = 5;
/// Measured time of a trial, in milliseconds.
const MEASURE_MS: u64 = 300;

fn main() -> ExitCode {
    let registry = [LaneEntry::processes::<Tickway>()];
    take_over(&registry).unwrap_or_else(|| match measure(&registry) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ring: {error}");
            ExitCode::FAILURE
        }
    })
}

fn measure(registry: &[LaneEntry]) -> Result<(), BenchError> {
    let host = Host::new(registry, None, RESTARTS)?;
    signal::install(HangUp::Stops)?;
    for lane in [Tickway::NAME] {
        for plan in [
            suite::one_way(lane, Payload::Bytes56, MEASURE_MS),
            suite::throughput(lane, Payload::Bytes56, 1, MEASURE_MS),
        ] {
            host.measure(&plan, &mut |line| println!("{lane} {line}"))?;
        }
    }
    Ok(())
}
