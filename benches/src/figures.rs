//! Percentiles that may be printed: only those with at least [`SAMPLES_ABOVE`] samples above them.

use crate::recorder::{IntervalCounts, histogram};
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// A percentile is given when at least this many samples lie above it.
pub const SAMPLES_ABOVE: u64 = 10;

/// One point of a percentile curve.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Point {
    /// Percentile, 0 to below 100.
    pub percentile: f64,
    /// Latency, in nanoseconds.
    pub ns: u64,
    /// Samples above it.
    pub above: u64,
}

/// Figures of one latency distribution, in nanoseconds.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Figures {
    /// Samples.
    pub samples: u64,
    /// Median; `None` when too few samples lie above it. So with the others.
    pub p50_ns: Option<u64>,
    /// 90th percentile.
    pub p90_ns: Option<u64>,
    /// 99th percentile.
    pub p99_ns: Option<u64>,
    /// 99.9th percentile.
    pub p999_ns: Option<u64>,
    /// 99.99th percentile.
    pub p9999_ns: Option<u64>,
    /// Largest; `None` without a sample.
    pub max_ns: Option<u64>,
    /// The curve: ten points per decade of 1 / (1 - quantile), as far as samples reach.
    pub curve: Vec<Point>,
}

/// All intervals together.
#[must_use]
pub fn merged<'a>(intervals: impl IntoIterator<Item = &'a IntervalCounts>) -> Histogram<u64> {
    let mut all = histogram();
    for interval in intervals {
        for (value, count) in &interval.counts {
            all.saturating_record_n(*value, *count);
        }
    }
    all
}

impl Figures {
    /// The figures of these intervals.
    #[must_use]
    pub fn of(intervals: &[IntervalCounts]) -> Self {
        Self::of_all(intervals)
    }

    /// The figures of intervals wherever they lie, those of several starts together.
    #[must_use]
    pub fn of_all<'a>(intervals: impl IntoIterator<Item = &'a IntervalCounts, IntoIter: Clone>) -> Self {
        let intervals = intervals.into_iter();
        let all = merged(intervals.clone());
        let samples = all.len();
        let max_ns = intervals.map(|interval| interval.max_ns).max().filter(|_| samples > 0);
        let at = |quantile: f64| {
            let above = above(samples, quantile);
            // A bucket's end may lie beyond the exact maximum.
            (above >= SAMPLES_ABOVE).then(|| all.value_at_quantile(quantile).min(max_ns.unwrap_or(u64::MAX)))
        };
        let curve = (0..=60)
            .map(|tenth| 1.0 - 10_f64.powf(-f64::from(tenth) / 10.0))
            .filter_map(|quantile| {
                at(quantile).map(|ns| Point { percentile: quantile * 100.0, ns, above: above(samples, quantile) })
            })
            .collect();
        Self {
            samples,
            p50_ns: at(0.5),
            p90_ns: at(0.9),
            p99_ns: at(0.99),
            p999_ns: at(0.999),
            p9999_ns: at(0.9999),
            max_ns,
            curve,
        }
    }
}

/// A quantile of all samples, each in multiples of the unit (in nanoseconds) that stands beside its intervals; to three
/// digits, and `None` when too few samples lie above it.
#[must_use]
pub fn over_units(parts: &[(&[IntervalCounts], f64)], quantile: f64) -> Option<f64> {
    let (mut thousandths, mut most) = (histogram(), 0);
    for (intervals, unit_ns) in parts {
        for (ns, count) in intervals.iter().flat_map(|interval| &interval.counts) {
            let value = (*ns as f64 * 1_000.0 / unit_ns).round() as u64;
            thousandths.saturating_record_n(value, *count);
            most = most.max(value);
        }
    }
    let enough = above(thousandths.len(), quantile) >= SAMPLES_ABOVE;
    enough.then(|| thousandths.value_at_quantile(quantile).min(most) as f64 / 1_000.0)
}

/// Samples above a quantile.
fn above(samples: u64, quantile: f64) -> u64 {
    // Rounded to a millionth of a sample first: 1 - 0.99 is a little more than a hundredth.
    let exact = samples as f64 * (1.0 - quantile);
    ((exact * 1e6).round() / 1e6) as u64
}

/// The median of some numbers; `None` without one.
#[must_use]
pub fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(values: impl Iterator<Item = u64>) -> IntervalCounts {
        let counts: Vec<(u64, u64)> = values.map(|value| (value, 1)).collect();
        let max_ns = counts.iter().map(|(value, _)| *value).max().unwrap_or(0);
        IntervalCounts { length_us: 1, max_ns, counts, ..IntervalCounts::default() }
    }

    #[test]
    fn percentiles_need_ten_samples_above_them() {
        assert_eq!(Figures::of(&[]), Figures::default());
        let few = Figures::of(&[counts(1..=19)]);
        assert_eq!((few.samples, few.p50_ns, few.max_ns), (19, None, Some(19)));
        let some = Figures::of(&[counts(1..=500), counts(501..=1_000)]);
        assert_eq!((some.p50_ns, some.p90_ns, some.p99_ns, some.p999_ns), (Some(500), Some(900), Some(990), None));
        assert!(some.curve.iter().all(|point| point.above >= SAMPLES_ABOVE));
        assert!((some.curve.last().expect("a curve").percentile - 99.0).abs() < 1e-9);
    }

    #[test]
    fn medians() {
        assert_eq!(median([]), None);
        assert_eq!(median([3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }
}
