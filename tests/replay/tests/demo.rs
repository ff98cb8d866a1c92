//! A demo is run and captured, and replayed: every process puts out again what it put out, to the byte.
#![forbid(unsafe_code)]

use replay::verify;
use std::path::Path;
use std::process::Command;

/// Runs a demo of `seconds` with its files in `data`, and replays its capture.
fn replay_demo(data: &Path, seconds: u32, more: &[&str]) -> replay::Report {
    let tickway = runtime::child::binary_path("tickway").unwrap_or_else(|error| panic!("{error}"));
    let instance = format!("replay-{}-{seconds}", std::process::id());
    let mut demo = Command::new(tickway);
    demo.args(["demo", "--json", "--instance", &instance, "--seconds", &seconds.to_string(), "--data"]).arg(data);
    let output = demo.args(more).output().expect("the demo can be started");
    let report = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the demo failed: {report}\n{errors}");
    verify(&data.join("capture"), &data.join("host.toml")).expect("its capture can be read")
}

#[test]
fn a_captured_demo_replays_to_the_byte() {
    let data = tempfile::tempdir().unwrap();
    let report = replay_demo(data.path(), 3, &[]);
    assert!(report.is_whole(), "{report}");
    for process in &report.processes {
        assert!(process.lives == 1 && process.inputs > 10 && process.outputs > 10, "{process}");
    }
}

#[test]
fn a_demo_with_a_lossy_feed_replays_to_the_byte() {
    let data = tempfile::tempdir().unwrap();
    let report = replay_demo(data.path(), 2, &["--fault", "malformed=0.02,drop=0.05,dup=0.05"]);
    assert!(report.is_whole(), "{report}");
}
