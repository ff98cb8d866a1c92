//! `tickway bench tick-to-order`: from the feed handler's input to the gateway's encoded bytes, across the real processes,
//! with what the sockets add beside it; once per placement.
//!
//! Each start is a whole instance against the simulated venue: real rings, journal, recorder and supervisor on the CPUs at
//! hand, open loop (the venue keeps its own pace). Orders that a timer caused are not counted. A start whose books do not
//! balance is a defect; one whose two anchors disagree, or with too few orders for a median, is discarded and shown.

mod part;

use crate::bench::printed;
use crate::demo;
use crate::demo::Report as DemoReport;
use crate::failure::{Failure, Outcome};
use benches::anchor::{Anchor, Anchors};
use benches::command::{Options, conclude};
use benches::cpu::CpuUse;
use benches::figures::Figures;
use benches::fingerprint::Fingerprint;
use benches::goal::{Goal, GoalFigure};
use benches::jitter::Jitter;
use benches::report::{Discard, Measurement, Report, RoleAccount, Trial, Words};
use benches::switch::switch_ns;
use benches::timeline::{StampCost, Timeline};
use benches::trial::Role;
use clap::Args;
use part::{PARTS, Part, settings};
use runtime::affinity::allowed_cpus;
use runtime::clock::realtime_ns;
use runtime::placement::Placement;
use runtime::signal::stop_requested;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What is measured, for a reader who does not know it.
const WHAT: &str = "An order's way through whole instances of Tickway on this machine: from the market datagram that the kernel \
                    stamps to the order that is written to the venue, and the parts of that way, for each way of laying its \
                    four stages into processes.";
/// What the limits are and how they were found.
const LIMIT: &str = "The limit of a part is the sum of its hops: A for one between cores, the kernel's switch for one between \
                     processes that share a core, nothing for a call inside a process. A is half of the median round trip of \
                     one cache line between two cores, measured by this command just before and just after each instance, \
                     not by the instance's own processes; the switch was measured once before all, between two threads that \
                     yield to each other.";
/// The part whose goals there are.
const GOALS_OF: &str = "path";

/// Arguments of `bench tick-to-order`.
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    /// Seconds that the market of each start is open
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Market messages per second, over all symbols
    #[arg(long, default_value_t = 10_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
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
        let options = Options {
            json: self.json,
            report: self.report.clone(),
            logs: self.logs.clone(),
            restarts: self.restarts,
            measure_ms: self.seconds * 1_000,
            rate: self.rate.into(),
            cores: None,
        };
        options.outputs().try_out().map_err(Failure::from)?;
        let timeline = Timeline::measure();
        let mut report = Report::new("tick-to-order", realtime_ns(), Fingerprint::take(&timeline));
        report.what = WHAT.to_owned();
        report.limit = LIMIT.to_owned();
        report.words = Words::new("start", "order", "latency");
        report.notes.push(format!(
            "Whole instances against the simulated venue, {} messages/s, {} s and {} starts for each placement. Orders that \
             a timer caused are left out. The jitter floor is watched just before each start, for the time beside it.",
            self.rate, self.seconds, self.restarts
        ));
        if self.restarts < 5 {
            report.notes.push("Fewer than five starts: what differs from start to start does not show.".to_owned());
        }
        // The CPU that the feed handler and its neighbours share: the first, where there are too few.
        let switch = allowed_cpus().ok().and_then(|cpus| switch_ns(*cpus.first()?));
        for placement in &self.placement {
            self.measure(*placement, switch, StampCost::measure(&timeline), &mut report)?;
        }
        report.hold_to(self.restarts);
        let good = report.is_sound() && !stop_requested();
        printed(conclude(&report, &options, good)?)
    }

    /// Adds what the starts of one placement came to.
    fn measure(
        &self,
        placement: Placement,
        switch: Option<u64>,
        stamp: StampCost,
        report: &mut Report,
    ) -> Result<(), Failure> {
        let mut found: Vec<Measured> = PARTS.into_iter().map(|part| Measured::new(part, placement, switch)).collect();
        let mut stolen = Vec::new();
        for number in 1..=self.restarts {
            if stop_requested() {
                break;
            }
            let one = self.start(placement)?;
            // One that was cut short is no trial.
            if stop_requested() {
                break;
            }
            eprintln!("bench: {placement}: start {number}: {:?}", one.tick_to_order_ns);
            let settings = settings(&one, self.rate);
            for measured in &mut found {
                measured.measurement.settings.clone_from(&settings);
                measured.take(number, &one, stamp);
            }
            stolen.push(one.cpu_steal_pct.map_or_else(|| "unknown".to_owned(), |pct| format!("{pct:.2} %")));
        }
        if stolen.len() < self.restarts as usize {
            report.notes.push(format!("{placement}: stopped after {} of {} starts.", stolen.len(), self.restarts));
        }
        if !stolen.is_empty() {
            report.notes.push(format!(
                "{placement}: of all processor time the hypervisor took, by its own account, {}.",
                stolen.join(", ")
            ));
            report.measurements.extend(found.into_iter().map(|measured| measured.concluded(placement)));
        }
        Ok(())
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

/// A part of the way with its starts.
struct Measured {
    part: Part,
    placement: Placement,
    /// What a switch between two threads takes here.
    switch: Option<u64>,
    measurement: Measurement,
    /// The least that it can take, by number of the start.
    limits: BTreeMap<u32, f64>,
}

impl Measured {
    fn new(part: Part, placement: Placement, switch: Option<u64>) -> Self {
        Self { measurement: part.measurement(placement), part, placement, switch, limits: BTreeMap::new() }
    }

    /// Takes one latency of a start, or says why not.
    fn take(&mut self, number: u32, one: &DemoReport, stamp: StampCost) {
        let measurement = &mut self.measurement;
        let mut discard = |reason: String, defect: bool| measurement.discarded.push(Discard { number, reason, defect });
        if let Some(difference) = one.differences.first() {
            return discard(format!("its books do not balance: {difference}"), true);
        }
        let anchors = anchors(one);
        if let Some(Err(part)) = anchors.map(|anchors| anchors.placement()) {
            return discard(format!("its anchors differ by {:.0} %", part * 100.0), false);
        }
        let Some((_, samples)) = one.latencies.iter().find(|(name, _)| *name == self.part.key) else { return };
        let intervals = samples.interval();
        let figures = Figures::of(&intervals);
        let Some(p50_ns) = figures.p50_ns else {
            return discard(format!("{} orders are too few for a median", figures.samples), false);
        };
        if let Some(hops) = self.part.hops(self.placement, one) {
            measurement.limit = self.part.limit(hops, self.switch);
            let least = hops.least_ns(self.switch, anchors.map(|anchors| anchors.one_way_ns()));
            self.limits.extend(least.map(|least_ns| (number, least_ns)));
        }
        measurement.trials.push(Trial {
            number,
            placement: anchors.and_then(|anchors| anchors.placement().ok()),
            anchors,
            value: p50_ns as f64,
            figures,
            series: samples.series(),
            roles: floors(one, stamp),
            intervals,
        });
    }

    fn concluded(mut self, placement: Placement) -> Measurement {
        let goals = if self.part.key == GOALS_OF { goals(placement) } else { &[] };
        self.measurement.conclude_beside(goals, &|trial| self.limits.get(&trial.number).copied());
        self.measurement
    }
}

/// The jitter floor of each CPU of a start, in the harness' shape.
fn floors(one: &DemoReport, stamp: StampCost) -> Vec<RoleAccount> {
    let account = |jitter: &Jitter| RoleAccount {
        role: Role::Threads,
        core: jitter.core,
        cpu: CpuUse::default(),
        jitter: jitter.clone(),
        stamp,
        counts: Vec::new(),
    };
    one.jitter_floor.by_core.iter().map(account).collect()
}

/// The demo's anchors in the harness' shape; `None` on one core.
fn anchors(one: &DemoReport) -> Option<Anchors> {
    let anchor = |ns: u64| Anchor::only(ns as f64);
    Some(Anchors { before: anchor(one.anchor_ns.before?), after: anchor(one.anchor_ns.after?) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: StampCost = StampCost { read_ns: 10.0, step_ns: 10.0 };

    fn path() -> Measured {
        let part = PARTS.into_iter().find(|part| part.key == GOALS_OF).unwrap();
        Measured::new(part, Placement::Processes, Some(650))
    }

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

    fn measured(one: &DemoReport) -> Measurement {
        let mut found = path();
        found.take(1, one, STAMP);
        found.concluded(Placement::Processes)
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
    fn starts_too_short_for_a_99th_percentile_have_one_together() {
        let mut found = path();
        for number in 1..=5 {
            let mut samples = demo::Samples::default();
            (0..500).for_each(|at| samples.add(at, if at < 10 { 60_000 } else { 5_000 }));
            let mut one = demo(0, (55, 60));
            one.latencies = vec![("path", samples)];
            found.take(number, &one, STAMP);
        }
        let found = found.concluded(Placement::Processes);
        assert!(found.trials.iter().all(|trial| trial.figures.p99_ns.is_none()));
        assert_eq!(found.verdicts.iter().map(|verdict| verdict.met).collect::<Vec<_>>(), [Some(true), Some(false)]);
    }

    #[test]
    fn every_part_has_its_latencies_in_the_books() {
        let kept: Vec<&str> = demo::Books::default().latencies().into_iter().map(|(name, _)| name).collect();
        assert_eq!(PARTS.map(|part| part.key).to_vec(), kept);
    }

    #[test]
    fn the_floor_of_every_cpu_stands_beside_its_start() {
        let mut one = demo(6_000, (55, 60));
        let jitter = |core, max_ns| Jitter { core, watched_ns: 1, max_ns, ..Jitter::default() };
        one.jitter_floor.by_core = vec![jitter(0, 4_000_000), jitter(1, 9_000)];
        let found = measured(&one);
        assert_eq!(found.trials[0].jitter_max_ns(), Some(4_000_000));
        assert_eq!(found.trials[0].roles.iter().map(|role| role.core).collect::<Vec<_>>(), [0, 1]);
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
