//! Timing of short operations: batches of them in slices, with the median and the spread of the slices.
//!
//! A counter read costs about as much as one operation here, so a slice holds thousands of operations and is timed as a
//! whole. Between slices nothing is timed, and there a workload makes ready for the next one. Nothing here depends on the
//! placement of cores: figures of one run are compared with each other, never with those of another.
//!
//! It never measures a single operation, so it knows nothing of tails.

mod figure;
mod line;
mod side;

pub use figure::{Figure, Spread};
pub use line::{heading, line};
pub use side::{compare, state, state_gain, state_ns, state_over};

use runtime::clock::monotonic_ns;
use std::hint::black_box;

/// Slices of which the first are warm-up and are thrown away.
pub const WARM_UP_SLICES: usize = 3;

/// What can be measured: it does the same work again and again.
pub trait Workload {
    /// Operations that one [`Workload::pass`] does; more than zero.
    fn operations(&self) -> u64;

    /// Makes ready for the next pass; not timed.
    fn prepare(&mut self) {}

    /// Does the operations, and returns a checksum of what they gave, which depends on each of them.
    fn pass(&mut self) -> u64;
}

/// The measured call, by the name under which an instruction counter finds it: it is never inlined, and never a tail call.
#[inline(never)]
pub fn measured_pass(workload: &mut (impl Workload + ?Sized)) -> u64 {
    black_box(black_box(workload).pass())
}

/// Runs `workload` for at least `slice_ns`; returns nanoseconds spent, operations done and the work's checksum.
fn slice(workload: &mut (impl Workload + ?Sized), slice_ns: u64) -> (u64, u64, u64) {
    let (mut spent, mut done, mut checksum) = (0, 0, 0_u64);
    while spent < slice_ns {
        workload.prepare();
        let started = monotonic_ns();
        let sum = measured_pass(workload);
        spent += monotonic_ns() - started;
        done += workload.operations();
        checksum = checksum.rotate_left(1) ^ sum;
    }
    (spent, done, checksum)
}

/// Measures `workload` in `slices` slices of at least `slice_ns` each (after [`WARM_UP_SLICES`] more).
///
/// # Panics
/// Without slices, or when the workload has no operations.
pub fn measure(name: &str, workload: &mut dyn Workload, slices: usize, slice_ns: u64) -> Figure {
    side_by_side(&mut [(name, workload)], slices, slice_ns).remove(0)
}

/// Measures several workloads in turns, so that a change of the machine's speed meets them all alike.
///
/// # Panics
/// As [`measure`].
pub fn side_by_side(workloads: &mut [(&str, &mut dyn Workload)], slices: usize, slice_ns: u64) -> Vec<Figure> {
    assert!(slices > 0 && workloads.iter().all(|(_, workload)| workload.operations() > 0), "nothing to measure");
    let none = Figure { name: String::new(), operations: 0, checksum: 0, spread: Spread::of(vec![0.0]) };
    let mut figures = vec![none; workloads.len()];
    let mut found = vec![Vec::with_capacity(slices); workloads.len()];
    for round in 0..WARM_UP_SLICES + slices {
        for (index, (_, workload)) in workloads.iter_mut().enumerate() {
            let (spent, done, checksum) = slice(&mut **workload, slice_ns);
            figures[index].checksum = figures[index].checksum.rotate_left(1) ^ checksum;
            if round >= WARM_UP_SLICES {
                figures[index].operations += done;
                found[index].push(spent as f64 / done as f64);
            }
        }
    }
    for ((figure, (name, _)), slices) in figures.iter_mut().zip(workloads).zip(found) {
        (figure.name, figure.spread) = ((*name).to_owned(), Spread::of(slices));
    }
    figures
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A multiplicative chain: each pass depends on the one before.
    struct Chain {
        value: u64,
        prepared: u64,
    }

    impl Workload for Chain {
        fn operations(&self) -> u64 {
            64
        }

        fn prepare(&mut self) {
            self.prepared += 1;
        }

        fn pass(&mut self) -> u64 {
            for _ in 0..64 {
                self.value = black_box(self.value.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
            }
            self.value
        }
    }

    #[test]
    fn each_pass_is_prepared_counted_and_summed() {
        let mut chain = Chain { value: 1, prepared: 0 };
        let figure = measure("chain", &mut chain, 5, 10_000);
        assert!(figure.operations >= 5 * 64 && figure.operations.is_multiple_of(64));
        assert!(chain.prepared * 64 > figure.operations, "the warm-up is done and not counted");
        assert!(figure.checksum != 0 && figure.spread.least_ns > 0.0);
        assert!(figure.spread.least_ns <= figure.spread.median_ns && figure.spread.median_ns <= figure.spread.most_ns);
        assert_eq!(figure.spread.slices, 5);
    }

    #[test]
    fn sides_take_turns() {
        let (mut one, mut two) = (Chain { value: 1, prepared: 0 }, Chain { value: 2, prepared: 0 });
        let figures = side_by_side(&mut [("one", &mut one), ("two", &mut two)], 4, 1_000);
        assert_eq!(
            figures.iter().map(|f| (f.name.as_str(), f.spread.slices)).collect::<Vec<_>>(),
            [("one", 4), ("two", 4)]
        );
        assert!(one.prepared > 4 && two.prepared > 4);
    }
}
