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
    /// Step of the counter, in nanoseconds: what lies closer together is told as equal or as a step apart.
    pub step_ns: f64,
}

impl StampCost {
    /// Measures both on the calling thread, in about a millisecond.
    #[must_use]
    pub fn measure(timeline: &Timeline) -> Self {
        const READS: usize = 20_000;
        let mut differences = vec![1; READS];
        let first = tsc();
        let mut last = first;
        for difference in &mut differences {
            let now = tsc();
            *difference = now.wrapping_sub(last);
            last = now;
        }
        let read_ns = last.wrapping_sub(first) as f64 * timeline.ns_per_tick / READS as f64;
        Self { read_ns, step_ns: step(&mut differences) as f64 * timeline.ns_per_tick }
    }
}

/// The step of a counter, from the differences between reads in a row: the smallest distance between two differences that
/// are common, or the only common one. A fine counter shows neighbouring differences, a coarse one its multiples.
fn step(differences: &mut [u64]) -> u64 {
    differences.sort_unstable();
    let common_from = differences.len() / 100;
    let common = differences.chunk_by(|a, b| a == b).filter(|run| run.len() > common_from).map(|run| run[0]);
    let common: Vec<u64> = common.collect();
    let gaps = common.windows(2).map(|pair| pair[1] - pair[0]);
    gaps.min().or_else(|| common.first().copied()).unwrap_or(1).max(1)
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
    fn a_coarse_counter_shows_multiples_of_its_step() {
        let mut coarse: Vec<u64> = (0..1_000).map(|read| if read % 20 == 0 { 52 } else { 26 }).collect();
        // A rare slip is no step.
        coarse.push(1);
        assert_eq!(step(&mut coarse), 26);
        let mut fine: Vec<u64> = (0..1_000).map(|read| 24 + read % 3).collect();
        assert_eq!(step(&mut fine), 1);
        assert_eq!(step(&mut [30; 50]), 30);
    }

    #[test]
    fn reading_the_counter_costs_time() {
        let cost = StampCost::measure(&Timeline::measure());
        assert!(cost.read_ns > 0.0 && cost.step_ns > 0.0, "{cost:?}");
    }
}
