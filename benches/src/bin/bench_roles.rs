//! Plays the roles of trials that a test of the harness starts: a test binary's own arguments belong to its test runner.
#![forbid(unsafe_code)]

use benches::child::{LaneEntry, take_over};
use benches::lane::Tickway;
use std::process::ExitCode;

fn main() -> ExitCode {
    take_over(&[LaneEntry::processes::<Tickway>()]).unwrap_or_else(|| {
        eprintln!("bench_roles: started by the harness's tests; to measure, run `tickway bench`");
        ExitCode::from(2)
    })
}
