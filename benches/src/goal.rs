//! Goals: a bound on a figure, at a placement of the cores, with the words that a reader needs.

use crate::anchor::Placement;
use crate::report::Summary;
use serde::{Deserialize, Serialize};

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
}

/// What became of a goal.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Verdict {
    /// The goal in words.
    pub goal: String,
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
        Self { figure, placement: Some(placement), bound, at_least: false, text }
    }

    /// At least `bound`, at one placement.
    #[must_use]
    pub const fn at_least(figure: GoalFigure, placement: Placement, bound: f64, text: &'static str) -> Self {
        Self { figure, placement: Some(placement), bound, at_least: true, text }
    }

    /// At most `bound`, wherever the cores lie.
    #[must_use]
    pub const fn everywhere_at_most(figure: GoalFigure, bound: f64, text: &'static str) -> Self {
        Self { figure, placement: None, bound, at_least: false, text }
    }

    /// At least `bound`, wherever the cores lie.
    #[must_use]
    pub const fn everywhere_at_least(figure: GoalFigure, bound: f64, text: &'static str) -> Self {
        Self { figure, placement: None, bound, at_least: true, text }
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
        Verdict { goal, figure, placement, bound, at_least, found, met }
    }
}
