//! A rolling window of samples with an exact mean and variance: sums in 128-bit integers, no float, no drift.

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
}

impl Window {
    /// Room for `length` samples.
    ///
    /// # Panics
    /// When `length` is below 2: one sample has no deviation.
    #[must_use]
    pub fn new(length: usize) -> Self {
        assert!(length >= 2, "a deviation needs two samples");
        Self { samples: vec![0; length].into(), next: 0, count: 0, sum: 0, sum_of_squares: 0, spread: 0 }
    }

    /// Adds a sample; the oldest leaves when the window is full.
    pub fn push(&mut self, sample: i64) {
        if self.count == self.samples.len() {
            let oldest = i128::from(self.samples[self.next]);
            self.sum -= oldest;
            self.sum_of_squares -= oldest * oldest;
        } else {
            self.count += 1;
        }
        self.samples[self.next] = sample;
        self.next = (self.next + 1) % self.samples.len();
        self.sum += i128::from(sample);
        self.sum_of_squares += i128::from(sample) * i128::from(sample);
        if self.count == self.samples.len() {
            // With n samples: n·σ = √(n·Σx² − (Σx)²).
            let n = self.count as i128;
            self.spread = (n * self.sum_of_squares - self.sum * self.sum).unsigned_abs().isqrt();
        }
    }

    /// Forgets every sample.
    pub fn clear(&mut self) {
        (self.next, self.count, self.sum, self.sum_of_squares, self.spread) = (0, 0, 0, 0, 0);
    }

    /// Distance of `value` from the mean, in thousandths of the standard deviation (of the population), towards zero;
    /// `None` until the window is full, and while all samples are equal.
    #[must_use]
    pub fn z_milli(&self, value: i64) -> Option<i64> {
        if self.count < self.samples.len() {
            return None;
        }
        // With n samples: n·(value − mean) = n·value − Σ, so that its ratio to n·σ needs no division before the last.
        let distance = self.count as i128 * i128::from(value) - self.sum;
        let z = (distance * 1000).checked_div(self.spread as i128)?;
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
    fn equal_samples_have_no_deviation() {
        let mut window = Window::new(2);
        window.push(7);
        window.push(7);
        assert_eq!(window.z_milli(8), None);
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
