//! The starts of one placement of the cores, summed up: headlines by their median, percentiles over the samples of all.

use super::{Trial, Unit};
use crate::anchor::Placement;
use crate::figures::{Figures, Point, median, over_units};
use serde::{Deserialize, Serialize};

/// The trials of one placement. Placements are never mixed.
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
    /// Median of the least that the trials could take, in nanoseconds: A, or what the measurement says; `None` without one.
    pub limit_ns: Option<f64>,
    /// Median of value / limit, each with its own trial's limit.
    pub over_limit: Option<f64>,
    /// 50th percentile of single messages, of all trials together, in nanoseconds. So with the others.
    pub p50_ns: Option<f64>,
    /// 99th percentile.
    pub p99_ns: Option<f64>,
    /// 99.9th percentile.
    pub p999_ns: Option<f64>,
    /// 99th percentile of all messages, each in multiples of its own trial's A.
    pub p99_over_a: Option<f64>,
    /// Largest of all.
    pub max_ns: Option<u64>,
    /// Samples of all trials.
    pub samples: u64,
    /// The curve of all trials together.
    pub curve: Vec<Point>,
}

impl Summary {
    /// Of those of `all` that met this placement; `limit` is the least that a trial could take, in nanoseconds.
    pub(super) fn of(
        placement: Option<Placement>,
        all: &[Trial],
        unit: Unit,
        limit: &dyn Fn(&Trial) -> Option<f64>,
    ) -> Self {
        let trials: Vec<&Trial> = all.iter().filter(|trial| trial.placement == placement).collect();
        let of = |value: &dyn Fn(&Trial) -> Option<f64>| median(trials.iter().filter_map(|trial| value(trial)));
        let values = || trials.iter().map(|trial| trial.value);
        let pooled = Figures::of_all(trials.iter().flat_map(|trial| &trial.intervals));
        let ns = |value: Option<u64>| value.map(|ns| ns as f64);
        // Without one's A there is no ratio of all.
        let in_own_a: Option<Vec<_>> =
            trials.iter().map(|trial| Some((trial.intervals.as_slice(), trial.a_ns()?))).collect();
        Self {
            placement,
            trials: trials.len(),
            a_ns: of(&Trial::a_ns),
            value: median(values()).unwrap_or(f64::NAN),
            range: [values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max)],
            over_a: of(&|trial| Some(trial.value / trial.a_ns()?)).filter(|_| unit == Unit::Ns),
            limit_ns: of(limit),
            over_limit: of(&|trial| Some(trial.value / limit(trial)?)).filter(|_| unit == Unit::Ns),
            p50_ns: ns(pooled.p50_ns),
            p99_ns: ns(pooled.p99_ns),
            p999_ns: ns(pooled.p999_ns),
            p99_over_a: in_own_a.and_then(|parts| over_units(&parts, 0.99)),
            max_ns: trials.iter().filter_map(|trial| trial.figures.max_ns).max(),
            samples: trials.iter().map(|trial| trial.figures.samples).sum(),
            curve: pooled.curve,
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anchor::{Anchor, Anchors};
    use crate::recorder::IntervalCounts;

    fn trial(a_ns: f64, counts: &[(u64, u64)]) -> Trial {
        let anchor = Anchor::only(a_ns);
        let anchors = Anchors { before: anchor, after: anchor };
        let max_ns = counts.iter().map(|(ns, _)| *ns).max().unwrap_or(0);
        let intervals = vec![IntervalCounts { max_ns, counts: counts.to_vec(), ..IntervalCounts::default() }];
        Trial {
            number: 1,
            placement: anchors.placement().ok(),
            anchors: Some(anchors),
            value: 100.0,
            figures: Figures::of(&intervals),
            series: Vec::new(),
            roles: Vec::new(),
            intervals,
        }
    }

    #[test]
    fn starts_that_are_too_short_for_a_percentile_carry_one_together() {
        // 500 samples of a start hold five above its 99th percentile; five starts hold 25.
        let one = || trial(50.0, &[(100, 490), (900, 10)]);
        assert_eq!(one().figures.p99_ns, None);
        let starts: Vec<Trial> = (0..5).map(|_| one()).collect();
        let all = Summary::of(Some(Placement::Near), &starts, Unit::Ns, &Trial::a_ns);
        assert_eq!((all.samples, all.p50_ns, all.p99_ns, all.p999_ns), (2_500, Some(100.0), Some(900.0), None));
        assert_eq!((all.p99_over_a, all.max_ns, all.curve.is_empty()), (Some(18.0), Some(900), false));
    }

    #[test]
    fn a_pooled_ratio_measures_each_sample_by_its_own_starts_anchor() {
        // Slow where A was long: every sample is two of its own A.
        let starts = [trial(50.0, &[(100, 1_000)]), trial(100.0, &[(200, 1_000)])];
        let all = Summary::of(Some(Placement::Near), &starts, Unit::Ns, &Trial::a_ns);
        assert_eq!((all.p99_ns, all.p99_over_a), (Some(200.0), Some(2.0)));
    }
}
