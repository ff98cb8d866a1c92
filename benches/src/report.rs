//! What a bench says: measurements of trials, summaries per placement of the cores, goals and whether they were met.
//!
//! It is the one shape behind the terminal's table, `--json` and the HTML page. A measurement of another kind (an operation
//! in one thread, a chain of processes) fills the same fields; nothing here knows how a number was found.

use crate::anchor::Placement;
use crate::cpu::CpuUse;
use crate::fingerprint::Fingerprint;
use crate::goal::{Goal, GoalFigure, Verdict};
use crate::jitter::Jitter;
use crate::timeline::StampCost;
use crate::trial::{Counts, Role};
use serde::{Deserialize, Serialize};

mod start;
mod summary;
mod words;

pub use start::Trial;
pub use summary::Summary;
pub use words::Words;

/// Version of the JSON document.
pub const SCHEMA_VERSION: u64 = 1;

/// The limit where messages go from core to core.
const LIMIT_A: &str = "A: half of a round trip of a cache line between the two pinned cores, the mean of 256 lines in as many pages, \
                       each timed in batches of 32, in the measured processes, just before and after. It is a reference, not a \
                       bound: single lines and messages lie on both sides of it, and a few hundredths are not told apart. Ratios \
                       to A carry over to other machines; absolute figures do not.";

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
        self.conclude_beside(goals, &Trial::a_ns);
    }

    /// The same, where the least that a trial could take (in nanoseconds) is another than A.
    pub fn conclude_beside(&mut self, goals: &[Goal], limit: &dyn Fn(&Trial) -> Option<f64>) {
        let mut placements: Vec<Option<Placement>> = self.trials.iter().map(|trial| trial.placement).collect();
        placements.sort_unstable();
        placements.dedup();
        let of = |placement| Summary::of(placement, &self.trials, self.unit, limit);
        self.summaries = placements.into_iter().map(of).collect();
        self.verdicts = goals.iter().flat_map(|goal| goal.judge(&self.summaries)).collect();
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
    /// What the limits are and how they were found; empty where there is none.
    #[serde(default)]
    pub limit: String,
    /// What its parts are called.
    #[serde(default)]
    pub words: Words,
    /// Starts that were to be kept of each measurement; `None` where that was not said.
    #[serde(default)]
    pub starts_asked: Option<u32>,
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
            "Nothing is subtracted: a latency with stamps of its own contains what reading the counter costs (see the \
             machine's line). Percentiles of several starts are of all their samples together; those with fewer than ten samples \
             above them are not shown."
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
        let (command, what, limit) = (command.to_owned(), String::new(), LIMIT_A.to_owned());
        Self {
            schema_version: SCHEMA_VERSION,
            command,
            what,
            limit,
            words: Words::default(),
            starts_asked: None,
            started_ns,
            fingerprint,
            notes,
            measurements: Vec::new(),
        }
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

    /// States how many starts were to be kept of each measurement. Where fewer were, no goal is judged: what differs from
    /// start to start was not seen.
    pub fn hold_to(&mut self, starts: u32) {
        self.starts_asked = Some(starts);
        let short = self.measurements.iter_mut().filter(|found| found.trials.len() < starts as usize);
        short.flat_map(|found| &mut found.verdicts).for_each(|verdict| verdict.met = None);
    }

    /// Starts behind a figure, of those that were to be kept: `3 of 5`.
    #[must_use]
    pub fn kept(&self, starts: usize) -> String {
        self.starts_asked.map_or_else(|| starts.to_string(), |asked| format!("{starts} of {asked}"))
    }

    /// Why a goal was not judged, in words; `None` when it was.
    #[must_use]
    pub fn unjudged(&self, found: &Measurement, verdict: &Verdict) -> Option<String> {
        let kept = found.trials.len();
        let is_short = self.starts_asked.is_some_and(|asked| kept < asked as usize);
        match (verdict.met, verdict.placement) {
            (Some(_), _) => None,
            (None, _) if is_short => Some(format!("not judged: {} {}s", self.kept(kept), self.words.start)),
            (None, Some(placement)) if found.at(verdict.placement).is_none() => {
                Some(format!("not judged: no start was {placement}"))
            }
            (None, _) if matches!(verdict.figure, GoalFigure::P99 | GoalFigure::P99OverA) => {
                Some("not judged: too few samples above it".to_owned())
            }
            (None, _) => Some("not judged here".to_owned()),
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
    use crate::anchor::{Anchor, Anchors};
    use crate::figures::Figures;

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
    fn goals_are_not_judged_on_fewer_starts_than_were_asked_for() {
        let goal = [Goal::everywhere_at_most(GoalFigure::OverA, 1.5, "p50")];
        let mut short = measurement("short", vec![trial(1, 50.0, 52.0), trial(3, 50.0, 52.0)]);
        let mut whole = measurement("whole", (1..=3).map(|number| trial(number, 50.0, 52.0)).collect());
        short.conclude(&goal);
        whole.conclude(&goal);
        let mut report = Report::new("test", 0, Fingerprint::default());
        report.measurements = vec![short, whole];
        report.hold_to(3);
        let [short, whole] = &report.measurements[..] else { panic!("two") };
        assert_eq!((short.verdicts[0].met, short.verdicts[0].found), (None, Some(1.04)));
        assert_eq!(report.unjudged(short, &short.verdicts[0]).as_deref(), Some("not judged: 2 of 3 starts"));
        assert_eq!((whole.verdicts[0].met, report.unjudged(whole, &whole.verdicts[0])), (Some(true), None));
        assert!(report.is_sound(), "few starts are no defect");
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
