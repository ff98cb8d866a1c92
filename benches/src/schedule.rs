//! Open-loop arrivals: when each message is *meant* to be sent, whatever became of the one before.
//!
//! Latency counts from the intended time, so a stall shows in every message that it held back. The schedule is a pure
//! function of its seed and never looks at a clock.

use serde::{Deserialize, Serialize};

/// How arrivals are spaced.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arrivals {
    /// At equal distances.
    Fixed,
    /// Independently of each other: a Poisson process, with its bursts.
    Poisson,
}

/// Intended times, in ticks after the schedule's start.
#[derive(Clone, Debug)]
pub struct Schedule {
    arrivals: Arrivals,
    /// Mean distance, in ticks.
    mean: f64,
    /// Time of the arrival returned last.
    at: f64,
    random: u64,
}

impl Schedule {
    /// Arrivals at a mean distance of `mean_ticks`.
    ///
    /// # Panics
    /// When the distance is not positive.
    #[must_use]
    pub fn new(arrivals: Arrivals, mean_ticks: f64, seed: u64) -> Self {
        assert!(mean_ticks > 0.0, "arrivals lie apart");
        Self { arrivals, mean: mean_ticks, at: 0.0, random: seed | 1 }
    }

    /// The next intended time, never before the last one.
    #[inline]
    pub fn next_ticks(&mut self) -> u64 {
        let distance = match self.arrivals {
            Arrivals::Fixed => self.mean,
            Arrivals::Poisson => -self.uniform().ln() * self.mean,
        };
        self.at += distance;
        self.at as u64
    }

    /// A number of (0, 1], by xorshift64*.
    fn uniform(&mut self) -> f64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        let bits = self.random.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11;
        (bits + 1) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_arrivals_do_not_drift() {
        let mut schedule = Schedule::new(Arrivals::Fixed, 2.5, 7);
        let times: Vec<u64> = (0..4).map(|_| schedule.next_ticks()).collect();
        assert_eq!(times, [2, 5, 7, 10]);
        let last = (4..1_000_000).map(|_| schedule.next_ticks()).last();
        assert_eq!(last, Some(2_500_000));
    }

    #[test]
    fn poisson_arrivals_have_the_spread_of_an_exponential() {
        let mut schedule = Schedule::new(Arrivals::Poisson, 1_000.0, 7);
        let mut last = 0;
        let gaps: Vec<f64> = (0..200_000)
            .map(|_| {
                let at = schedule.next_ticks();
                let gap = (at - last) as f64;
                last = at;
                gap
            })
            .collect();
        // Mean and standard deviation of an exponential are equal; 1/e of its gaps are longer than the mean.
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let deviation = (gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64).sqrt();
        let longer = gaps.iter().filter(|gap| **gap > 1_000.0).count() as f64 / gaps.len() as f64;
        assert!((mean - 1_000.0).abs() < 10.0, "{mean}");
        assert!((deviation - 1_000.0).abs() < 15.0, "{deviation}");
        assert!((longer - 0.3679).abs() < 0.005, "{longer}");
    }
}
