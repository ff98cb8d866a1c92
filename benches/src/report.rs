//! What a bench says: measurements of trials, summaries per placement of the cores, goals and whether they were met.
//!
//! It is the one shape behind the terminal's table, `--json` and the HTML page. A measurement of another kind (an operation
//! in one thread, a chain of processes) fills the same fields; nothing here knows how a number was found.

use crate::anchor::{Anchors, Placement};
use crate::cpu::CpuUse;
use crate::figures::{Figures, median};
use crate::fingerprint::Fingerprint;
use crate::goal::{Goal, Verdict};
use crate::jitter::Jitter;
use crate::recorder::IntervalCounts;
use crate::timeline::StampCost;
use crate::trial::{Counts, Role};
use serde::{Deserialize, Serialize};

/// Version of the JSON document.
pub const SCHEMA_VERSION: u64 = 1;

/// What a headline value is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Nanoseconds: less is better.
    Ns,
    /// Messages or operations per second: more is better.
    PerSecond,
}

/// One role's use of the machine in one trial.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RoleAccount {
    /// Which.
    pub role: Role,
    /// Its core.
    pub core: usize,
    /// CPU time against wall time.
    pub cpu: CpuUse,
    /// Jitter floor of its core in this trial.
    pub jitter: Jitter,
    /// Cost of a stamp, inside every latency.
    pub stamp: StampCost,
    /// Its counts; one entry for each receiver.
    pub counts: Vec<Counts>,
}

/// One interval of a time series.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct SeriesPoint {
    /// Start, in microseconds after the first measured moment.
    pub start_us: u64,
    /// Samples.
    pub samples: u64,
    /// Largest, in nanoseconds.
    pub max_ns: u64,
}

/// One start of the processes that was kept.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Trial {
    /// Number of the start, from 1; discarded ones have numbers too.
    pub number: u32,
    /// Where the cores lay; `None` when only one was used.
    pub placement: Option<Placement>,
    /// Its anchors; `None` when only one core was used.
    pub anchors: Option<Anchors>,
    /// The headline value, in the measurement's unit.
    pub value: f64,
    /// Latencies of single messages, when they were taken.
    pub figures: Figures,
    /// Time series of the latencies.
    pub series: Vec<SeriesPoint>,
    /// Accounts of the roles.
    pub roles: Vec<RoleAccount>,
    /// The latencies themselves, for log files.
    #[serde(skip)]
    pub intervals: Vec<IntervalCounts>,
}

impl Trial {
    /// A of the trial, in nanoseconds.
    #[must_use]
    pub fn a_ns(&self) -> Option<f64> {
        self.anchors.map(|anchors| anchors.one_way_ns())
    }

    /// The longest interruption of any of its cores while the floor was watched, in nanoseconds; `None` when it was not.
    #[must_use]
    pub fn jitter_max_ns(&self) -> Option<u64> {
        self.roles.iter().filter(|role| role.jitter.watched_ns > 0).map(|role| role.jitter.max_ns).max()
    }
}

/// Why a trial was not kept.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Discard {
    /// Number of the start, from 1.
    pub number: u32,
    /// Reason, in words.
    pub reason: String,
    /// True when the work itself was wrong (a checksum, an order): no noise of the machine explains that.
    pub defect: bool,
}

/// The trials of one placement, by medians. Placements are never mixed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Summary {
    /// Where the cores lay; `None` when only one was used.
    pub placement: Option<Placement>,
    /// Trials.
    pub trials: usize,
    /// Median of A, in nanoseconds.
    pub a_ns: Option<f64>,
    /// Median of the headline values.
    pub value: f64,
    /// Smallest and largest headline value.
    pub range: [f64; 2],
    /// Median of value / A, each with its own trial's A (nanoseconds only).
    pub over_a: Option<f64>,
    /// Median of the trials' 50th percentiles of single messages, in nanoseconds.
    pub p50_ns: Option<f64>,
    /// Median of their 99th percentiles.
    pub p99_ns: Option<f64>,
    /// Median of p99 / A, each with its own trial's A.
    pub p99_over_a: Option<f64>,
    /// Largest of all.
    pub max_ns: Option<u64>,
    /// Samples of all trials.
    pub samples: u64,
}

/// Greatest part by which the A of two summaries of one placement may differ for their nanoseconds to be compared as they
/// are.
///
/// Both were measured in one run between the same two cores, and to divide each by its A would only add what A does by
/// itself to a goal that is of five per cent: it scatters by one from start to start, and a tap that naps on the receiver's
/// core adds three to the A of its own starts. But a machine that lies between placements, or changes its clock, may have
/// been another one for most starts of one of the two. Its A then moves by more than all of that, and multiples of A are
/// what can still be compared.
const SAME_A: f64 = 0.10;

impl Summary {
    /// How many times the other's this one's headline is; both are of one placement.
    #[must_use]
    pub fn value_over(&self, other: &Self) -> f64 {
        let in_a = self.over_a.zip(other.over_a).filter(|_| !self.has_the_a_of(other));
        in_a.map_or(self.value / other.value, |(one, other)| one / other)
    }

    /// The same of the 99th percentiles; `None` where one has none.
    #[must_use]
    pub fn p99_over(&self, other: &Self) -> Option<f64> {
        let in_a = self.p99_over_a.zip(other.p99_over_a).filter(|_| !self.has_the_a_of(other));
        in_a.or(self.p99_ns.zip(other.p99_ns)).map(|(one, other)| one / other)
    }

    /// True where one has no A, too: there is nothing to divide by.
    fn has_the_a_of(&self, other: &Self) -> bool {
        self.a_ns.zip(other.a_ns).is_none_or(|(one, other)| (one - other).abs() <= SAME_A * one.min(other))
    }
}

/// One thing measured.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Measurement {
    /// Short name, unique in the report: `one-way-56`.
    pub id: String,
    /// Title for people.
    pub title: String,
    /// What exactly is measured, from where to where, in a sentence or two.
    pub what: String,
    /// What physics or the kernel allow, in words.
    pub limit: String,
    /// The lane or other subject.
    pub subject: String,
    /// Its settings.
    pub settings: String,
    /// Unit of the headline values.
    pub unit: Unit,
    /// Trials kept, in order.
    pub trials: Vec<Trial>,
    /// Trials discarded.
    pub discarded: Vec<Discard>,
    /// Summaries, one per placement met.
    pub summaries: Vec<Summary>,
    /// Goals, as far as this run could judge them.
    pub verdicts: Vec<Verdict>,
}

impl Measurement {
    /// Sums the trials up and judges the goals. Goals that compare two measurements are judged by [`Report::judge`].
    pub fn conclude(&mut self, goals: &[Goal]) {
        let mut placements: Vec<Option<Placement>> = self.trials.iter().map(|trial| trial.placement).collect();
        placements.sort_unstable();
        placements.dedup();
        self.summaries = placements.into_iter().map(|placement| self.summary(placement)).collect();
        self.verdicts = goals.iter().flat_map(|goal| goal.judge(&self.summaries)).collect();
    }

    fn summary(&self, placement: Option<Placement>) -> Summary {
        let trials: Vec<&Trial> = self.trials.iter().filter(|trial| trial.placement == placement).collect();
        let ns = |value: Option<u64>| value.map(|ns| ns as f64);
        let of = |value: &dyn Fn(&Trial) -> Option<f64>| median(trials.iter().filter_map(|trial| value(trial)));
        let is_ns = self.unit == Unit::Ns;
        let values = || trials.iter().map(|trial| trial.value);
        Summary {
            placement,
            trials: trials.len(),
            a_ns: of(&Trial::a_ns),
            value: median(values()).unwrap_or(f64::NAN),
            range: [values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max)],
            over_a: of(&|trial| Some(trial.value / trial.a_ns()?)).filter(|_| is_ns),
            p50_ns: of(&|trial| ns(trial.figures.p50_ns)),
            p99_ns: of(&|trial| ns(trial.figures.p99_ns)),
            p99_over_a: of(&|trial| Some(ns(trial.figures.p99_ns)? / trial.a_ns()?)),
            max_ns: trials.iter().filter_map(|trial| trial.figures.max_ns).max(),
            samples: trials.iter().map(|trial| trial.figures.samples).sum(),
        }
    }

    /// The summary of a placement.
    #[must_use]
    pub fn at(&self, placement: Option<Placement>) -> Option<&Summary> {
        self.summaries.iter().find(|summary| summary.placement == placement)
    }

    /// True when the work of a trial was wrong.
    #[must_use]
    pub fn has_defect(&self) -> bool {
        self.discarded.iter().any(|discard| discard.defect)
    }
}

/// A whole run.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Report {
    /// Version of this document.
    pub schema_version: u64,
    /// The command, in words.
    pub command: String,
    /// What the command measures, in a sentence.
    #[serde(default)]
    pub what: String,
    /// When it began, in nanoseconds since the Unix epoch.
    pub started_ns: u64,
    /// The machine and the build.
    pub fingerprint: Fingerprint,
    /// What a reader must know: what is inside the figures, what they cannot tell.
    pub notes: Vec<String>,
    /// What was measured.
    pub measurements: Vec<Measurement>,
}

impl Report {
    /// An empty report with the notes that hold for every run on this machine.
    #[must_use]
    pub fn new(command: &str, started_ns: u64, fingerprint: Fingerprint) -> Self {
        let mut notes = vec![
            "A is half of a round trip of a cache line between the two pinned cores, the mean of 256 lines in as many pages, \
             each timed in batches of 32, in the measured processes, before and after. It is a reference, not a bound: \
             single lines and messages lie on both sides of it. Ratios to A carry over to other machines; absolute figures \
             do not."
                .to_owned(),
            "Nothing is subtracted: a latency with stamps of its own contains what reading the counter costs (see the \
             machine's line). Percentiles with fewer than ten samples above them are not shown."
                .to_owned(),
        ];
        if fingerprint.virtual_machine.is_some() {
            notes
                .push("VM: tails not indicative. Beyond p99.9 the hypervisor is measured, not the program.".to_owned());
        }
        if fingerprint.profile != "release" {
            notes.push(format!(
                "Built with the {} profile: figures of the release profile differ.",
                fingerprint.profile
            ));
        }
        let (command, what) = (command.to_owned(), String::new());
        Self { schema_version: SCHEMA_VERSION, command, what, started_ns, fingerprint, notes, measurements: Vec::new() }
    }

    /// Judges how `id` stands to `reference`, at each placement that both met.
    pub fn judge(&mut self, id: &str, reference: &str, goal: &Goal) {
        let find = |id: &str| self.measurements.iter().find(|measurement| measurement.id == id);
        let (Some(one), Some(other)) = (find(id), find(reference)) else { return };
        let verdicts: Vec<Verdict> = one
            .summaries
            .iter()
            .filter(|summary| goal.applies_to(summary.placement))
            .map(|summary| {
                let base = other.at(summary.placement);
                goal.verdict(summary.placement, base.map(|base| summary.value_over(base)))
            })
            .collect();
        if let Some(measurement) = self.measurements.iter_mut().find(|measurement| measurement.id == id) {
            measurement.verdicts.extend(verdicts);
        }
    }

    /// False when the work of some trial was wrong, or a measurement has no trial left.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.measurements.iter().all(|measurement| !measurement.has_defect() && !measurement.trials.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anchor::Anchor;
    use crate::goal::GoalFigure;

    fn trial(number: u32, a_ns: f64, value: f64) -> Trial {
        let anchor = Anchor::only(a_ns);
        let anchors = Anchors { before: anchor, after: anchor };
        Trial {
            number,
            placement: anchors.placement().ok(),
            anchors: Some(anchors),
            value,
            figures: Figures::default(),
            series: Vec::new(),
            roles: Vec::new(),
            intervals: Vec::new(),
        }
    }

    fn measurement(id: &str, trials: Vec<Trial>) -> Measurement {
        Measurement {
            id: id.into(),
            title: String::new(),
            what: String::new(),
            limit: String::new(),
            subject: String::new(),
            settings: String::new(),
            unit: Unit::Ns,
            trials,
            discarded: Vec::new(),
            summaries: Vec::new(),
            verdicts: Vec::new(),
        }
    }

    #[test]
    fn placements_are_never_mixed_and_ratios_use_their_own_trials_anchor() {
        let trials = vec![trial(1, 50.0, 60.0), trial(2, 200.0, 210.0), trial(3, 60.0, 66.0), trial(4, 55.0, 55.0)];
        let mut found = measurement("one-way", trials);
        found.conclude(&[Goal::at_most(GoalFigure::OverA, Placement::Near, 1.06, "p50")]);
        let near = found.at(Some(Placement::Near)).expect("three trials");
        // Ratios 1.2, 1.1 and 1.0.
        assert_eq!((near.trials, near.value, near.over_a), (3, 60.0, Some(1.1)));
        assert_eq!(found.at(Some(Placement::Far)).expect("one trial").over_a, Some(1.05));
        assert_eq!(found.verdicts.len(), 1);
        assert_eq!(found.verdicts[0].met, Some(false));
    }

    #[test]
    fn two_measurements_are_compared_at_the_same_placement_only() {
        // A's own scatter, 51 to 50 ns, is not in what is found.
        let mut tapped = measurement("tap", vec![trial(1, 51.0, 52.0)]);
        let mut plain = measurement("plain", vec![trial(1, 50.0, 51.0), trial(2, 240.0, 500.0)]);
        tapped.conclude(&[]);
        plain.conclude(&[]);
        let mut report = Report::new("test", 0, Fingerprint::default());
        report.measurements = vec![plain, tapped];
        report.judge("tap", "plain", &Goal::everywhere_at_most(GoalFigure::Compared, 1.05, "a tap adds"));
        let verdicts = &report.measurements[1].verdicts;
        assert_eq!(verdicts.len(), 1);
        assert!((verdicts[0].found.expect("a ratio") - 52.0 / 51.0).abs() < 1e-9);
        assert_eq!(verdicts[0].met, Some(true));
    }

    #[test]
    fn where_the_machine_itself_moved_multiples_of_a_are_compared() {
        let summary = |a_ns, value| {
            let mut found = measurement("one", vec![trial(1, a_ns, value)]);
            found.conclude(&[]);
            found.summaries.remove(0)
        };
        assert!((summary(144.0, 150.0).value_over(&summary(140.0, 150.0)) - 1.0).abs() < 1e-9);
        assert!((summary(180.0, 180.0).value_over(&summary(140.0, 140.0)) - 1.0).abs() < 1e-9);
        // Rates and what was measured on one core have no multiple of A.
        let rate = |value| Summary { over_a: None, ..summary(140.0, value) };
        assert!((rate(3e8).value_over(&rate(1e8)) - 3.0).abs() < 1e-9);
        assert_eq!(rate(3e8).p99_over(&rate(1e8)), None);
    }
}
