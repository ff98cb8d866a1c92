//! Goals: a bound on a figure, at a placement of the cores, with the words that a reader needs.
//!
//! Each is a promise of `budgets.toml`, by its name and with the same number: [`unpromised`] says what differs.

use crate::anchor::Placement;
use crate::report::Summary;
use serde::{Deserialize, Serialize};

/// The promises.
const BUDGETS: &str = include_str!("../budgets.toml");

/// Which figure of a summary is bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GoalFigure {
    /// Headline value / A.
    OverA,
    /// 99th percentile / A.
    P99OverA,
    /// Headline value, in its unit.
    Value,
    /// 99th percentile of single messages, in nanoseconds.
    P99,
    /// Compared with another measurement of the report.
    Compared,
}

/// A goal.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Goal {
    figure: GoalFigure,
    /// `None` = at every placement.
    placement: Option<Placement>,
    bound: f64,
    /// Whether the figure is to be at least the bound.
    at_least: bool,
    text: &'static str,
    /// Its name in `budgets.toml`.
    promise: Option<&'static str>,
}

/// What became of a goal.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Verdict {
    /// The goal in words.
    pub goal: String,
    /// Its name in `budgets.toml`.
    #[serde(default)]
    pub promise: Option<String>,
    /// The figure that it bounds.
    pub figure: GoalFigure,
    /// Placement of the cores.
    pub placement: Option<Placement>,
    /// The bound.
    pub bound: f64,
    /// Whether the figure is to be at least the bound.
    pub at_least: bool,
    /// The figure; `None` when this run did not yield it.
    pub found: Option<f64>,
    /// Whether it is met; `None` when this run cannot say.
    pub met: Option<bool>,
}

impl Goal {
    /// At most `bound`, at one placement.
    #[must_use]
    pub const fn at_most(figure: GoalFigure, placement: Placement, bound: f64, text: &'static str) -> Self {
        Self { figure, placement: Some(placement), bound, at_least: false, text, promise: None }
    }

    /// At least `bound`, at one placement.
    #[must_use]
    pub const fn at_least(figure: GoalFigure, placement: Placement, bound: f64, text: &'static str) -> Self {
        Self { figure, placement: Some(placement), bound, at_least: true, text, promise: None }
    }

    /// At most `bound`, wherever the cores lie.
    #[must_use]
    pub const fn everywhere_at_most(figure: GoalFigure, bound: f64, text: &'static str) -> Self {
        Self { figure, placement: None, bound, at_least: false, text, promise: None }
    }

    /// At least `bound`, wherever the cores lie.
    #[must_use]
    pub const fn everywhere_at_least(figure: GoalFigure, bound: f64, text: &'static str) -> Self {
        Self { figure, placement: None, bound, at_least: true, text, promise: None }
    }

    /// As `name` in `budgets.toml`.
    #[must_use]
    pub const fn promised(self, name: &'static str) -> Self {
        Self { promise: Some(name), ..self }
    }

    /// Whether it speaks of this placement.
    #[must_use]
    pub fn applies_to(&self, placement: Option<Placement>) -> bool {
        self.placement.is_none() || self.placement == placement
    }

    /// A verdict for each placement that it speaks of; one without a figure when the run never had that placement.
    #[must_use]
    pub fn judge(&self, summaries: &[Summary]) -> Vec<Verdict> {
        let matching = summaries.iter().filter(|summary| self.applies_to(summary.placement));
        let verdicts: Vec<Verdict> =
            matching.map(|summary| self.verdict(summary.placement, self.figure_of(summary))).collect();
        if verdicts.is_empty() { vec![self.verdict(self.placement, None)] } else { verdicts }
    }

    const fn figure_of(&self, summary: &Summary) -> Option<f64> {
        match self.figure {
            GoalFigure::OverA => summary.over_a,
            GoalFigure::P99OverA => summary.p99_over_a,
            GoalFigure::Value => Some(summary.value),
            GoalFigure::P99 => summary.p99_ns,
            GoalFigure::Compared => None,
        }
    }

    /// The verdict on one figure.
    #[must_use]
    pub fn verdict(&self, placement: Option<Placement>, found: Option<f64>) -> Verdict {
        let met = found.map(|found| if self.at_least { found >= self.bound } else { found <= self.bound });
        let (goal, figure, bound, at_least) = (self.text.to_owned(), self.figure, self.bound, self.at_least);
        let promise = self.promise.map(str::to_owned);
        Verdict { goal, promise, figure, placement, bound, at_least, found, met }
    }
}

/// The part of `budgets.toml` that concerns goals.
#[derive(Deserialize)]
struct Budgets {
    promise: Vec<Promise>,
}

#[derive(Deserialize)]
struct Promise {
    name: String,
    kind: String,
    goal: f64,
}

/// What `budgets.toml` does not say of these goals, or says otherwise, each with its cure; empty when all are promised.
///
/// # Panics
/// When `budgets.toml` cannot be read, which is a test of xtask.
#[must_use]
pub fn unpromised(goals: &[Goal]) -> Vec<String> {
    let budgets: Budgets = toml::from_str(BUDGETS).expect("benches/budgets.toml is read by a test of xtask");
    goals.iter().filter_map(|goal| goal.unpromised(&budgets.promise)).collect()
}

impl Goal {
    fn unpromised(&self, promises: &[Promise]) -> Option<String> {
        let Some(name) = self.promise else {
            return Some(format!("the goal {:?} has no name: add .promised(\"...\") to it", self.text));
        };
        let Some(promise) = promises.iter().find(|promise| promise.name == name) else {
            return Some(format!("{name} ({}) is not in benches/budgets.toml: add it", self.text));
        };
        let kind = if self.at_least { "at_least" } else { "at_most" };
        // Written there with a few digits.
        let is_same = promise.kind == kind && (promise.goal - self.bound).abs() <= self.bound * 1e-3;
        let (there, here) = ((&promise.kind, promise.goal), (kind, self.bound));
        (!is_same).then(|| {
            format!(
                "{name} is {} {} in benches/budgets.toml and {} {} in code: make them the same",
                there.0, there.1, here.0, here.1
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_without_its_line_or_with_another_number_is_told_with_the_cure() {
        let goal = Goal::everywhere_at_most(GoalFigure::Value, 20.0 / 3.0, "scan");
        let promise = |kind: &str, goal| Promise { name: "scan_ns".into(), kind: kind.into(), goal };
        let told = |goal: Goal, promise: Promise| goal.unpromised(&[promise]).unwrap_or_default();
        assert!(told(goal, promise("at_most", 6.667)).contains("has no name"));
        assert!(told(goal.promised("scan"), promise("at_most", 6.667)).contains("not in benches/budgets.toml"));
        let named = goal.promised("scan_ns");
        assert_eq!(told(named, promise("at_most", 6.667)), "");
        assert!(told(named, promise("at_most", 6.7)).contains("at_most 6.7 in benches/budgets.toml"));
        assert!(told(named, promise("at_least", 6.667)).contains("make them the same"));
    }
}
