//! Our ring beside the peers that any machine with Rust can build.
//!
//! `cargo bench -p benches --bench peers -- [--json] [--seconds N]`
#![forbid(unsafe_code)]

mod crossbeam;
mod disruptor;
mod ringfire;
mod rtrb;

use benches::child::LaneEntry;
use benches::lane::{Tickway, TickwayThreads};
use std::process::ExitCode;

/// What is not measured here.
const LEFT_OUT: &str = "iceoryx2 and Aeron IPC are measured by benches/ipc-peers, whose build needs more than Rust.";

fn main() -> ExitCode {
    let registry = [
        LaneEntry::processes::<Tickway>(),
        LaneEntry::processes::<ringfire::Ringfire>(),
        LaneEntry::threads::<TickwayThreads>(),
        LaneEntry::threads::<rtrb::Rtrb>(),
        LaneEntry::threads::<disruptor::Disruptor>(),
        LaneEntry::threads::<crossbeam::Crossbeam>(),
    ];
    benches::peers::run(&registry, LEFT_OUT)
}
