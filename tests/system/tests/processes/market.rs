//! The feed: faults on its way, and a real file as the market.

use crate::report::{self, count};
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};
use system::Bench;

#[test]
fn malformed_dropped_and_doubled_datagrams_are_counted_and_made_good() {
    let bench = Bench::new("faults");
    let faults = ["--fault", "malformed=0.01,drop=0.01,dup=0.01", "--seed", "7"];
    let report = report::good(&bench.demo(6, &faults).wait());
    assert!(count(&report, "feed.gaps") > 0 && count(&report, "feed.recovered") > 0, "{}", report["feed"]);
    assert!(count(&report, "feed.duplicates") > 0, "{}", report["feed"]);
    let malformed = report["feed"]["malformed"].as_object().unwrap().values().filter_map(|value| value.as_u64());
    let malformed = malformed.sum::<u64>();
    assert!(malformed > 0, "{}", report["feed"]);
    assert_eq!(Some(malformed), report["market"]["injected"]["malformed"].as_u64(), "counted = injected");
    assert_eq!(report["feed"]["integrity_faults"], json!({}), "a gap is no integrity fault");
    bench.expect_nothing_left();
}

/// A file of the shared inputs beside the checkout; `None`, and a line that says so, where they are not.
fn shared(name: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2)?;
    let path = root.parent()?.join("shared/data").join(name);
    if path.is_file() {
        return Some(path);
    }
    // Past the harness's capture: a skipped test must not look like one that ran.
    let _ = writeln!(std::io::stderr().lock(), "skipped: {} is not there", path.display());
    None
}

#[test]
fn a_real_file_is_the_market_message_by_message() {
    let Some(path) = shared("ritch_reframed.itch50") else { return };
    let bench = Bench::new("file");
    let report = report::good(&bench.demo(6, &["--itch", path.to_str().unwrap()]).wait());
    let types = json!({
        "A": 4997, "F": 3, "E": 198, "D": 1745, "P": 5000, "U": 12, "X": 45, "R": 3, "H": 3, "S": 6,
    });
    assert_eq!(report["market"]["by_type"], types);
    assert_eq!((count(&report, "market.messages"), count(&report, "feed.received")), (12_012, 12_012));
    assert_eq!(count(&report, "orders.sent"), 0, "no book of this file can be trusted");
    assert!(!report["feed"]["integrity_faults"].as_object().unwrap().is_empty());
    bench.expect_nothing_left();
}

#[test]
fn a_file_without_lengths_is_refused_in_one_line() {
    let Some(path) = shared("ritch_ex20101224.TEST_ITCH_50") else { return };
    refused(&path);
}

#[test]
fn a_file_of_zeros_or_cut_short_is_refused_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in [("zeros.itch", vec![0; 4096]), ("cut.itch", vec![0, 12, b'S', 0, 0])] {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        refused(&path);
    }
}

fn refused(path: &Path) {
    let bench = Bench::new("no-file");
    let run = bench.demo(6, &["--itch", path.to_str().unwrap()]).wait();
    assert_ne!(run.code, Some(0));
    let words: Vec<&str> = run.stderr.lines().filter(|line| line.starts_with("tickway: ")).collect();
    assert_eq!(words.len(), 1, "{}", run.stderr);
    assert!(words[0].contains(path.to_str().unwrap()) && words[0].contains("offset 0"), "{}", run.stderr);
    assert_eq!(run.json()["verdict"], "differences");
    bench.expect_nothing_left();
}
