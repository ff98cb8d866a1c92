//! Our ring beside the peers that any machine with Rust can build.
//!
//! `cargo bench -p benches --bench peers -- [--json] [--seconds N]`
#![forbid(unsafe_code)]

mod crossbeam;
mod disruptor;
mod element;
mod ringfire;
mod rtrb;

use crate::element::{Aligned, Packed};
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
        LaneEntry::threads::<rtrb::Rtrb<Packed>>(),
        LaneEntry::threads::<rtrb::Rtrb<Aligned>>(),
        LaneEntry::threads::<disruptor::Disruptor<Packed>>(),
        LaneEntry::threads::<disruptor::Disruptor<Aligned>>(),
        LaneEntry::threads::<crossbeam::Crossbeam<Packed>>(),
        LaneEntry::threads::<crossbeam::Crossbeam<Aligned>>(),
    ];
    benches::peers::run(&registry, LEFT_OUT)
}
