//! The kill switch against a running demo.

use crate::journal;
use crate::report;
use nix::sys::signal::Signal;
use serde_json::Value;
use system::Bench;

/// Engages the kill; the exit code must be `code`.
fn engage(bench: &Bench, code: i32) -> Value {
    let run = bench.about(&["kill", "engage", "--json", "--reason", "test"]);
    assert_eq!(run.code, Some(code), "{}{}", run.stdout, run.stderr);
    run.json()
}

/// The demo's report after a confirmed kill: no order open at the venue, none sent after the journal's Kill record.
fn assert_nothing_after(bench: &Bench, report: &Value) {
    assert_eq!(report["kill"]["engaged"], true);
    let open = |text: &Value| text.as_str().is_some_and(|text| text.contains("open orders at the end"));
    assert!(!report["differences"].as_array().unwrap().iter().any(open), "{}", report["differences"]);
    let records = bench.journal();
    let killed = records.iter().position(|record| record["record"] == "kill" && record["engaged"] == true);
    let killed = killed.expect("the kill is in the journal");
    assert_eq!(report["kill"]["journal_sequence"], records[killed]["sequence"]);
    let (before, after): (Vec<_>, Vec<_>) = journal::sent(&records).into_iter().partition(|sent| sent.place < killed);
    assert!(before.iter().any(|sent| sent.is_new), "orders went out before it");
    let late: Vec<_> = after.iter().filter(|sent| sent.is_new).collect();
    assert!(late.is_empty(), "orders after the kill: {late:#?}");
}

/// Waits, less than the second that is promised and the time of a look, until the venue holds no order of ours.
fn wait_flat(bench: &Bench) {
    bench.wait_for("execution-gateway", "end of the open orders", |row| {
        row["counters"]["open_orders"] == 0 && row["counters"]["unknown_orders"] == 0
    });
}

#[test]
fn an_engaged_kill_is_confirmed_and_no_order_follows_it() {
    let bench = Bench::new("kill");
    let mut demo = bench.demo(6, &["--seed", "5"]);
    demo.wait_second(3);
    let engaged = engage(&bench, 0);
    assert_eq!(engaged["confirmed"], true, "{engaged}");
    wait_flat(&bench);
    let status = bench.about(&["kill", "status", "--json"]).json();
    assert_eq!(status["engaged"], true);
    assert_eq!(status["possibly_live"], serde_json::json!([]));
    let report = report::good(&demo.wait());
    assert_nothing_after(&bench, &report);
    bench.expect_nothing_left();
}

#[test]
fn a_kill_needs_neither_strategy_nor_risk() {
    for signal in [Signal::SIGKILL, Signal::SIGSTOP] {
        let bench = Bench::new("kill-alone");
        let mut demo = bench.demo(8, &["--seed", "6"]);
        demo.wait_second(3);
        bench.signal("strategy", signal);
        bench.signal("risk", signal);
        let engaged = engage(&bench, 0);
        assert_eq!(engaged["confirmed"], true, "{signal}: {engaged}");
        wait_flat(&bench);
        let report = report::good(&demo.wait());
        assert_nothing_after(&bench, &report);
        bench.expect_nothing_left();
    }
}

#[test]
fn without_a_gateway_a_kill_is_latched_but_unconfirmed() {
    let bench = Bench::new("kill-dead");
    let mut demo = bench.demo(6, &["--seed", "8"]);
    demo.wait_second(3);
    bench.signal("execution-gateway", Signal::SIGKILL);
    bench.wait_for("execution-gateway", "death", |row| row["state"] != "running");
    let engaged = engage(&bench, 1);
    assert_eq!(engaged["confirmed"], false, "{engaged}");
    let report = report::of(&demo.wait(), 1);
    assert_eq!((report["verdict"].as_str(), report["kill"]["engaged"].as_bool()), (Some("differences"), Some(true)));
    bench.expect_nothing_left();
}
