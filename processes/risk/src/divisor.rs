//! Exact divisibility by a constant without a division: tick and lot checks (control 4).

/// A divisor prepared once. `n` is a multiple of `d = 2^k · m` (m odd) exactly when `rotate_right(n · m⁻¹, k)` is at most
/// `⌊(2^64 − 1) / d⌋` (Hacker's Delight, 10-17: test for zero remainder).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Divisor {
    inverse: u64,
    shift: u32,
    quotient_max: u64,
}

impl Divisor {
    /// Prepares `divisor`; `None` when it is not positive.
    #[must_use]
    pub const fn new(divisor: i64) -> Option<Self> {
        if divisor <= 0 {
            return None;
        }
        let divisor = divisor as u64;
        let shift = divisor.trailing_zeros();
        let odd = divisor >> shift;
        // Newton's iteration doubles the correct low bits; an odd number is its own inverse modulo 8: 3, 6, 12, 24, 48, 96.
        let mut inverse = odd;
        let mut round = 0;
        while round < 5 {
            inverse = inverse.wrapping_mul(2_u64.wrapping_sub(odd.wrapping_mul(inverse)));
            round += 1;
        }
        Some(Self { inverse, shift, quotient_max: u64::MAX / divisor })
    }

    /// True when `value` is a positive multiple.
    #[must_use]
    pub const fn divides_positive(&self, value: i64) -> bool {
        (value > 0) & ((value as u64).wrapping_mul(self.inverse).rotate_right(self.shift) <= self.quotient_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_positive_divisors() {
        assert_eq!(Divisor::new(0), None);
        assert_eq!(Divisor::new(-1), None);
    }

    proptest! {
        #[test]
        fn agrees_with_the_remainder(divisor in 1..=i64::MAX, small in 1..=10_000_000_i64, value in any::<i64>(), k in 0..1000_i64) {
            for divisor in [divisor, small, small << 8] {
                let prepared = Divisor::new(divisor).unwrap();
                prop_assert_eq!(prepared.divides_positive(value), value > 0 && value % divisor == 0);
                if let Some(multiple) = divisor.checked_mul(k) {
                    prop_assert_eq!(prepared.divides_positive(multiple), k > 0);
                }
            }
        }
    }
}
