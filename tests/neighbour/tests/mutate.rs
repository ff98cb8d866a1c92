//! The mutator beside real readers and writers, for seconds; `cargo xtask mutate --minutes 10` does it for longer.
#![forbid(unsafe_code)]

use neighbour::reader::{Counts, Kind};
use std::process::Command;

#[test]
fn readers_and_writers_live_beside_a_mutator_and_count_what_they_refuse() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_neighbour")).args(["mutate", "--seconds", "4", "--seed", "7"]).output();
    let output = output.expect("the binary is built with its tests");
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{complained}");
    for kind in Kind::ALL {
        let line = said.lines().find(|line| line.starts_with(&format!("read {} ", kind.name())));
        let counts = line.and_then(Counts::parse).unwrap_or_else(|| panic!("no counts of {}:\n{said}", kind.name()));
        assert!(counts.accepted > 0, "{} takes what is honest: {counts}", kind.name());
        let is_ring = matches!(kind, Kind::Ring64 | Kind::Ring128);
        let counted = if is_ring { counts.corrupt } else { counts.refused };
        assert!(counted > 0, "{} counts what is not: {counts}", kind.name());
    }
}
