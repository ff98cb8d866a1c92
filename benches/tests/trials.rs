//! Whole trials in real processes, short ones. Nothing here asserts how fast anything is: only that the work is done.
#![forbid(unsafe_code)]

use benches::child::LaneEntry;
use benches::error::BenchError;
use benches::host::{Host, Plan};
use benches::lane::{Lane, Payload, Tickway};
use benches::report::Measurement;
use benches::schedule::Arrivals;
use benches::suite;
use benches::trial::Role;
use std::io::Write;

/// Runs the plan, or says why this machine cannot.
fn measured(plan: &Plan) -> Option<Measurement> {
    let host = Host::new(&[LaneEntry::processes::<Tickway>()], None, 1);
    let skip = |error: &BenchError| {
        let _ = writeln!(std::io::stderr(), "skipped: {error}");
    };
    let mut host = host.inspect_err(skip).ok()?;
    host.program = env!("CARGO_BIN_EXE_bench_roles").into();
    // No figure is read: tests run beside each other.
    host.strict = false;
    let found = host.measure(plan, &mut |_| ()).unwrap_or_else(|error| panic!("{error}"));
    assert!(!found.has_defect(), "{:?}", found.discarded);
    assert_eq!(found.trials.len(), 1, "{:?}", found.discarded);
    Some(found)
}

#[test]
fn round_trips_between_two_processes_do_their_work() {
    for payload in [Payload::Bytes56, Payload::Bytes120] {
        let Some(found) = measured(&suite::one_way(Tickway::NAME, payload, 20)) else { return };
        let trial = &found.trials[0];
        assert!(trial.figures.samples > 0 && trial.value > 0.0);
        assert_eq!(trial.roles[0].counts[0].checksum, trial.roles[1].counts[0].checksum);
        assert_eq!(found.summaries[0].trials, 1);
    }
}

#[test]
fn every_reader_of_a_broadcast_has_every_message() {
    let Some(found) = measured(&suite::throughput(Tickway::NAME, Payload::Bytes56, 3, 20)) else { return };
    let roles = &found.trials[0].roles;
    let sent = roles.iter().find(|role| role.role == Role::Sender).expect("a sender").counts[0];
    let taken = &roles.iter().find(|role| role.role == Role::Receiver).expect("a receiver").counts;
    assert_eq!(taken.len(), 3);
    assert!(taken.iter().all(|one| (one.messages, one.checksum) == (sent.messages, sent.checksum)));
    assert!(found.trials[0].value > 0.0);
}

#[test]
fn a_tap_reads_along() {
    let Some(found) = measured(&suite::one_way_tapped(Tickway::NAME, Payload::Bytes56, 20)) else { return };
    let tap = found.trials[0].roles.iter().find(|role| role.role == Role::Tap).expect("a tap");
    // It may be lapped, and says so; it is never silent.
    assert!(tap.counts[0].messages + tap.counts[0].lost > 0, "{tap:?}");
}

#[test]
fn an_open_loop_leaves_no_message_out() {
    let (rate_hz, measure_ms) = (50_000, 200);
    let plan = suite::open_loop(Tickway::NAME, Payload::Bytes56, rate_hz, Arrivals::Poisson, measure_ms);
    let Some(found) = measured(&plan) else { return };
    // The samples are the messages after the warm-up: none is left out.
    assert_eq!(found.trials[0].figures.samples, rate_hz * measure_ms / 1_000);
}
