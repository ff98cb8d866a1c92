//! `tickway bench tick-to-order`: from the feed handler's input to the gateway's encoded bytes, across the real processes,
//! with what the sockets add beside it; once per placement.
//!
//! Each start is a whole instance against the simulated venue: real rings, journal, recorder and supervisor on the CPUs at
//! hand, open loop (the venue keeps its own pace). Orders that a timer caused are not counted. A start whose books do not
//! balance is a defect; one whose two anchors disagree, or with too few orders for a median, is discarded and shown.

use crate::demo;
use crate::demo::Report as DemoReport;
use crate::failure::{Failure, Finding, OS_ERROR, Outcome};
use crate::output;
use benches::anchor::{Anchor, Anchors};
use benches::command::{Options, Said, conclude};
use benches::figures::Figures;
use benches::fingerprint::Fingerprint;
use benches::goal::{Goal, GoalFigure};
use benches::report::{Discard, Measurement, Report, Trial, Unit};
use benches::switch::switch_ns;
use benches::timeline::Timeline;
use clap::Args;
use runtime::affinity::allowed_cpus;
use runtime::clock::realtime_ns;
use runtime::placement::Placement;
use runtime::signal::stop_requested;
use std::path::PathBuf;

/// What is measured of each start: key, title, from where to where.
const PARTS: [(&str, &str, &str); 6] = [
    (
        "path",
        "feed handler to order's bytes",
        "From the feed handler's read of a datagram to the gateway's order, encoded, journaled and about to be written.",
    ),
    (
        "receive",
        "socket before",
        "From the kernel's receive stamp to the feed handler's read: what the socket adds before.",
    ),
    (
        "send",
        "socket after",
        "The write of the order's bytes, from the gateway's last look at kill and leases to its return.",
    ),
    ("market_data", "hop market_data", "From the feed handler's read to the strategy's."),
    ("order_intent", "hop order_intent", "From the strategy's read to risk's."),
    ("order_entry", "hop order_entry", "From risk's read to the gateway's."),
];

/// Arguments of `bench tick-to-order`.
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    /// Seconds that the market of each start is open
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Market messages per second, over all symbols
    #[arg(long, default_value_t = 10_000, value_name = "N")]
    rate: u32,
    /// Placements to measure, in this order
    #[arg(long, value_delimiter = ',', default_values = ["processes", "paired", "fused"])]
    placement: Vec<Placement>,
    /// Starts of the instance for each placement, each shown
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    restarts: u32,
    /// Print one JSON object instead of tables
    #[arg(long)]
    json: bool,
    /// Write a self-contained HTML page, too
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Write HdrHistogram's interval logs (.hlog) and percentile tables (.hgrm) there, too
    #[arg(long, value_name = "DIRECTORY")]
    logs: Option<PathBuf>,
}

impl Arguments {
    /// Measures each placement.
    ///
    /// # Errors
    /// When an instance cannot be run to its report, or a file not be written.
    pub fn run(&self) -> Outcome {
        let fingerprint = Fingerprint::take(&Timeline::measure());
        let mut report = Report::new("tick-to-order", realtime_ns(), fingerprint);
        report.notes.push(format!(
            "Whole instances against the simulated venue, {} messages/s, {} s and {} starts for each placement; A is \
             measured before and after each. Orders that a timer caused are left out.",
            self.rate, self.seconds, self.restarts
        ));
        if self.restarts < 5 {
            report.notes.push("Fewer than five starts: what differs from start to start does not show.".to_owned());
        }
        // The CPU that the feed handler and its neighbours share: the first, where there are too few.
        let switch = allowed_cpus().ok().and_then(|cpus| switch_ns(*cpus.first()?));
        for placement in &self.placement {
            let mut found = PARTS.map(|part| described(*placement, part, switch));
            let mut starts = 0;
            for number in 1..=self.restarts {
                if stop_requested() {
                    break;
                }
                let one = self.start(*placement)?;
                // One that was cut short is no trial.
                if stop_requested() {
                    break;
                }
                starts += 1;
                eprintln!("bench: {placement}: start {number}: {:?}", one.parts_ns.path);
                found.iter_mut().zip(PARTS).for_each(|(measurement, (key, ..))| take(measurement, number, key, &one));
            }
            if starts < self.restarts {
                report.notes.push(format!("{placement}: stopped after {starts} of {} starts.", self.restarts));
            }
            if starts == 0 {
                continue;
            }
            found[0].conclude(goals(*placement));
            found[1..].iter_mut().for_each(|measurement| measurement.conclude(&[]));
            report.measurements.extend(found);
        }
        let good = report.is_sound() && !stop_requested();
        let options = Options {
            json: self.json,
            report: self.report.clone(),
            logs: self.logs.clone(),
            restarts: self.restarts,
            measure_ms: self.seconds * 1_000,
            rate: self.rate.into(),
            cores: None,
        };
        match conclude(&report, &options, good)
            .map_err(|error| Failure { code: OS_ERROR, message: error.to_string() })?
        {
            Said::Report(text, good) => {
                output::line(&text)?;
                Ok(if good { Finding::Good } else { Finding::Negative })
            }
            Said::Child(_) => unreachable!("no role was played"),
        }
    }

    fn start(&self, placement: Placement) -> Result<DemoReport, Failure> {
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

/// Bounds of the path: the shared two-core default, and two processes of two stages each.
const fn goals(placement: Placement) -> &'static [Goal] {
    const PROCESSES: [Goal; 2] = [
        Goal::everywhere_at_most(
            GoalFigure::Value,
            6_000.0,
            "feed handler to gateway across four processes, p50 in ns",
        )
        .promised("tick_to_order_processes_p50_ns"),
        Goal::everywhere_at_most(GoalFigure::P99, 50_000.0, "feed handler to gateway across four processes, p99 in ns")
            .promised("tick_to_order_processes_p99_ns"),
    ];
    const PAIRED: [Goal; 1] = [Goal::everywhere_at_most(GoalFigure::Value, 500.0, "two processes, p50 in ns")
        .promised("tick_to_order_paired_p50_ns")];
    match placement {
        Placement::Processes => &PROCESSES,
        Placement::Paired => &PAIRED,
        Placement::Fused => &[],
    }
}

fn described(placement: Placement, (key, title, what): (&str, &str, &str), switch: Option<u64>) -> Measurement {
    let here = switch
        .map_or_else(String::new, |ns| format!(" (here {ns} ns between two threads, and not less between processes)"));
    Measurement {
        id: format!("{placement}-{key}"),
        title: format!("{title}, {placement}"),
        what: format!("{what} The headline is the median."),
        limit: format!(
            "A for each hop between two cores; where processes share a core, the kernel's switch between them{here}."
        ),
        subject: "tickway".to_owned(),
        settings: "the demo's host file".to_owned(),
        unit: Unit::Ns,
        trials: Vec::new(),
        discarded: Vec::new(),
        summaries: Vec::new(),
        verdicts: Vec::new(),
    }
}

/// Takes one latency of a start, or says why not.
fn take(measurement: &mut Measurement, number: u32, key: &str, one: &DemoReport) {
    let mut discard = |reason: String, defect: bool| measurement.discarded.push(Discard { number, reason, defect });
    if let Some(difference) = one.differences.first() {
        return discard(format!("its books do not balance: {difference}"), true);
    }
    let anchors = anchors(one);
    if let Some(Err(part)) = anchors.map(|anchors| anchors.placement()) {
        return discard(format!("its anchors differ by {:.0} %", part * 100.0), false);
    }
    let Some((_, samples)) = one.latencies.iter().find(|(name, _)| *name == key) else { return };
    let intervals = samples.interval();
    let figures = Figures::of(&intervals);
    let Some(p50_ns) = figures.p50_ns else {
        return discard(format!("{} orders are too few for a median", figures.samples), false);
    };
    measurement.trials.push(Trial {
        number,
        placement: anchors.and_then(|anchors| anchors.placement().ok()),
        anchors,
        value: p50_ns as f64,
        figures,
        series: samples.series(),
        roles: Vec::new(),
        intervals,
    });
}

/// The demo's anchors in the harness' shape; `None` on one core.
fn anchors(one: &DemoReport) -> Option<Anchors> {
    let anchor = |ns: u64| Anchor::only(ns as f64);
    Some(Anchors { before: anchor(one.anchor_ns.before?), after: anchor(one.anchor_ns.after?) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demo(path_ns: u64, anchors: (u64, u64)) -> DemoReport {
        let mut books = demo::Samples::default();
        (0..2_000_u64).for_each(|at| books.add(at * 1_000_000, path_ns));
        let mut report = DemoReport { latencies: vec![("path", books)], ..DemoReport::default() };
        (report.anchor_ns.before, report.anchor_ns.after) = (Some(anchors.0), Some(anchors.1));
        report
    }

    #[test]
    fn every_goal_is_a_promise() {
        let goals = [Placement::Processes, Placement::Paired, Placement::Fused].map(goals).concat();
        assert_eq!((goals.len(), benches::goal::unpromised(&goals)), (3, Vec::new()));
    }

    #[test]
    fn the_limit_says_what_a_switch_costs_here() {
        let limit = |switch| described(Placement::Processes, PARTS[0], switch).limit;
        assert!(
            limit(Some(650))
                .ends_with("between them (here 650 ns between two threads, and not less between processes).")
        );
        assert!(limit(None).ends_with("the kernel's switch between them."));
    }

    fn measured(one: &DemoReport) -> Measurement {
        let mut found = described(Placement::Processes, PARTS[0], Some(650));
        take(&mut found, 1, "path", one);
        found.conclude(goals(Placement::Processes));
        found
    }

    #[test]
    fn the_goals_need_both_percentiles() {
        let met = |found: &Measurement| found.verdicts.iter().map(|verdict| verdict.met).collect::<Vec<_>>();
        assert_eq!(met(&measured(&demo(6_000, (55, 60)))), [Some(true), Some(true)]);
        assert_eq!(met(&measured(&demo(7_000, (55, 60)))), [Some(false), Some(true)]);
        let found = measured(&demo(60_000, (55, 60)));
        assert_eq!(met(&found), [Some(false), Some(false)]);
        assert_eq!(found.trials[0].series.iter().map(|point| point.samples).collect::<Vec<_>>(), [1_000, 1_000]);
    }

    #[test]
    fn a_start_that_tells_nothing_is_discarded_with_its_reason() {
        let moved = measured(&demo(6_000, (55, 245)));
        assert!(moved.trials.is_empty() && moved.discarded[0].reason.contains("anchors differ"));
        let mut wrong = demo(6_000, (55, 60));
        wrong.differences.push("one fill".to_owned());
        assert!(measured(&wrong).has_defect());
        let mut few = demo(6_000, (55, 60));
        few.latencies.clear();
        few.latencies.push(("path", demo::Samples::default()));
        assert!(measured(&few).discarded[0].reason.contains("too few"));
    }
}
