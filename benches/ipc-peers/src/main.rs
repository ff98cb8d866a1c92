//! Our ring beside iceoryx2 and Aeron IPC, by the same lanes, plans and judgement as `cargo bench --bench peers`.
//!
//! `cargo run --release --features iceoryx2,aeron -- [--json] [--seconds N]`, in this folder.
#![forbid(unsafe_code)]

#[cfg(feature = "aeron")]
mod aeron;
#[cfg(feature = "iceoryx2")]
mod iceoryx2_lane;

use benches::child::LaneEntry;
use benches::lane::Tickway;
use std::process::ExitCode;

/// What a build without a peer says about it.
#[cfg(not(feature = "iceoryx2"))]
const NO_ICEORYX2: &str = "iceoryx2 is not measured: built without --features iceoryx2, which needs libclang \
                           (apt-get install libclang-dev).";
/// As [`NO_ICEORYX2`].
#[cfg(not(feature = "aeron"))]
const NO_AERON: &str = "Aeron IPC is not measured: built without --features aeron, which needs libclang, CMake of at least \
                        3.30 and two libraries (apt-get install clang libclang-dev uuid-dev libbsd-dev; pip install cmake).";

fn main() -> ExitCode {
    let registry = [
        LaneEntry::processes::<Tickway>(),
        #[cfg(feature = "iceoryx2")]
        LaneEntry::processes::<iceoryx2_lane::Iceoryx2>(),
        #[cfg(feature = "aeron")]
        LaneEntry::processes::<aeron::Aeron>(),
    ];
    let left_out = [
        #[cfg(not(feature = "iceoryx2"))]
        NO_ICEORYX2,
        #[cfg(not(feature = "aeron"))]
        NO_AERON,
        "Peers that need only Rust are measured by cargo bench -p benches --bench peers.",
    ];
    let code = benches::peers::run(&registry, &left_out.join(" "));
    #[cfg(feature = "aeron")]
    aeron::stop_driver();
    code
}
