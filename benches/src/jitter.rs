//! The jitter floor: what the machine takes from a thread that does nothing but read the counter.
//!
//! Every gap between two reads that is longer than [`GAP_FROM_NS`] is an interruption: an interrupt, the scheduler, the
//! hypervisor. No program on the same core can have a shorter tail.

use crate::recorder::{IntervalCounts, Recorder};
use crate::timeline::Timeline;
use runtime::clock::tsc;
use serde::{Deserialize, Serialize};

/// Shortest gap that counts as an interruption, in nanoseconds: far above what two reads take.
pub const GAP_FROM_NS: u64 = 200;
/// Intervals that a floor is divided into.
const INTERVALS: usize = 20;

/// The interruptions of one thread on one core.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Jitter {
    /// Core.
    pub core: usize,
    /// Time watched, in nanoseconds.
    pub watched_ns: u64,
    /// Interruptions.
    pub gaps: u64,
    /// Time lost in them, in nanoseconds.
    pub lost_ns: u64,
    /// The longest, in nanoseconds.
    pub max_ns: u64,
    /// The interruptions, by interval.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub intervals: Vec<IntervalCounts>,
}

/// Watches the calling thread's core for `ns` nanoseconds.
#[must_use]
pub fn watch(core: usize, ns: u64, timeline: &Timeline) -> Jitter {
    let interval_us = (ns / 1_000 / INTERVALS as u64).max(1);
    let mut recorder = Recorder::new(INTERVALS, interval_us, timeline.ticks(interval_us * 1_000).max(1));
    let from = timeline.ticks(GAP_FROM_NS);
    let mut jitter = Jitter { core, ..Jitter::default() };
    let first = tsc();
    let end = first.wrapping_add(timeline.ticks(ns));
    recorder.begin(first);
    let mut last = tsc();
    while last < end {
        let now = tsc();
        let gap = now.saturating_sub(last);
        if gap > from {
            let gap_ns = timeline.ns(gap);
            recorder.record(now, gap_ns);
            jitter.gaps += 1;
            jitter.lost_ns += gap_ns;
            jitter.max_ns = jitter.max_ns.max(gap_ns);
            // The time that recording took is no interruption.
            last = tsc();
        } else {
            last = now;
        }
    }
    jitter.watched_ns = timeline.ns(last.wrapping_sub(first));
    jitter.intervals = recorder.counts();
    jitter
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sums_agree_with_the_intervals() {
        let jitter = watch(0, 2_000_000, &Timeline::measure());
        assert!(jitter.watched_ns >= 1_999_000, "{jitter:?}");
        let counted: u64 = jitter.intervals.iter().flat_map(|i| &i.counts).map(|(_, count)| count).sum();
        assert_eq!(counted, jitter.gaps);
        assert_eq!(jitter.intervals.iter().map(|i| i.max_ns).max().unwrap_or(0), jitter.max_ns);
        assert!(jitter.lost_ns <= jitter.watched_ns + 1_000_000);
    }
}
