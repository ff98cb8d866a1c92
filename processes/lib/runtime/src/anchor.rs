//! The machine's own yardstick: how long a cache line takes from one core to another. Latency figures are read against it.

use crate::affinity::{allowed_cpus, pin};
use crate::clock::monotonic_ns;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Longest that a measurement runs, in nanoseconds.
const BUDGET_NS: u64 = 100_000_000;
/// Round trips between two reads of the clock, which costs tens of nanoseconds itself.
const BATCH: u64 = 64;
/// Spins before a look at the clock: the peer may have lost its core.
const SPINS: u32 = 10_000;

#[repr(align(128))]
struct Line(AtomicU64);

/// Median one-way time of a cache line between the first and the last allowed CPU, in nanoseconds; `None` where there is
/// one CPU only.
#[must_use]
pub fn anchor_ns() -> Option<u64> {
    let cpus = allowed_cpus().ok()?;
    let (first, last) = (*cpus.first()?, *cpus.last()?);
    if first == last { None } else { one_way_ns_p50(first, last) }
}

/// Median one-way time between two CPUs, measured for at most 100 ms; `None` when they cannot be used or no batch ended.
#[must_use]
pub fn one_way_ns_p50(ping_core: usize, pong_core: usize) -> Option<u64> {
    let (ping, pong) = (Line(AtomicU64::new(0)), Line(AtomicU64::new(0)));
    let (stop, ready) = (AtomicBool::new(false), Barrier::new(2));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let pinned = pin(pong_core).is_ok();
            stop.fetch_or(!pinned, Ordering::Relaxed);
            ready.wait();
            answer(&ping, &pong, &stop);
        });
        let asker = scope.spawn(|| {
            let pinned = pin(ping_core).is_ok();
            ready.wait();
            let samples = if pinned { ask(&ping, &pong, &stop) } else { Vec::new() };
            stop.store(true, Ordering::Release);
            samples
        });
        let mut samples = asker.join().ok()?;
        samples.sort_unstable();
        samples.get(samples.len() / 2).copied()
    })
}

/// Returns what is asked until the end.
fn answer(ping: &Line, pong: &Line, stop: &AtomicBool) {
    let mut seen = 0;
    while !stop.load(Ordering::Relaxed) {
        let asked = ping.0.load(Ordering::Acquire);
        if asked != seen {
            seen = asked;
            pong.0.store(asked, Ordering::Release);
        }
    }
}

/// One-way nanoseconds of each batch within the budget.
fn ask(ping: &Line, pong: &Line, stop: &AtomicBool) -> Vec<u64> {
    let mut samples = Vec::new();
    let started = monotonic_ns();
    let over = || monotonic_ns() - started > BUDGET_NS || stop.load(Ordering::Relaxed);
    let mut number = 0;
    while !over() {
        let before = monotonic_ns();
        for _ in 0..BATCH {
            number += 1;
            ping.0.store(number, Ordering::Release);
            let mut spins = 0;
            while pong.0.load(Ordering::Acquire) != number {
                spins += 1;
                if spins == SPINS {
                    if over() {
                        return samples;
                    }
                    spins = 0;
                }
            }
        }
        samples.push((monotonic_ns() - before) / (2 * BATCH));
    }
    samples
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn measures_between_two_cpus_and_says_none_without() {
        assert_eq!(one_way_ns_p50(0, 5000), None);
        match anchor_ns() {
            None => drop(writeln!(std::io::stderr(), "skipped: one CPU")),
            Some(ns) => assert!(ns > 0, "a line does not travel for free"),
        }
    }
}
