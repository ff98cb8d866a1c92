//! What a bench target prints: the table, and for each promise one line that `cargo xtask budgets` reads.

use super::{Figure, Workload, heading, line, side_by_side};
use std::time::Duration;

/// Slices of each side.
const ROUNDS: usize = 21;
/// Time of a slice.
const SLICE: Duration = Duration::from_millis(20);

/// Measures the sides in turns and prints their table.
///
/// # Panics
/// When a workload has no operations.
pub fn compare(title: &str, sides: &mut [(&str, &mut dyn Workload)]) -> Vec<Figure> {
    let figures = side_by_side(sides, ROUNDS, SLICE.as_nanos() as u64);
    println!("\n{title}\n{}", heading());
    figures.iter().for_each(|figure| println!("{}", line(figure)));
    figures
}

/// States a figure of a promise.
pub fn state(promise: &str, value: f64) {
    println!("budget {promise} {value:.3}");
}

/// States our nanoseconds per operation.
pub fn state_ns(promise: &str, ours: &Figure) {
    state(promise, ours.spread.median_ns);
}

/// States how often ours fits into the other, of the same run: above 1 we are quicker.
pub fn state_gain(promise: &str, ours: &Figure, other: &Figure) {
    state(promise, other.spread.median_ns / ours.spread.median_ns);
}

/// States how often the limit fits into ours, of the same run: 1 is the limit itself.
pub fn state_over(promise: &str, ours: &Figure, limit: &Figure) {
    state(promise, ours.spread.median_ns / limit.spread.median_ns);
}
