//! One figure: what a batch measurement found.

/// Nanoseconds per operation over the slices of a measurement.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Spread {
    /// Slices behind it.
    pub slices: usize,
    /// The quickest slice.
    pub least_ns: f64,
    /// The slice in the middle.
    pub median_ns: f64,
    /// The slowest slice.
    pub most_ns: f64,
}

impl Spread {
    /// Of the slices' nanoseconds per operation.
    ///
    /// # Panics
    /// Without slices.
    #[must_use]
    pub fn of(mut slices: Vec<f64>) -> Self {
        assert!(!slices.is_empty(), "a spread needs a slice");
        slices.sort_by(f64::total_cmp);
        let last = slices.len() - 1;
        let median_ns = (slices[last / 2] + slices[last.div_ceil(2)]) / 2.0;
        Self { slices: slices.len(), least_ns: slices[0], median_ns, most_ns: slices[last] }
    }
}

/// What was measured, how often, and what it cost.
#[derive(Clone, PartialEq, Debug)]
pub struct Figure {
    /// Name of the workload.
    pub name: String,
    /// Operations behind it, without the warm-up's.
    pub operations: u64,
    /// Checksum of the work: no operation was left out by the compiler, and two runs over the same input can be compared.
    pub checksum: u64,
    /// Nanoseconds per operation.
    pub spread: Spread,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_count_lies_between() {
        let spread = Spread::of(vec![4.0, 1.0, 3.0, 100.0]);
        assert_eq!(spread, Spread { slices: 4, least_ns: 1.0, median_ns: 3.5, most_ns: 100.0 });
        assert_eq!(Spread::of(vec![2.0]).median_ns, 2.0);
    }
}
