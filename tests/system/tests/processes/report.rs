//! What every demo's report must show, by the issue's own list and not by the product's.

use serde_json::Value;
use system::Run;

/// Every key that a report promises, as paths.
const PROMISED: &[&str] = &[
    "schema_version",
    "verdict",
    "differences",
    "equations",
    "seconds",
    "market.source",
    "market.messages",
    "market.by_type",
    "feed.received",
    "feed.gaps",
    "feed.recovered",
    "feed.malformed",
    "feed.integrity_faults",
    "orders.sent",
    "orders.accepted",
    "orders.rejected_by_risk",
    "orders.cancelled",
    "orders.replaced",
    "fills.count",
    "fills.quantity",
    "positions",
    "tick_to_order_ns.count",
    "tick_to_order_ns.p50",
    "tick_to_order_ns.p99",
    "tick_to_order_ns.p999",
    "tick_to_order_ns.max",
    "timer_caused_orders",
    "hops_ns.market_data",
    "hops_ns.order_intent",
    "hops_ns.order_entry",
    "anchor_ns.before",
    "anchor_ns.after",
    "cpu_steal_pct",
    "allocations_after_start",
    "wait_strategy",
    "processes",
    "kill.engaged",
    "kill.journal_sequence",
    "kill.confirmed_ns",
    "regions.backing",
    "regions.bytes",
    "rings",
    "paths",
];

/// The report of a demo that ended with `code`, every promised key in it.
pub fn of(run: &Run, code: i32) -> Value {
    assert_eq!(run.code, Some(code), "{}\n{}", run.stderr, run.stdout);
    let report = run.json();
    let there = |path: &&&str| path.split('.').try_fold(&report, |value, key| value.as_object()?.get(key)).is_none();
    assert_eq!(PROMISED.iter().filter(there).collect::<Vec<_>>(), Vec::<&&str>::new());
    report
}

/// The report of a demo that must have gone well: verdict ok, four equations that hold.
pub fn good(run: &Run) -> Value {
    let report = of(run, 0);
    assert_eq!(report["verdict"], "ok");
    assert_eq!(report["differences"], serde_json::json!([]));
    let equations = report["equations"].as_array().expect("equations are a list");
    assert_eq!(equations.len(), 4);
    assert!(equations.iter().all(|equation| equation["holds"] == true));
    report
}

/// A count of the report.
pub fn count(report: &Value, path: &str) -> u64 {
    let found = path.split('.').fold(report, |value, key| &value[key]);
    found.as_u64().unwrap_or_else(|| panic!("{path} is {found}"))
}

/// Restarts of a role's first process.
pub fn restarts(report: &Value, role: &str) -> u64 {
    let processes = report["processes"].as_array().expect("processes are a list");
    let row = processes.iter().find(|row| row["role"] == role);
    row.and_then(|row| row["restarts"].as_u64()).unwrap_or_else(|| panic!("no {role}"))
}
