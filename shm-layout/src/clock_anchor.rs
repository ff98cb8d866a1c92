//! The instance's one time line: a straight line from the processor's time stamp counter to nanoseconds since the Unix
//! epoch, anchored once by the supervisor. It never steps and never slews: a wrong rate shows as a growing offset to
//! CLOCK_REALTIME, which is sampled and reported, never corrected.

use crate::types::Nanos;

/// A point and a slope: `ns + ((tsc − anchor tsc) × mult >> shift)`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClockAnchor {
    /// Time stamp counter at the anchor.
    pub tsc: u64,
    /// Nanoseconds since the Unix epoch at the anchor.
    pub ns: u64,
    /// Nanoseconds per tick, times 2^`shift`.
    pub mult: u64,
    /// Binary places of `mult`, below 64.
    pub shift: u32,
}

impl ClockAnchor {
    /// Binary places of [`ClockAnchor::new`]: at 1 GHz and above the slope is exact to 2^-56, a nanosecond in two years.
    pub const SHIFT: u32 = 56;

    /// The anchor for a counter of `ticks_per_second`, with the slope rounded to nearest; `None` below 4 MHz, where the
    /// slope does not fit.
    #[must_use]
    pub const fn new(tsc: u64, now: Nanos, ticks_per_second: u64) -> Option<Self> {
        if ticks_per_second < 4_000_000 {
            return None;
        }
        let ticks = ticks_per_second as u128;
        let mult = ((1_000_000_000_u128 << Self::SHIFT) + ticks / 2) / ticks;
        Some(Self { tsc, ns: now.0, mult: mult as u64, shift: Self::SHIFT })
    }

    /// The time at `tsc`; a counter read before the anchor (another core, a few ticks off) gives an earlier time.
    /// Saturates at both ends of a `u64`.
    #[must_use]
    pub const fn at(&self, tsc: u64) -> Nanos {
        if tsc >= self.tsc {
            Nanos(self.ns.saturating_add(self.scale(tsc - self.tsc)))
        } else {
            Nanos(self.ns.saturating_sub(self.scale(self.tsc - tsc)))
        }
    }

    const fn scale(&self, ticks: u64) -> u64 {
        // u64 × u64 always fits a u128; a shift over 63 cannot come out of `new` or of the page's reader.
        let ns = (ticks as u128 * self.mult as u128) >> (self.shift & 63);
        if ns > u64::MAX as u128 { u64::MAX } else { ns as u64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_second_of_ticks_is_a_second() {
        for hz in [4_000_000, 24_000_000, 1_000_000_000, 2_400_000_000, 3_692_000_123, 5_800_000_000] {
            let anchor = ClockAnchor::new(1_000, Nanos(1_700_000_000_000_000_000), hz).unwrap();
            let day = anchor.at(1_000 + hz * 86_400).0 - anchor.ns;
            assert!(day.abs_diff(86_400_000_000_000) <= 1, "{hz} Hz: {day}");
        }
        assert_eq!(ClockAnchor::new(0, Nanos(0), 3_999_999), None);
    }

    proptest! {
        #[test]
        fn agrees_with_wide_arithmetic(
            tsc in any::<u64>(), ns in any::<u64>(), at in any::<u64>(), mult in any::<u32>(), shift in 0..64_u32,
        ) {
            let anchor = ClockAnchor { tsc, ns, mult: mult.into(), shift };
            // Truncating division: towards the anchor on both sides of it.
            let delta = (i128::from(at) - i128::from(tsc)) * i128::from(mult) / (1_i128 << shift);
            let expected = (i128::from(ns) + delta).clamp(0, u64::MAX.into());
            prop_assert_eq!(i128::from(anchor.at(at).0), expected);
        }

        #[test]
        fn never_runs_backwards(tsc in any::<u64>(), a in any::<u64>(), b in any::<u64>(), hz in 4_000_000..6_000_000_000_u64) {
            let anchor = ClockAnchor::new(tsc, Nanos(1 << 60), hz).unwrap();
            prop_assert!(anchor.at(a.min(b)) <= anchor.at(a.max(b)));
        }
    }
}
