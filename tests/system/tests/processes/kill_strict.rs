//! The promise of `kill engage`, held against the venue's and the journal's own clocks.

use crate::report;
use std::collections::BTreeSet;
use system::Bench;

/// From the acknowledgement to the end of the last order, by the promise.
const FLAT_NS: u64 = 1_000_000_000;

#[test]
fn after_the_acknowledgement_the_venue_is_flat_within_a_second_and_no_order_was_sent() {
    let bench = Bench::new("kill-strict");
    let mut demo = bench.demo(6, &["--seed", "21"]);
    demo.wait_second(3);
    let engaged = bench.about(&["kill", "engage", "--json", "--reason", "strict"]);
    assert_eq!(engaged.code, Some(0), "{engaged:#?}");
    let engaged = engaged.json();
    let acknowledged = engaged["engaged_ns"].as_u64().unwrap() + engaged["confirmed_ns"].as_u64().unwrap();
    bench.wait_for("execution-gateway", "end of the open orders", |row| {
        row["counters"]["open_orders"] == 0 && row["counters"]["unknown_orders"] == 0
    });
    // Released before the end: the report keeps what the engagement came to.
    let released = bench.about(&["kill", "release", "--reason", "flat"]);
    assert_eq!(released.code, Some(0), "{released:#?}");
    let report = report::good(&demo.wait());
    let kill = &report["kill"];
    assert_eq!((kill["engaged"].as_bool(), kill["released"].as_bool()), (Some(true), Some(true)));
    assert!(kill["confirmed_ns"].is_u64(), "{kill}");
    let records = bench.journal();
    let place = records.iter().position(|record| record["record"] == "kill" && record["engaged"] == true).unwrap();
    assert_eq!(kill["journal_sequence"], records[place]["sequence"]);
    // The venue's word of each order's end is journaled with the kernel's stamp of its arrival: after the last one the
    // venue holds none of ours.
    let (mut live, mut last_end) = (BTreeSet::new(), 0);
    for record in records.iter().filter(|record| record["record"] == "execution") {
        // What is only asked for goes by the request's own ClOrdID (FIX 11), under which no order lives yet.
        if ["pending_cancel", "pending_replace"].iter().any(|asked| record["exec_type"] == *asked) {
            continue;
        }
        if record["exec_type"] == "replaced" {
            live.remove(&record["orig_cl_ord_id"].to_string());
        }
        let id = record["cl_ord_id"].to_string();
        if record["leaves_qty"] != "0" {
            live.insert(id);
        } else if live.remove(&id) {
            last_end = last_end.max(record["receive_ns"].as_u64().unwrap());
        }
    }
    assert!(live.is_empty(), "orders without an end: {live:?}");
    assert!(last_end > 0, "orders lived and ended");
    assert!(
        last_end < acknowledged + FLAT_NS,
        "the last order ended {} ns after it",
        last_end.saturating_sub(acknowledged)
    );
    let late: Vec<_> =
        crate::journal::sent(&records).into_iter().filter(|sent| sent.is_new && sent.place > place).collect();
    assert!(late.is_empty(), "sent after the kill record: {late:#?}");
    bench.expect_nothing_left();
}
