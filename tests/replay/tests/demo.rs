//! A demo is run and captured, and replayed: every process puts out again what it put out, to the byte.
#![forbid(unsafe_code)]

use replay::capture::Capture;
use replay::{ProcessReport, Stop, verify, verify_capture};
use runtime::config::HostFile;
use shm_layout::topology::{RingId, RingKind};
use shm_layout::types::Role;
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
    what_is_not_as_it_was_is_seen(data.path());
}

fn of<'a>(report: &'a replay::Report, process: &str) -> &'a ProcessReport {
    report.processes.iter().find(|found| found.process == process).expect("a process of the demo")
}

/// One bit of an output, one missing input, one message too many: each is found where it is.
fn what_is_not_as_it_was_is_seen(data: &Path) {
    let host = HostFile::load(&data.join("host.toml")).unwrap();
    let capture = Capture::read(&data.join("capture")).unwrap();
    let replayed = |change: &dyn Fn(&mut Capture)| {
        let mut changed = capture.clone();
        change(&mut changed);
        verify_capture(&changed, &host, Some(&data.join("journal"))).unwrap()
    };
    let entries = RingId { kind: RingKind::OrderEntry, writer: Role::Risk, index: 0, gateway: 0 };
    let sent = capture.ring(entries).unwrap();
    assert!(sent.len() > 5, "{} orders in the demo", sent.len());
    let mut words = sent.message(3).unwrap().to_vec();
    words[14] ^= 1;
    let report = replayed(&|capture| capture.ring_mut(entries).push(3, &words));
    let difference = of(&report, "risk/0").difference.as_ref().expect("a bit is seen");
    assert_eq!((difference.ring, difference.sequence), (entries, 3));
    assert_eq!(difference.captured.as_deref(), Some(&words[..]));
    assert!(of(&report, "strategy/0").difference.is_none());

    let market_data = RingId { kind: RingKind::MarketData, writer: Role::FeedHandler, index: 0, gateway: 0 };
    let report = replayed(&|capture| capture.ring_mut(market_data).forget(100));
    let gap = Some(Stop::Gap { ring: market_data, sequence: 100 });
    assert_eq!((&of(&report, "strategy/0").stopped_at, &of(&report, "feed-handler/0").stopped_at), (&gap, &gap));
    assert!(report.is_equal() && !report.is_whole(), "{report}");

    let last = capture.ring(market_data).unwrap().last();
    let words = capture.ring(market_data).unwrap().message(last).unwrap().to_vec();
    let report = replayed(&|capture| capture.ring_mut(market_data).push(last + 1, &words));
    let difference = of(&report, "feed-handler/0").difference.as_ref().expect("one too many is seen");
    assert_eq!((difference.sequence, &difference.replayed), (last + 1, &None));
}

#[test]
fn a_demo_with_a_lossy_feed_replays_to_the_byte() {
    let data = tempfile::tempdir().unwrap();
    let report = replay_demo(data.path(), 2, &["--fault", "malformed=0.02,drop=0.05,dup=0.05"]);
    assert!(report.is_whole(), "{report}");
}
