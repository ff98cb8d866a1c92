//! Latencies as they are recorded in a measured loop: one HdrHistogram per interval, all of it touched beforehand.
//!
//! It never allocates while recording, and never drops a sample: one beyond the range is recorded at its end, and the
//! exact maximum is kept beside.

use hdrhistogram::Histogram;
use runtime::clock::{realtime_ns, tsc};
use serde::{Deserialize, Serialize};

/// Longest value that is told apart, in nanoseconds: a minute.
pub const LONGEST_NS: u64 = 60_000_000_000;
/// Significant digits.
const DIGITS: u8 = 3;

/// An empty histogram of nanoseconds.
///
/// # Panics
/// Never: the bounds and digits are in range.
#[must_use]
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST_NS, DIGITS).expect("bounds and digits are in range")
}

/// Counts of one interval, to carry from process to process.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct IntervalCounts {
    /// The first measured moment, in nanoseconds since the Unix epoch; 0 = not known.
    #[serde(default)]
    pub first_ns: u64,
    /// Start, in microseconds after the first measured moment.
    pub start_us: u64,
    /// Length, in microseconds.
    pub length_us: u64,
    /// Exact maximum, in nanoseconds.
    pub max_ns: u64,
    /// Value (nanoseconds, to three digits) and count.
    pub counts: Vec<(u64, u64)>,
}

impl IntervalCounts {
    /// The histogram again.
    #[must_use]
    pub fn histogram(&self) -> Histogram<u64> {
        let mut histogram = histogram();
        for (value, count) in &self.counts {
            histogram.saturating_record_n(*value, *count);
        }
        histogram
    }
}

/// Records by interval.
#[derive(Debug)]
pub struct Recorder {
    intervals: Vec<Histogram<u64>>,
    maxima: Vec<u64>,
    current: usize,
    /// Counter at which the next interval begins.
    turn: u64,
    interval_ticks: u64,
    interval_us: u64,
    /// When the first interval begins, in nanoseconds since the Unix epoch.
    first_ns: u64,
}

impl Recorder {
    /// For `intervals` intervals of `interval_us` from `start` (the counter) on; later samples fall into the last one.
    ///
    /// # Panics
    /// When there is no interval.
    #[must_use]
    pub fn new(intervals: usize, interval_us: u64, interval_ticks: u64) -> Self {
        assert!(intervals > 0 && interval_ticks > 0, "at least one interval");
        let mut all = vec![histogram(); intervals];
        // Storing to every count makes every page present.
        all.iter_mut().for_each(|histogram| histogram.reset());
        let maxima = vec![0; intervals];
        Self { intervals: all, maxima, current: 0, turn: u64::MAX, interval_ticks, interval_us, first_ns: 0 }
    }

    /// The first interval begins at this counter. It reads the clock: not within what is measured.
    pub fn begin(&mut self, start: u64) {
        let ahead_ticks = start.wrapping_sub(tsc()).cast_signed();
        let ahead_ns = ahead_ticks as f64 * (self.interval_us * 1_000) as f64 / self.interval_ticks as f64;
        self.first_ns = realtime_ns().saturating_add_signed(ahead_ns as i64);
        self.current = 0;
        self.turn = start.wrapping_add(self.interval_ticks);
    }

    /// Records a latency found at counter `at`.
    #[inline(always)]
    pub fn record(&mut self, at: u64, ns: u64) {
        while at >= self.turn && self.current + 1 < self.intervals.len() {
            self.current += 1;
            self.turn = self.turn.wrapping_add(self.interval_ticks);
        }
        self.intervals[self.current].saturating_record(ns);
        if ns > self.maxima[self.current] {
            self.maxima[self.current] = ns;
        }
    }

    /// What was recorded; trailing empty intervals are left out.
    #[must_use]
    pub fn counts(&self) -> Vec<IntervalCounts> {
        let used = self.intervals.iter().rposition(|histogram| !histogram.is_empty()).map_or(0, |last| last + 1);
        let one = |index: usize| IntervalCounts {
            first_ns: self.first_ns,
            start_us: index as u64 * self.interval_us,
            length_us: self.interval_us,
            max_ns: self.maxima[index],
            counts: self.intervals[index]
                .iter_recorded()
                .map(|step| (step.value_iterated_to(), step.count_since_last_iteration()))
                .collect(),
        };
        (0..used).map(one).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_fall_into_their_intervals_and_survive_the_journey() {
        let mut recorder = Recorder::new(3, 1_000, 100);
        recorder.begin(1_000);
        for (at, ns) in [(1_000, 5), (1_099, 7), (1_100, 1_234), (1_199, 9), (5_000, 2 * LONGEST_NS)] {
            recorder.record(at, ns);
        }
        let counts = recorder.counts();
        let shape: Vec<(u64, u64, u64)> =
            counts.iter().map(|i| (i.start_us, i.max_ns, i.counts.iter().map(|(_, n)| n).sum())).collect();
        assert_eq!(shape, [(0, 7, 2), (1_000, 1_234, 2), (2_000, 2 * LONGEST_NS, 1)]);
        let back = counts[1].histogram();
        assert_eq!((back.len(), back.value_at_quantile(0.5), back.max()), (2, 9, 1_234));
    }

    #[test]
    fn the_first_moment_has_a_date() {
        let line = crate::timeline::Timeline::measure();
        let mut recorder = Recorder::new(1, 1_000, line.ticks(1_000_000));
        let before = realtime_ns();
        let lead_ns = 50_000_000;
        let start = tsc().wrapping_add(line.ticks(lead_ns));
        recorder.begin(start);
        recorder.record(start, 5);
        let (first, after) = (recorder.counts()[0].first_ns, realtime_ns());
        // A millisecond for the clock's own steps.
        assert!((before + lead_ns - 1_000_000..=after + lead_ns + 1_000_000).contains(&first), "{first} {before}");
    }
}
