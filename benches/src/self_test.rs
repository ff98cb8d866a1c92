//! The instrument tested: a receiver that stops once for a known time must show as an open loop has to show it.
//!
//! At rate R a stall of S holds back R·S messages, and their latencies fall evenly from S to 0. Of M measured seconds the
//! part (S - x) / M of all messages is therefore later than x. A harness that forgives the stall (one that measures from
//! the time at which a message was really sent, or that skips messages) shows one slow message instead.

use crate::figures::merged;
use crate::report::Trial;
use serde::{Deserialize, Serialize};

/// Length of the injected stall, in milliseconds.
pub const STALL_MS: u64 = 10;

/// What a trial with a stall shows.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct StallShown {
    /// The stall, in nanoseconds.
    pub stall_ns: u64,
    /// Largest latency, in nanoseconds: at least the stall.
    pub max_ns: u64,
    /// Percentile at which half of the stall is expected.
    pub percentile: f64,
    /// Latency expected there, in nanoseconds: half of the stall.
    pub expected_ns: u64,
    /// Latency found there, in nanoseconds.
    pub found_ns: u64,
    /// Messages expected later than half of the stall: rate x stall / 2.
    pub late_expected: u64,
    /// Messages found later than that.
    pub late_found: u64,
}

impl StallShown {
    /// Reads a trial of `rate_hz` over `measure_ms` whose receiver stopped for `stall_ms`.
    #[must_use]
    pub fn read(trial: &Trial, rate_hz: u64, measure_ms: u64, stall_ms: u64) -> Self {
        let all = merged(&trial.intervals);
        let expected_ns = stall_ms * 1_000_000 / 2;
        let part = stall_ms as f64 / 2.0 / measure_ms as f64;
        let late_found = all.len() - all.count_between(0, expected_ns);
        Self {
            stall_ns: stall_ms * 1_000_000,
            max_ns: trial.figures.max_ns.unwrap_or(0),
            percentile: (1.0 - part) * 100.0,
            expected_ns,
            found_ns: all.value_at_quantile(1.0 - part),
            late_expected: rate_hz * stall_ms / 2 / 1_000,
            late_found,
        }
    }

    /// True when the stall is there: whole in the maximum, and in at least nine tenths of the messages that it held back.
    /// More than that may come from the machine, and is no fault of the instrument.
    #[must_use]
    pub const fn is_shown(&self) -> bool {
        self.max_ns >= self.stall_ns
            && self.found_ns * 10 >= self.expected_ns * 9
            && self.late_found * 10 >= self.late_expected * 9
    }

    /// In a line.
    #[must_use]
    pub fn line(&self) -> String {
        let ms = |ns: u64| ns as f64 / 1e6;
        format!(
            "stall {:.1} ms: max {:.2} ms, p{:.2} {:.2} ms (expected {:.2} ms), {} messages later than {:.1} ms (expected {})",
            ms(self.stall_ns),
            ms(self.max_ns),
            self.percentile,
            ms(self.found_ns),
            ms(self.expected_ns),
            self.late_found,
            ms(self.expected_ns),
            self.late_expected
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::Figures;
    use crate::recorder::IntervalCounts;

    fn trial(latencies: impl Iterator<Item = u64>) -> Trial {
        let counts: Vec<(u64, u64)> = latencies.map(|ns| (ns, 1)).collect();
        let max_ns = counts.iter().map(|(ns, _)| *ns).max().unwrap_or(0);
        let intervals = vec![IntervalCounts { length_us: 1_000_000, max_ns, counts, ..IntervalCounts::default() }];
        Trial {
            number: 1,
            placement: None,
            anchors: None,
            value: 0.0,
            figures: Figures::of(&intervals),
            series: Vec::new(),
            roles: Vec::new(),
            intervals,
        }
    }

    /// A second of 100 000 messages/s at 100 ns, 1 000 of them held back by 10 ms.
    #[test]
    fn an_open_loop_shows_the_stall_and_a_forgiving_one_is_found_out() {
        let held_back = (1..=1_000).map(|index| 10_000_000 * index / 1_000);
        let honest = StallShown::read(&trial((0..99_000).map(|_| 100).chain(held_back)), 100_000, 1_000, 10);
        assert!(honest.is_shown(), "{}", honest.line());
        assert!((honest.percentile - 99.5).abs() < 1e-9);
        let forgiving = (0..99_999).map(|_| 100).chain([10_000_000]);
        let forgiving = StallShown::read(&trial(forgiving), 100_000, 1_000, 10);
        assert!(!forgiving.is_shown(), "{}", forgiving.line());
    }
}
