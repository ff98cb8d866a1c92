//! A rolling window of samples with an exact mean and variance: sums in 128-bit integers, no float, no drift.
//!
//! A sample so large that a sum could leave 128 bits is no price: while one is in the window, nothing is known.

/// The last samples, and their sums.
#[derive(Clone, Debug)]
pub struct Window {
    samples: Box<[i64]>,
    next: usize,
    count: usize,
    sum: i128,
    sum_of_squares: i128,
    /// n·σ of a full window, rounded down; else 0. Taken once a sample: prices are compared with it far more often.
    spread: u128,
    /// Samples in the window that are no price; each is held as [`WILD`] and is in no sum.
    wild: usize,
    /// Greatest magnitude of a sample: n²x² must fit 128 bits.
    sample_max: u64,
}

/// In the place of a sample that is no price.
const WILD: i64 = i64::MIN;

impl Window {
    /// Room for `length` samples.
    ///
    /// # Panics
    /// When `length` is below 2: one sample has no deviation.
    #[must_use]
    pub fn new(length: usize) -> Self {
        assert!(length >= 2, "a deviation needs two samples");
        // Half of the root: n·Σx² and (Σx)² both stay below a quarter of the range, and so does their difference.
        let sample_max = (i128::MAX.isqrt() / 2 / length as i128).min(i128::from(i64::MAX)) as u64;
        let samples = vec![0; length].into();
        Self { samples, next: 0, count: 0, sum: 0, sum_of_squares: 0, spread: 0, wild: 0, sample_max }
    }

    /// Adds a sample; the oldest leaves when the window is full.
    pub fn push(&mut self, sample: i64) {
        if self.count == self.samples.len() {
            match self.samples[self.next] {
                WILD => self.wild -= 1,
                oldest => {
                    self.sum -= i128::from(oldest);
                    self.sum_of_squares -= i128::from(oldest) * i128::from(oldest);
                }
            }
        } else {
            self.count += 1;
        }
        let is_wild = sample.unsigned_abs() > self.sample_max;
        self.samples[self.next] = if is_wild { WILD } else { sample };
        self.next = (self.next + 1) % self.samples.len();
        if is_wild {
            self.wild += 1;
        } else {
            self.sum += i128::from(sample);
            self.sum_of_squares += i128::from(sample) * i128::from(sample);
        }
        if self.count == self.samples.len() {
            // With n samples: n·σ = √(n·Σx² − (Σx)²).
            let n = self.count as i128;
            self.spread = (n * self.sum_of_squares - self.sum * self.sum).unsigned_abs().isqrt();
        }
    }

    /// Forgets every sample.
    pub fn clear(&mut self) {
        (self.next, self.count, self.wild) = (0, 0, 0);
        (self.sum, self.sum_of_squares, self.spread) = (0, 0, 0);
    }

    /// Distance of `value` from the mean, in thousandths of the standard deviation (of the population), towards zero;
    /// `None` until the window is full, while all samples are equal, and while one of them, or `value`, is no price.
    #[must_use]
    pub fn z_milli(&self, value: i64) -> Option<i64> {
        if self.count < self.samples.len() || self.wild > 0 || value.unsigned_abs() > self.sample_max {
            return None;
        }
        // With n samples: n·(value − mean) = n·value − Σ, so that its ratio to n·σ needs no division before the last.
        let distance = self.count as i128 * i128::from(value) - self.sum;
        let distance = distance * 1000;
        // Where both fit 64 bits, as prices do, one short division says the same.
        if let (Ok(distance), Ok(spread)) = (i64::try_from(distance), i64::try_from(self.spread)) {
            return distance.checked_div(spread);
        }
        let z = distance.checked_div(self.spread as i128)?;
        Some(z.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn matches_a_worked_example() {
        // Mean 5, standard deviation 2: the textbook example 2, 4, 4, 4, 5, 5, 7, 9.
        let mut window = Window::new(8);
        for (index, sample) in [2, 4, 4, 4, 5, 5, 7, 9].into_iter().enumerate() {
            assert_eq!(window.z_milli(9), None, "{index} samples are no window");
            window.push(sample);
        }
        assert_eq!((window.z_milli(9), window.z_milli(5), window.z_milli(2)), (Some(2000), Some(0), Some(-1500)));
        window.clear();
        assert_eq!(window.z_milli(9), None);
    }

    #[test]
    fn a_sample_that_is_no_price_is_waited_out() {
        let mut window = Window::new(3);
        for sample in [1, i64::MAX, i64::MIN, i64::MAX - 1, 2_000_000, 3_000_000] {
            window.push(sample);
            assert_eq!(window.z_milli(2_000_000), None, "{sample}");
        }
        window.push(1_000_000);
        // 2, 3 and 1 million: mean 2 million, and z of 3 million is √1.5.
        assert_eq!((window.z_milli(2_000_000), window.z_milli(3_000_000)), (Some(0), Some(1224)));
        assert_eq!(window.z_milli(i64::MIN), None);
    }

    #[test]
    fn equal_samples_have_no_deviation() {
        let mut window = Window::new(2);
        window.push(7);
        window.push(7);
        assert_eq!(window.z_milli(8), None);
    }

    #[test]
    fn a_distance_beyond_64_bits_is_as_exact_and_ends_at_the_greatest() {
        // Of -a and a the mean is 0 and the deviation a.
        let far = 3_000_000_000_000_000_000;
        let of = |a: i64| {
            let mut window = Window::new(2);
            window.push(-a);
            window.push(a);
            window
        };
        let wide = of(far);
        assert_eq!([far, far / 2, 0, -far].map(|value| wide.z_milli(value)), [1000, 500, 0, -1000].map(Some));
        assert_eq!([far, -far].map(|value| of(1).z_milli(value)), [i64::MAX, i64::MIN].map(Some));
    }

    proptest! {
        /// However long it ran, it equals the sums of its last samples taken anew.
        #[test]
        fn does_not_drift(samples in prop::collection::vec(any::<i32>(), 5..200), value in any::<i32>()) {
            let mut window = Window::new(5);
            samples.iter().for_each(|sample| window.push(i64::from(*sample)));
            let mut anew = Window::new(5);
            samples[samples.len() - 5..].iter().for_each(|sample| anew.push(i64::from(*sample)));
            prop_assert_eq!(window.z_milli(i64::from(value)), anew.z_milli(i64::from(value)));
        }
    }
}
