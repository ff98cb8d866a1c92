//! Someone with the instance's own user cuts or unlinks a region under it. Other users cannot: the folder is private.
//!
//! A cut is fatal to whoever touches the missing pages (SIGBUS), and contained: the kill is latched, the gateway cancels,
//! the journal is whole. An unlinked region lives on in its maps.
#![forbid(unsafe_code)]

use runtime::child::start_time;
use std::fs::OpenOptions;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use system::Bench;

fn region(bench: &Bench, name: &str) -> PathBuf {
    Bench::user_folder().join(bench.name()).join(name)
}

fn cut(path: &PathBuf, bytes: u64) {
    let file = OpenOptions::new().write(true).open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    file.set_len(bytes).expect("tmpfs lets its user cut a mapped file");
}

#[test]
fn a_ring_cut_under_a_running_instance_kills_and_loses_no_order() {
    let bench = Bench::new("cut");
    let mut demo = bench.demo(12, &["--seed", "21"]);
    demo.wait_second(3);
    let ring = region(&bench, "market_data.0.ring");
    let mode = ring.parent().expect("a folder").metadata().expect("the regions are there").permissions().mode();
    assert_eq!(mode & 0o022, 0, "nobody else may write into the regions' folder: {mode:o}");
    let readers = ["strategy", "feed-handler"].map(|role| bench.process(role)["pid"].as_u64().expect("a pid") as u32);
    let gateway = bench.process("execution-gateway")["pid"].as_u64().expect("a pid") as u32;
    cut(&ring, 0);
    bench.wait_until("death of the ring's writer and reader", || readers.iter().all(|pid| start_time(*pid).is_none()));
    // Whoever mapped it is dead; the kill is latched, by the supervisor's last act or by its judgement.
    bench.wait_until("kill", || bench.about(&["kill", "status", "--json"]).json()["engaged"] == true);
    // The gateway never mapped that ring: it lives, and cancels with no one else needed.
    assert!(start_time(gateway).is_some(), "the gateway lives");
    bench.wait_for("execution-gateway", "end of the open orders", |row| row["counters"]["open_orders"] == 0);
    let data = bench.data().display().to_string();
    let verify = bench.about(&["journal", "verify", "--data", &data]);
    assert_eq!(verify.code, Some(0), "{}{}", verify.stdout, verify.stderr);
    let run = demo.wait();
    assert_ne!(run.code, Some(0), "such a session is no success: {}", run.stdout);
    assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
    let differences = run.json()["differences"].to_string();
    assert!(differences.contains("ring market_data.0: its region is gone or cut"), "{differences}");
}

#[test]
fn an_unlinked_ring_lives_on_in_its_maps() {
    let bench = Bench::new("unlinked");
    // Whoever is restarted after it cannot attach to a ring without a name; on a starved machine a process that got no CPU
    // for a second would be, and this test is about those who live on.
    let own = include_str!("../../../tuning/demo.toml");
    let patient = own.replace("heartbeat_timeout_ms = 1000", "heartbeat_timeout_ms = 60000");
    assert_ne!(patient, own, "the demo's host file still says when a process counts as stuck");
    let host = bench.write("host.toml", patient).display().to_string();
    let mut demo = bench.demo(6, &["--seed", "22", "--host", &host]);
    demo.wait_second(2);
    std::fs::remove_file(region(&bench, "market_data.0.ring")).expect("the ring is there");
    let run = demo.wait();
    assert_eq!(run.code, Some(0), "{}\n{}", run.stderr, run.stdout);
    let report = run.json();
    assert_eq!(report["verdict"], "ok", "{report:#}");
    // It is counted like any other: nothing leaves the account by losing its name.
    let rings = report["rings"].as_array().expect("rings are a list");
    let ring = rings.iter().find(|ring| ring["name"] == "market_data.0").unwrap_or_else(|| panic!("{rings:#?}"));
    assert!(ring["published"].as_u64() > Some(10_000) && ring["published"] == ring["captured"], "{ring}");
    bench.expect_nothing_left();
}
