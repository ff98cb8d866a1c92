//! `tickway bench tick-to-order`: from the feed handler's input to the order at the gateway, across the real processes,
//! with what the sockets add beside it; once per placement.
//!
//! Each trial is a whole instance against the simulated venue: real rings, journal, recorder and supervisor on the CPUs at
//! hand, open loop (the venue keeps its own pace). Orders that a timer caused are not counted. A trial whose books do not
//! balance, or whose two anchors (a cache line between two cores, before and after) disagree, says so beside its figures.

use crate::demo;
use crate::demo::{Figures, Report};
use crate::failure::{Failure, Finding, Outcome};
use crate::output;
use clap::Args;
use comfy_table::{Table, presets::UTF8_BORDERS_ONLY};
use runtime::placement::Placement;
use serde_json::{Value, json};

/// Bounds of the shared two-core default, in nanoseconds: median and 99th percentile of the path.
const GOAL_NS: (u64, u64) = (6_000, 50_000);
/// Anchors further apart than this are of two machines: the cores moved while it ran.
const ANCHOR_FACTOR: u64 = 2;

/// Arguments of `bench tick-to-order`.
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    /// Seconds that the market of each trial is open
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Market messages per second, over all symbols
    #[arg(long, default_value_t = 10_000, value_name = "N")]
    rate: u32,
    /// Placements to measure, in this order
    #[arg(long, value_delimiter = ',', default_values = ["processes", "paired", "fused"])]
    placement: Vec<Placement>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Arguments {
    /// Measures each placement.
    ///
    /// # Errors
    /// When a trial cannot be run to its report.
    pub fn run(&self) -> Outcome {
        let mut trials = Vec::new();
        for placement in self.placement.iter().take_while(|_| !runtime::signal::stop_requested()) {
            trials.push(self.trial(*placement)?);
        }
        if self.json {
            output::json(
                json!({ "goal_ns": { "p50": GOAL_NS.0, "p99": GOAL_NS.1 }, "trials": trials.iter().map(row).collect::<Vec<_>>() }),
            )?;
        } else {
            output::line(&table(&trials))?;
        }
        let sound = trials.iter().all(|report| report.differences.is_empty());
        Ok(if sound { Finding::Good } else { Finding::Negative })
    }

    fn trial(&self, placement: Placement) -> Result<Report, Failure> {
        let arguments = demo::Arguments {
            seconds: self.seconds,
            rate: Some(self.rate),
            placement: Some(placement),
            instance: Some("bench".to_owned()),
            ..demo::Arguments::quiet()
        };
        arguments.measure()
    }
}

/// True when the cores stayed as near to each other as they were.
fn is_steady(report: &Report) -> bool {
    let (Some(before), Some(after)) = (report.anchor_ns.before, report.anchor_ns.after) else { return false };
    before.max(after) <= ANCHOR_FACTOR * before.min(after)
}

/// Whether the path keeps the bounds; `None` with too few samples to say.
fn keeps_goal(path: &Figures) -> Option<bool> {
    Some(path.p50? <= GOAL_NS.0 && path.p99? <= GOAL_NS.1)
}

fn row(report: &Report) -> Value {
    json!({
        "placement": report.placement,
        "wait_strategy": report.wait_strategy,
        "path_ns": report.parts_ns.path,
        "socket_before_ns": report.parts_ns.receive,
        "socket_after_ns": report.parts_ns.send,
        "hops_ns": report.hops_ns,
        "anchor_ns": report.anchor_ns,
        "anchors_agree": is_steady(report),
        "keeps_goal": keeps_goal(&report.parts_ns.path),
        "differences": report.differences,
    })
}

fn table(trials: &[Report]) -> String {
    let mut table = Table::new();
    table.load_preset(UTF8_BORDERS_ONLY);
    table.set_header(["placement", "wait", "part", "samples", "p50 ns", "p99 ns", "max ns"]);
    for report in trials {
        let parts = &report.parts_ns;
        let rows = [
            ("feed handler to gateway", &parts.path),
            ("  socket before", &parts.receive),
            ("  journal and socket after", &parts.send),
            ("  hop market_data", &report.hops_ns.market_data),
            ("  hop order_intent", &report.hops_ns.order_intent),
            ("  hop order_entry", &report.hops_ns.order_entry),
        ];
        for (name, figures) in rows {
            let shown = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), |ns| ns.to_string());
            let cells = [shown(figures.p50), shown(figures.p99), shown(figures.max)];
            let [p50, p99, max] = cells;
            let head =
                [report.placement.clone(), report.wait_strategy.clone(), name.to_owned(), figures.count.to_string()];
            table.add_row(head.into_iter().chain([p50, p99, max]));
        }
    }
    let mut text = table.to_string();
    for report in trials {
        let steady = if is_steady(report) { "agree" } else { "DISAGREE: measure again" };
        let (before, after) = (report.anchor_ns.before, report.anchor_ns.after);
        text.push_str(&format!("\n{}: anchors {before:?} {after:?} ns {steady}", report.placement));
        let verdict = match keeps_goal(&report.parts_ns.path) {
            None => "too few samples for a 99th percentile",
            Some(true) => "within 6 us and 50 us",
            Some(false) => "NOT within 6 us and 50 us",
        };
        text.push_str(&format!("; path {verdict}"));
        report.differences.iter().for_each(|difference| text.push_str(&format!("\n  difference: {difference}")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_goal_needs_both_percentiles_and_the_anchors_must_agree() {
        let path = |p50, p99| Figures { count: 2_000, p50: Some(p50), p99, ..Figures::default() };
        assert_eq!(keeps_goal(&path(6_000, Some(50_000))), Some(true));
        assert_eq!(keeps_goal(&path(6_001, Some(7_000))), Some(false));
        assert_eq!(keeps_goal(&path(10, Some(50_001))), Some(false));
        assert_eq!(keeps_goal(&path(10, None)), None);
        let mut report = Report::default();
        assert!(!is_steady(&report), "nothing was measured");
        (report.anchor_ns.before, report.anchor_ns.after) = (Some(55), Some(60));
        assert!(is_steady(&report));
        report.anchor_ns.after = Some(245);
        assert!(!is_steady(&report) && table(&[report]).contains("DISAGREE"));
    }
}
