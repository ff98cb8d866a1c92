//! The README is the specification: its layout hashes and its byte tables are the code's.
#![forbid(unsafe_code)]

use shm_layout::layout::{page_layout_hash, ring_layout_hash};
use shm_layout::region::{REGION_VERSION, RegionKind};
use shm_layout::topology::RingKind;

const README: &str = include_str!("../README.md");

/// Sources whose module header draws bytes.
const SOURCES: [(&str, &str); 14] = [
    ("ring.rs", include_str!("../src/ring.rs")),
    ("region.rs", include_str!("../src/region.rs")),
    ("stamped.rs", include_str!("../src/stamped.rs")),
    ("status.rs", include_str!("../src/status.rs")),
    ("counters.rs", include_str!("../src/counters.rs")),
    ("image.rs", include_str!("../src/image.rs")),
    ("control_page.rs", include_str!("../src/control_page.rs")),
    ("kill_page.rs", include_str!("../src/kill_page.rs")),
    ("message/market_data.rs", include_str!("../src/message/market_data.rs")),
    ("message/order.rs", include_str!("../src/message/order.rs")),
    ("message/execution.rs", include_str!("../src/message/execution.rs")),
    ("message/control.rs", include_str!("../src/message/control.rs")),
    ("message/step.rs", include_str!("../src/message/step.rs")),
    ("message/wire.rs", include_str!("../src/message/wire.rs")),
];

#[test]
fn the_layout_hashes_are_the_codes() {
    let mut hashes: Vec<(&str, u64)> =
        RingKind::ALL.iter().map(|&kind| (kind.snake_name(), ring_layout_hash(kind))).collect();
    let page = |kind| page_layout_hash(kind).expect("a page of this crate");
    hashes.push(("status", page(RegionKind::Status)));
    hashes.push(("image", page(RegionKind::Image)));
    hashes.push(("control page", page(RegionKind::ControlPage)));
    hashes.push(("kill page", shm_layout::kill_page::LAYOUT_HASH));
    let missing: Vec<String> = hashes
        .iter()
        .map(|(name, hash)| format!("| {name} | `0x{hash:016x}` |"))
        .filter(|line| !README.lines().any(|found| found == line))
        .collect();
    assert!(
        missing.is_empty(),
        "a layout changed: if that is meant, write these lines into the table of shm-layout/README.md:\n{}",
        missing.join("\n")
    );
    assert!(
        README.contains(&format!("Region version: **{REGION_VERSION}**")),
        "shm-layout/README.md: write `Region version: **{REGION_VERSION}**`"
    );
}

#[test]
fn the_tables_are_those_of_the_sources() {
    for (name, source) in SOURCES {
        let header: Vec<&str> = source
            .lines()
            .map_while(|line| line.strip_prefix("//!"))
            .map(|line| line.strip_prefix(' ').unwrap_or(line))
            .collect();
        let header = header.join("\n");
        for block in header.split("```text\n").skip(1) {
            let drawn = block.split("```").next().expect("split gives one part at least").trim_end();
            assert!(
                README.contains(drawn),
                "shm-layout/README.md lacks the table of src/{name} as it stands there; copy it:\n{drawn}"
            );
        }
    }
}
