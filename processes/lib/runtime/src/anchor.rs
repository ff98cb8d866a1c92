//! The machine's own yardstick: how long a cache line takes from one core to another, in the mean of many lines. Latency
//! figures are read against it.
//!
//! A single line is no yardstick. Its physical address decides which part of the shared cache or of the coherence
//! directory answers for it, and that part lies nearer or farther from the two cores: on one server the lines of a page
//! take 133 ns in every run and those of another 152. Messages go over the many slots of a ring, so the yardstick goes over
//! many lines, too. It is a reference and no bound: single lines and messages lie on both sides of it.

use crate::affinity::{allowed_cpus, pin};
use crate::clock::monotonic_ns;
use shm_layout::ring::sync::{Ordering, SharedWords};
use std::sync::Barrier;
use std::sync::atomic::AtomicBool;

/// Pairs of lines, one to ask and one to answer, that a measurement goes over in turn; each pair in a page of its own. Lines
/// scatter by about a tenth around their mean, and the mean of so many by half a per cent.
pub const PAIRS: usize = 256;
/// Words of all pages.
pub const LINES_WORDS: usize = PAIRS * PAGE_WORDS;
/// Words of a page.
const PAGE_WORDS: usize = 512;
/// Words from a line to the next one used: two lines, because they are fetched by twos.
const STRIDE: usize = 16;
// A line's place in its page is its set in the first-level cache: every place is used as often as any other.
const _: () = assert!(PAIRS.is_multiple_of(PAGE_WORDS / (2 * STRIDE)));

/// Longest that a measurement runs, in nanoseconds.
const BUDGET_NS: u64 = 100_000_000;
/// Round trips at the begin of a pair's turn that do not count: they find the pages' translations and the lines in nearer
/// caches than the last turn left them.
pub const TURN_WARM_UP: u64 = 2;
/// Round trips of a turn that count, and between two reads of the clock, which costs tens of nanoseconds itself.
const BATCH: u64 = 64;
/// Round trips of a turn.
const TURN: u64 = TURN_WARM_UP + BATCH;
/// Spins before a look at the clock: the peer may have lost its core.
const SPINS: u32 = 10_000;

/// The words of a turn's pair, the one that asks and the one that answers.
#[inline(always)]
#[must_use]
pub const fn pair(turn: u64) -> [usize; 2] {
    let page = (turn % PAIRS as u64) as usize;
    let ask = page * PAGE_WORDS + page * 2 * STRIDE % PAGE_WORDS;
    [ask, ask + STRIDE]
}

/// The lines' own figures, in the unit of the batches.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct OverLines {
    /// The mean of the lines.
    pub mean: f64,
    /// The quickest and the slowest line.
    pub range: [f64; 2],
}

/// Sums up batches that went over the pairs in turn, the first one over the first pair: a pair's figure is the median of its
/// batches, so that an interruption does not count. `None` without a batch.
#[must_use]
pub fn over_lines(batches: &[u64]) -> Option<OverLines> {
    let medians: Vec<f64> = (0..PAIRS.min(batches.len()))
        .map(|first| {
            let mut own: Vec<u64> = batches[first..].iter().step_by(PAIRS).copied().collect();
            own.sort_unstable();
            own[own.len() / 2] as f64
        })
        .collect();
    let range = [medians.iter().copied().fold(f64::INFINITY, f64::min), medians.iter().copied().fold(0.0, f64::max)];
    let mean = medians.iter().sum::<f64>() / medians.len() as f64;
    (!medians.is_empty()).then_some(OverLines { mean, range })
}

/// Mean one-way time of a cache line between the first and the last allowed CPU, in nanoseconds; `None` where there is one
/// CPU only.
#[must_use]
pub fn anchor_ns() -> Option<u64> {
    let cpus = allowed_cpus().ok()?;
    let (first, last) = (*cpus.first()?, *cpus.last()?);
    if first == last { None } else { one_way_ns(first, last) }
}

/// Mean one-way time of a line between two CPUs, measured for at most 100 ms; `None` when they cannot be used or no batch
/// ended.
#[must_use]
pub fn one_way_ns(ask_core: usize, answer_core: usize) -> Option<u64> {
    let lines = SharedWords::heap(LINES_WORDS);
    let (stop, ready) = (AtomicBool::new(false), Barrier::new(2));
    let batches_ps = std::thread::scope(|scope| {
        scope.spawn(|| {
            let pinned = pin(answer_core).is_ok();
            stop.fetch_or(!pinned, Ordering::Relaxed);
            ready.wait();
            answer(&lines, &stop);
        });
        let asker = scope.spawn(|| {
            let pinned = pin(ask_core).is_ok();
            ready.wait();
            let batches_ps = if pinned { ask(&lines, &stop) } else { Vec::new() };
            stop.store(true, Ordering::Release);
            batches_ps
        });
        asker.join().ok()
    })?;
    // The first turn of each pair warms it up, where there is time for a second.
    let warm = batches_ps.get(PAIRS..).filter(|rest| !rest.is_empty()).unwrap_or(&batches_ps);
    Some((over_lines(warm)?.mean / 1_000.0).round() as u64)
}

/// Answers what is asked until the end.
fn answer(lines: &SharedWords, stop: &AtomicBool) {
    for turn in 0.. {
        let [ask, answer] = pair(turn);
        for number in turn * TURN + 1..=(turn + 1) * TURN {
            while lines.load(ask, Ordering::Acquire) != number {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
            }
            lines.store(answer, number, Ordering::Release);
        }
    }
}

/// One-way picoseconds of each batch within the budget.
fn ask(lines: &SharedWords, stop: &AtomicBool) -> Vec<u64> {
    let mut batches_ps = Vec::new();
    let started = monotonic_ns();
    let over = || monotonic_ns() - started > BUDGET_NS || stop.load(Ordering::Relaxed);
    for turn in 0.. {
        if over() {
            break;
        }
        let [ask, answer] = pair(turn);
        let first = turn * TURN + 1;
        let mut before = 0;
        for number in first..first + TURN {
            if number == first + TURN_WARM_UP {
                before = monotonic_ns();
            }
            lines.store(ask, number, Ordering::Release);
            let mut spins = 0;
            while lines.load(answer, Ordering::Acquire) != number {
                spins += 1;
                if spins == SPINS {
                    if over() {
                        return batches_ps;
                    }
                    spins = 0;
                }
            }
        }
        batches_ps.push((monotonic_ns() - before) * 1_000 / (2 * BATCH));
    }
    batches_ps
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::io::Write as _;

    #[test]
    fn measures_between_two_cpus_and_says_none_without() {
        assert_eq!(one_way_ns(0, 5000), None);
        match anchor_ns() {
            None => drop(writeln!(std::io::stderr(), "skipped: one CPU")),
            Some(ns) => assert!(ns > 0, "a line does not travel for free"),
        }
    }

    #[test]
    fn no_two_words_share_a_fetch_and_each_pair_has_its_page() {
        let words: Vec<usize> = (0..PAIRS as u64).flat_map(pair).collect();
        let fetches: BTreeSet<usize> = words.iter().map(|word| word / STRIDE).collect();
        let pages: BTreeSet<usize> = words.iter().map(|word| word / PAGE_WORDS).collect();
        assert_eq!((fetches.len(), pages.len()), (2 * PAIRS, PAIRS));
        assert!(words.iter().all(|word| *word < LINES_WORDS));
        assert_eq!(pair(PAIRS as u64), pair(0));
    }

    #[test]
    fn every_line_counts_once_and_an_interruption_not_at_all() {
        assert_eq!(over_lines(&[]), None);
        assert_eq!(over_lines(&[7]), Some(OverLines { mean: 7.0, range: [7.0; 2] }));
        // Three turns: half of the lines take 130, half 150, and one batch of each was interrupted.
        let line = |index: usize| if index % PAIRS < PAIRS / 2 { 130 } else { 150 };
        let batches: Vec<u64> = (0..3 * PAIRS).map(|index| if index < PAIRS { 9_000 } else { line(index) }).collect();
        assert_eq!(over_lines(&batches), Some(OverLines { mean: 140.0, range: [130.0, 150.0] }));
    }
}
