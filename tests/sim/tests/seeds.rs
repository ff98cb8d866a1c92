//! Many short runs, each from its seed; a failure prints the scenario that failed, which runs again the same way.
#![forbid(unsafe_code)]

use sim::{Outcome, Scenario, run};

/// Runs `count` seeds from `first` and returns what they came to.
fn run_all(first: u64, count: u64, scenario: impl Fn(u64) -> Scenario) -> Vec<Outcome> {
    (first..first + count).map(|seed| run(&scenario(seed))).collect()
}

fn sum(outcomes: &[Outcome], of: impl Fn(&Outcome) -> u64) -> u64 {
    outcomes.iter().map(of).sum()
}

#[test]
fn a_calm_day_trades_and_reconciles() {
    for outcome in run_all(1, 10, Scenario::calm) {
        let counts = outcome.counts;
        assert!(counts.fills > 0 && counts.new_orders_sent > 10 && counts.checkpoints > 0, "{counts:?}");
        assert_eq!((counts.logins, counts.restarts), (1, 0), "{counts:?}");
    }
}

#[test]
fn a_bad_network_changes_nothing_but_time() {
    let outcomes = run_all(100, 60, Scenario::stormy);
    assert!(sum(&outcomes, |o| o.counts.fills) > 100);
    assert!(sum(&outcomes, |o| o.counts.laps) > 0, "small rings lap their readers");
}

#[test]
fn whatever_dies_no_order_is_lost_doubled_or_guessed() {
    let outcomes = run_all(1_000, 120, Scenario::hostile);
    assert!(sum(&outcomes, |o| o.counts.fills) > 100);
    assert!(sum(&outcomes, |o| o.counts.restarts) > 50);
    assert!(sum(&outcomes, |o| o.counts.rebuilds) > 30);
    assert!(sum(&outcomes, |o| o.counts.logins) > 120, "sessions were lost and found again");
}

#[test]
fn one_seed_is_one_run() {
    for scenario in [Scenario::calm(7), Scenario::stormy(8), Scenario::hostile(9), Scenario::hostile(10)] {
        let (first, second) = (run(&scenario), run(&scenario));
        assert!(first.outputs > 1_000, "{first:?}");
        assert_eq!(first, second);
    }
    assert_ne!(run(&Scenario::calm(7)).trace, run(&Scenario::calm(8)).trace);
}
