//! One time line for all processes of a trial: the time stamp counter, whose rate the coordinator measures once.
//!
//! A stamp is a bare read of the counter, without a fence; a read costs some nanoseconds and steps by about ten on many
//! machines. Neither is subtracted anywhere: both are stated in the report ([`StampCost`]).

use runtime::clock::{ClockAnchor, calibrate, tsc};
use serde::{Deserialize, Serialize};

/// Ticks to nanoseconds.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Timeline {
    /// Nanoseconds per tick.
    pub ns_per_tick: f64,
}

impl Timeline {
    /// Measures the counter's rate; blocks for 40 ms.
    #[must_use]
    pub fn measure() -> Self {
        Self::of(&calibrate())
    }

    /// The rate of a measured line.
    #[must_use]
    pub fn of(anchor: &ClockAnchor) -> Self {
        Self { ns_per_tick: anchor.mult as f64 / 2_f64.powi(anchor.shift as i32) }
    }

    /// Nanoseconds of a count of ticks, rounded down.
    #[inline(always)]
    #[must_use]
    pub fn ns(&self, ticks: u64) -> u64 {
        (ticks as f64 * self.ns_per_tick) as u64
    }

    /// Picoseconds per part, where `parts` equal parts took `ticks` together.
    #[inline(always)]
    #[must_use]
    pub fn ps_each(&self, ticks: u64, parts: u64) -> u64 {
        (ticks as f64 * self.ns_per_tick * 1_000.0 / parts as f64) as u64
    }

    /// Ticks of a count of nanoseconds.
    #[must_use]
    pub fn ticks(&self, ns: u64) -> u64 {
        (ns as f64 / self.ns_per_tick) as u64
    }
}

/// What reading the counter costs and how finely it tells time. Stated, never subtracted.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct StampCost {
    /// Mean cost of one read, in nanoseconds.
    pub read_ns: f64,
    /// Smallest step between two different reads, in nanoseconds.
    pub step_ns: f64,
}

impl StampCost {
    /// Measures both on the calling thread, in under a millisecond.
    #[must_use]
    pub fn measure(timeline: &Timeline) -> Self {
        const READS: u64 = 20_000;
        let first = tsc();
        let mut last = first;
        let mut step = u64::MAX;
        for _ in 0..READS {
            let now = tsc();
            let ticks = now.wrapping_sub(last);
            if ticks > 0 {
                step = step.min(ticks);
            }
            last = now;
        }
        let read_ns = last.wrapping_sub(first) as f64 * timeline.ns_per_tick / READS as f64;
        Self { read_ns, step_ns: step as f64 * timeline.ns_per_tick }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_of_a_known_counter_is_known() {
        let hz = 2_500_000_000;
        let anchor = ClockAnchor::new(0, shm_layout::types::Nanos(0), hz).expect("a plausible rate");
        let line = Timeline::of(&anchor);
        assert!((line.ns_per_tick - 0.4).abs() < 1e-9);
        assert_eq!((line.ns(2_500), line.ticks(1_000), line.ps_each(250, 10)), (1_000, 2_500, 10_000));
    }

    #[test]
    fn reading_the_counter_costs_time() {
        let cost = StampCost::measure(&Timeline::measure());
        assert!(cost.read_ns > 0.0 && cost.step_ns > 0.0, "{cost:?}");
    }
}
