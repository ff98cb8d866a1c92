//! What the kernel takes to go from one yielding thread to another on one CPU: the limit of a hop between processes that
//! share it, as A is of a hop between CPUs.
//!
//! ```text
//! thread 0   yield ─┐        ┌─▶ yield ─┐          one CPU; each yield gives it to the other thread
//! thread 1          └▶ yield ┘          └▶ yield
//! ```
//! Both are threads of one process, whose switch changes no address space: a switch between two processes is not shorter.

use runtime::affinity::pin;
use runtime::clock::monotonic_ns;
use runtime::scheduler::become_hot;
use runtime::wait::WaitStrategy;
use std::sync::Barrier;

/// Yields of a thread between two looks at the clock.
const BATCH: u64 = 64;
/// How long it is measured, in nanoseconds.
const WATCHED_NS: u64 = 100_000_000;

/// Nanoseconds from one thread's yield to the other's, on this CPU; `None` where the kernel refuses the CPU.
#[must_use]
pub fn switch_ns(core: usize) -> Option<u64> {
    let ready = Barrier::new(2);
    let yields = || {
        let here = become_hot().and_then(|()| pin(core));
        ready.wait();
        let (start, mut count, mut took_ns) = (monotonic_ns(), 0_u64, 0);
        while here.is_ok() && took_ns < WATCHED_NS {
            (0..BATCH).for_each(|_| WaitStrategy::Yield.idle(0));
            count += BATCH;
            took_ns = monotonic_ns() - start;
        }
        here.ok().map(|()| (count, took_ns))
    };
    let (first, second) = std::thread::scope(|scope| {
        let other = scope.spawn(yields);
        // Not in the caller's own thread, which keeps its CPUs.
        let one = scope.spawn(yields);
        (one.join().ok().flatten(), other.join().ok().flatten())
    });
    let ((one, took_ns), (other, _)) = first.zip(second)?;
    took_ns.checked_div(one + other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use runtime::affinity::allowed_cpus;

    #[test]
    fn a_switch_takes_longer_than_a_call_and_less_than_a_slice() {
        let core = *allowed_cpus().unwrap().last().unwrap();
        let ns = switch_ns(core).unwrap();
        assert!((20..4_000_000).contains(&ns), "{ns} ns");
        assert_eq!(switch_ns(4_000), None, "a CPU that is not there");
    }
}
