//! Faults one at a time, on an otherwise calm day: deaths after each output of a step, a kill, a stall, a cut, a full
//! journal's disk (rows 2, 3, 4, 5, 6, 7, 13, 26, 41 and 58 of the fault matrix).
#![forbid(unsafe_code)]

use sim::bus::ProcessId;
use sim::scenario::MS;
use sim::{Fault, Outcome, Scenario, run};

fn with(seed: u64, faults: &[(u64, Fault)]) -> Outcome {
    run(&Scenario { faults: faults.to_vec(), ..Scenario::calm(seed) })
}

#[test]
fn the_gateway_dies_after_each_output() {
    // Intent, send, sent mark, report, their records: each place is hit by some of these.
    for outputs in 0..40 {
        let counts = with(u64::from(outputs % 4), &[(60 * MS, Fault::CrashAfter(ProcessId::Gateway, outputs))]).counts;
        assert_eq!((counts.restarts, counts.logins), (1, 1), "it is not restarted: {counts:?}");
        assert!(counts.new_orders_sent > 0);
    }
}

#[test]
fn risk_dies_after_each_output_and_comes_back_with_what_it_had() {
    for outputs in 0..20 {
        let counts = with(u64::from(outputs), &[(60 * MS, Fault::CrashAfter(ProcessId::Risk, outputs))]).counts;
        assert_eq!((counts.restarts, counts.rebuilds), (1, 1), "{counts:?}");
    }
}

#[test]
fn a_strategy_dies_after_each_output_and_trades_again() {
    for outputs in 0..10 {
        let fault = Fault::CrashAfter(ProcessId::Strategy(0), outputs);
        let counts = with(u64::from(outputs), &[(40 * MS, fault)]).counts;
        assert_eq!((counts.restarts, counts.rebuilds), (1, 1), "{counts:?}");
    }
}

#[test]
fn the_feed_handler_dies_after_each_output_and_recovers_silently() {
    for outputs in 0..20 {
        let counts = with(u64::from(outputs), &[(60 * MS, Fault::CrashAfter(ProcessId::Feed, outputs))]).counts;
        assert_eq!((counts.restarts, counts.rebuilds), (1, 0), "{counts:?}");
        assert!(counts.fills > 0);
    }
}

#[test]
fn a_kill_stops_new_orders_until_it_is_released() {
    for seed in 0..5 {
        let latched = with(seed, &[(40 * MS, Fault::Kill)]).counts;
        let released = with(seed, &[(40 * MS, Fault::Kill), (80 * MS, Fault::Release)]).counts;
        assert!(latched.new_orders_sent > 0 && latched.risk_rejects > 0, "{latched:?}");
        assert!(released.new_orders_sent > 2 * latched.new_orders_sent, "{latched:?} {released:?}");
    }
}

#[test]
fn the_kill_works_with_any_one_process_dead() {
    for process in [ProcessId::Feed, ProcessId::Strategy(1), ProcessId::Risk, ProcessId::Gateway] {
        for seed in 0..4 {
            let counts = with(seed, &[(59 * MS, Fault::Crash(process)), (60 * MS, Fault::Kill)]).counts;
            assert_eq!(counts.restarts, 1, "{counts:?}");
        }
    }
}

#[test]
fn who_is_stopped_loses_its_lease_and_goes_on() {
    for process in [ProcessId::Feed, ProcessId::Strategy(0), ProcessId::Risk, ProcessId::Gateway] {
        for seed in 0..4 {
            let counts = with(seed, &[(50 * MS, Fault::Stall(process, 40 * MS))]).counts;
            assert_eq!(counts.restarts, 0, "stopped is not dead: {counts:?}");
            assert!(counts.fills > 0);
        }
    }
}

#[test]
fn a_session_that_is_cut_again_and_again_finds_every_order_again() {
    for seed in 0..10 {
        let cuts: Vec<_> = (2..18).map(|tenth| (tenth * 10 * MS + seed * 137_000, Fault::Cut(MS))).collect();
        let counts = with(seed, &cuts).counts;
        assert!(counts.logins > 5 && counts.fills > 0, "{counts:?}");
    }
}

#[test]
fn a_disk_that_fails_halts_new_orders_and_lets_cancels_pass() {
    for seed in 0..5 {
        for durable in [false, true] {
            let faults = vec![(60 * MS, Fault::DiskFails)];
            let failed = run(&Scenario { durable, faults, ..Scenario::calm(seed) }).counts;
            let whole = run(&Scenario { durable, ..Scenario::calm(seed) }).counts;
            assert!(failed.new_orders_sent > 0, "{failed:?}");
            assert!(failed.new_orders_sent < whole.new_orders_sent, "{failed:?} {whole:?}");
        }
    }
}
