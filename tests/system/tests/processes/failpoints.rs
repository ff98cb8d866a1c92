//! Deaths at named places, between two steps of one act.

use crate::report::{self, count};
use system::Bench;

/// The demo's host file with these lines of `[failpoint]`.
pub fn host_file(points: &str) -> String {
    let own = include_str!("../../../../tuning/demo.toml");
    let allowed = own.replacen("[host]\n", "[host]\nallow_failpoints = true\n", 1);
    assert_ne!(own, allowed);
    format!("{allowed}\n[failpoint]\n{points}")
}

fn survives(test: &str, points: &[(&str, &str, u32)]) {
    let bench = Bench::new(test);
    let arm = |(process, point, after): &(&str, &str, u32)| {
        format!("\"{process}/0:{point}\" = {{ action = \"kill\", after = {after} }}\n")
    };
    let host = bench.write("failpoints.toml", host_file(&points.iter().map(arm).collect::<String>()));
    let run = bench.demo(8, &["--host", host.to_str().unwrap(), "--seed", "12"]).wait();
    let report = report::good(&run);
    for (process, point, _) in points {
        assert_eq!(report::restarts(&report, process), 1, "{process} dies once, of {point}");
    }
    assert!(count(&report, "orders.sent") > 0 && count(&report, "fills.count") > 0, "{}", report["orders"]);
    bench.expect_nothing_left();
}

#[test]
fn a_writer_that_dies_over_a_marked_slot_is_taken_over() {
    survives(
        "marked",
        &[
            ("strategy", "ring.write.after_mark", 4_000),
            ("feed-handler", "ring.write.after_mark", 60_000),
            ("risk", "ring.write.before_sequence", 3_000),
        ],
    );
}

#[test]
fn what_was_judged_or_decided_before_a_death_is_neither_lost_nor_doubled() {
    survives(
        "half-done",
        &[("risk", "risk.intent.before_commit", 30), ("strategy", "strategy.intent.before_publish", 120)],
    );
    survives(
        "undecided",
        &[("risk", "risk.intent.before_judge", 90), ("strategy", "strategy.market_data.before_decide", 2_000)],
    );
}
