//! Latency figures: exact histograms, and percentiles only where enough samples stand behind them.

use benches::recorder::IntervalCounts;
use benches::report::SeriesPoint;
use hdrhistogram::Histogram;
use serde::Serialize;
use std::collections::BTreeMap;

/// Longest value that is told apart, in nanoseconds: a minute.
const LONGEST_NS: u64 = 60_000_000_000;
/// A percentile is given when at least this many samples lie above it.
const SAMPLES_ABOVE: u64 = 10;

/// Figures of one latency, in nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Figures {
    /// Samples.
    pub count: u64,
    /// Median; `None` when too few samples lie above it. So with the others.
    pub p50: Option<u64>,
    /// 99th percentile.
    pub p99: Option<u64>,
    /// 99.9th percentile.
    pub p999: Option<u64>,
    /// Largest; `None` without a sample.
    pub max: Option<u64>,
}

/// Samples of one latency.
#[derive(Clone, Debug)]
pub struct Samples {
    histogram: Histogram<u64>,
    max: u64,
    /// By second of the clock: samples and the largest of them.
    seconds: BTreeMap<u64, (u64, u64)>,
}

impl Default for Samples {
    fn default() -> Self {
        let histogram = Histogram::new_with_bounds(1, LONGEST_NS, 3).expect("bounds and digits are in range");
        Self { histogram, max: 0, seconds: BTreeMap::new() }
    }
}

impl Samples {
    /// Adds a sample in nanoseconds, found at `at_ns` of the clock, which counts from the Unix epoch.
    pub fn add(&mut self, at_ns: u64, ns: u64) {
        self.histogram.saturating_record(ns);
        self.max = self.max.max(ns);
        let (count, max) = self.seconds.entry(at_ns / 1_000_000_000).or_default();
        (*count, *max) = (*count + 1, ns.max(*max));
    }

    /// All samples as one interval of the harness; empty without a sample.
    #[must_use]
    pub fn interval(&self) -> Vec<IntervalCounts> {
        let (Some((first, _)), Some((last, _))) = (self.seconds.first_key_value(), self.seconds.last_key_value())
        else {
            return Vec::new();
        };
        let counts = self.histogram.iter_recorded();
        let counts = counts.map(|step| (step.value_iterated_to(), step.count_since_last_iteration())).collect();
        let (first_ns, length_us) = (first * 1_000_000_000, (last - first + 1) * 1_000_000);
        vec![IntervalCounts { first_ns, start_us: 0, length_us, max_ns: self.max, counts }]
    }

    /// The largest sample of each second that has one.
    #[must_use]
    pub fn series(&self) -> Vec<SeriesPoint> {
        let first = self.seconds.first_key_value().map_or(0, |(second, _)| *second);
        let point = |(second, (samples, max_ns)): (&u64, &(u64, u64))| SeriesPoint {
            start_us: (second - first) * 1_000_000,
            samples: *samples,
            max_ns: *max_ns,
        };
        self.seconds.iter().map(point).collect()
    }

    /// The figures so far.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let count = self.histogram.len();
        let at = |per_mille: u64| {
            let above = u128::from(count) * u128::from(1_000 - per_mille) / 1_000;
            let enough = above >= u128::from(SAMPLES_ABOVE);
            enough.then(|| self.histogram.value_at_quantile(per_mille as f64 / 1_000.0).min(self.max))
        };
        Figures { count, p50: at(500), p99: at(990), p999: at(999), max: (count > 0).then_some(self.max) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_need_ten_samples_above_them() {
        let mut samples = Samples::default();
        assert_eq!(samples.figures(), Figures::default());
        (1..=19).for_each(|value| samples.add(0, value));
        assert_eq!(samples.figures().p50, None);
        samples.add(0, 20);
        assert_eq!((samples.figures().p50, samples.figures().p99), (Some(10), None));
        (21..=1_000).for_each(|value| samples.add(2_000_000_000, value));
        let figures = samples.figures();
        assert_eq!((figures.count, figures.p50, figures.p99, figures.p999), (1_000, Some(500), Some(990), None));
        assert_eq!(figures.max, Some(1_000));
        let series: Vec<(u64, u64, u64)> =
            samples.series().iter().map(|point| (point.start_us, point.samples, point.max_ns)).collect();
        assert_eq!(series, [(0, 20, 20), (2_000_000, 980, 1_000)]);
        let intervals = samples.interval();
        assert_eq!((intervals.len(), intervals[0].length_us, intervals[0].max_ns), (1, 3_000_000, 1_000));
        assert_eq!(intervals[0].counts.iter().map(|(_, count)| count).sum::<u64>(), 1_000);
    }

    #[test]
    fn a_sample_beyond_the_longest_is_still_the_largest() {
        let mut samples = Samples::default();
        samples.add(0, 2 * LONGEST_NS);
        assert_eq!(samples.figures().max, Some(2 * LONGEST_NS));
    }
}
