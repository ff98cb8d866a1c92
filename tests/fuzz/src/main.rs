//! Every fuzz target: the binary's name chooses the body in `tests/neighbour`, which the ordinary tests call too.
//!
//! It holds no check of its own: what the fuzzer finds, the replay of the corpus must find as well.
#![forbid(unsafe_code)]
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static BODY: LazyLock<neighbour::target::Body> = LazyLock::new(|| {
    let name = env!("CARGO_BIN_NAME");
    neighbour::target::body(name).unwrap_or_else(|| panic!("{name} is not among the targets of tests/neighbour"))
});

fuzz_target!(|input: &[u8]| BODY(input));
