//! The anchor A: what a cache line costs from core to core, one way, in the very processes that are measured.
//!
//! Two pinned roles bounce a number over two cache lines, one written by each: a store here, a load there, and back. Half of
//! a round trip is one way, timed in batches of [`BATCH`] because a stamp is coarser than what is measured. Each batch takes
//! the next of [`PAIRS`](runtime::anchor::PAIRS) pairs of lines: how long a line takes depends on where its page lies, and
//! a message goes over the many lines of a ring. A is the mean of the lines, each by the median of its batches. It is the
//! reference beside which one-way latencies are shown, not a bound: single lines and messages lie on both sides of it.
//!
//! On virtual machines the cores change their placement while running. The anchor is therefore taken before and after,
//! and a trial whose two anchors disagree by more than [`DISAGREEMENT_MAX`] is discarded.

use crate::BenchError;
use crate::meeting::Meeting;
use crate::timeline::Timeline;
use runtime::anchor::{PAIRS, TURN_WARM_UP, over_lines, pair};
use runtime::clock::tsc;
use serde::{Deserialize, Serialize};
use shm_layout::ring::sync::{Ordering, SharedWords};
use std::fmt;

/// Round trips per stamp.
pub const BATCH: u64 = 32;
/// Batches of one anchor, eight over each pair of lines: about 8 ms where cores are near.
const BATCHES: usize = 8 * PAIRS;
/// Single round trips, each with stamps of its own, for the anchor's tail: two turns of each pair.
const SINGLES: usize = 2 * PAIRS * BATCH as usize;
/// Round trips of a pair's turn.
const TURN: u64 = TURN_WARM_UP + BATCH;
/// Turns: one of each pair without a stamp, after which the pages of all are present in both processes; batches; singles.
const TURNS: u64 = (PAIRS + BATCHES + 2 * PAIRS) as u64;
/// Greatest part by which the two anchors of a trial may differ.
pub const DISAGREEMENT_MAX: f64 = 0.20;
/// An anchor of this many nanoseconds and more is called far.
pub const FAR_FROM_NS: f64 = 120.0;

/// How far the two cores lie from each other, by what a line takes: a name for a figure, not a statement about caches.
///
/// On the AMD server of the goals NEAR cores share a last-level cache and FAR ones do not (50-60 and 240-255 ns). On servers
/// whose cores all share one over a mesh (Intel, 140-150 ns between any two) there is one placement, and by its figure it
/// is FAR. Goals and ratios are therefore stated per placement, in multiples of A.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Placement {
    /// A line takes less than [`FAR_FROM_NS`].
    Near,
    /// It takes as long or longer.
    Far,
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Near => "NEAR",
            Self::Far => "FAR",
        })
    }
}

/// One anchor.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Anchor {
    /// A: the mean of the lines, each by the median of its batches, one way, in nanoseconds.
    pub one_way_ns: f64,
    /// The quickest and the slowest line; `None` where lines were not timed one by one.
    #[serde(default)]
    pub lines_ns: Option<[f64; 2]>,
    /// 99th percentile of single round trips, halved, in nanoseconds; two stamps are inside.
    pub single_p99_ns: f64,
    /// Median of the same single round trips: what the stamps add to A.
    pub single_p50_ns: f64,
}

impl Anchor {
    /// An anchor of which only A is known: said as the single round trips' figures too, it cannot flatter.
    #[must_use]
    pub const fn only(one_way_ns: f64) -> Self {
        Self { one_way_ns, lines_ns: None, single_p50_ns: one_way_ns, single_p99_ns: one_way_ns }
    }

    /// NEAR or FAR.
    #[must_use]
    pub fn placement(&self) -> Placement {
        if self.one_way_ns < FAR_FROM_NS { Placement::Near } else { Placement::Far }
    }
}

/// The anchors before and after what was measured.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Anchors {
    /// Before the warm-up.
    pub before: Anchor,
    /// After the last message.
    pub after: Anchor,
}

impl Anchors {
    /// A of the trial: the mean of both.
    #[must_use]
    pub fn one_way_ns(&self) -> f64 {
        f64::midpoint(self.before.one_way_ns, self.after.one_way_ns)
    }

    /// Where the cores lay, if they stayed there.
    ///
    /// # Errors
    /// The part by which the anchors differ, when it is above [`DISAGREEMENT_MAX`].
    pub fn placement(&self) -> Result<Placement, f64> {
        let (before, after) = (self.before.one_way_ns, self.after.one_way_ns);
        let part = (before - after).abs() / before.min(after);
        if part > DISAGREEMENT_MAX { Err(part) } else { Ok(self.before.placement()) }
    }
}

/// The asking side: the pair whose turn it is, the turns so far and the number of the last round trip.
struct Asker<'a> {
    meeting: &'a Meeting,
    lines: SharedWords,
    pair: [usize; 2],
    turns: u64,
    last: u64,
}

impl Asker<'_> {
    /// Begins the next pair's turn, with what does not count.
    fn begin_turn(&mut self) -> Result<(), BenchError> {
        self.pair = pair(self.turns);
        self.turns += 1;
        self.bounce(TURN_WARM_UP)
    }

    fn bounce(&mut self, count: u64) -> Result<(), BenchError> {
        let mut patience = None;
        let [ask, answer] = self.pair;
        for _ in 0..count {
            self.last += 1;
            self.lines.store(ask, self.last, Ordering::Release);
            let mut polls = 0_u32;
            while self.lines.load(answer, Ordering::Acquire) != self.last {
                polls = polls.wrapping_add(1);
                if polls.trailing_zeros() >= 14 {
                    patience.get_or_insert_with(|| self.meeting.patience()).empty_poll()?;
                    std::thread::yield_now();
                }
            }
        }
        Ok(())
    }
}

/// Clears one side's words of all pairs, which also makes their pages present in this process.
fn clear(lines: &SharedWords, side: usize) {
    (0..PAIRS as u64).for_each(|turn| lines.store(pair(turn)[side], 0, Ordering::Release));
}

/// The pinging side of one anchor; the other role calls [`pong`] at the same point.
///
/// # Errors
/// When the other role does not answer.
pub fn ping(meeting: &mut Meeting, timeline: &Timeline) -> Result<Anchor, BenchError> {
    let lines = meeting.lines();
    clear(&lines, 0);
    meeting.barrier()?;
    let mut asker = Asker { meeting, lines, pair: pair(0), turns: 0, last: 0 };
    for _ in 0..PAIRS {
        asker.begin_turn()?;
        asker.bounce(BATCH)?;
    }
    let mut batches = Vec::with_capacity(BATCHES);
    for _ in 0..BATCHES {
        asker.begin_turn()?;
        let start = tsc();
        asker.bounce(BATCH)?;
        batches.push(timeline.ps_each(tsc().wrapping_sub(start), 2 * BATCH));
    }
    let mut singles = Vec::with_capacity(SINGLES);
    for index in 0..SINGLES as u64 {
        if index.is_multiple_of(BATCH) {
            asker.begin_turn()?;
        }
        let start = tsc();
        asker.bounce(1)?;
        singles.push(timeline.ps_each(tsc().wrapping_sub(start), 2));
    }
    meeting.barrier()?;
    singles.sort_unstable();
    let ns = |ps: u64| ps as f64 / 1_000.0;
    let lines = over_lines(&batches).expect("each pair had its batches");
    Ok(Anchor {
        one_way_ns: lines.mean / 1_000.0,
        lines_ns: Some(lines.range.map(|ps| ps / 1_000.0)),
        single_p50_ns: ns(singles[SINGLES / 2]),
        single_p99_ns: ns(singles[SINGLES / 100 * 99]),
    })
}

/// The answering side of one anchor.
///
/// # Errors
/// When the other role does not ask.
pub fn pong(meeting: &mut Meeting) -> Result<(), BenchError> {
    let lines = meeting.lines();
    clear(&lines, 1);
    meeting.barrier()?;
    let mut patience = meeting.patience();
    for turn in 0..TURNS {
        let [ask, answer] = pair(turn);
        for number in turn * TURN + 1..=(turn + 1) * TURN {
            while lines.load(ask, Ordering::Acquire) != number {
                patience.empty_poll()?;
            }
            lines.store(answer, number, Ordering::Release);
        }
    }
    meeting.barrier()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_a_fifth_apart_are_refused() {
        let near = Anchors { before: Anchor::only(50.0), after: Anchor::only(59.0) };
        assert_eq!(near.placement(), Ok(Placement::Near));
        assert!((near.one_way_ns() - 54.5).abs() < 1e-9);
        assert!(Anchors { before: Anchor::only(50.0), after: Anchor::only(61.0) }.placement().is_err());
        assert!(Anchors { before: Anchor::only(250.0), after: Anchor::only(50.0) }.placement().is_err());
        assert_eq!(Anchors { before: Anchor::only(250.0), after: Anchor::only(240.0) }.placement(), Ok(Placement::Far));
    }

    #[test]
    fn two_roles_agree_on_an_anchor() {
        let words = SharedWords::heap(crate::meeting::MEETING_WORDS);
        let mut answering = Meeting::new(words.clone(), 2);
        let mut asking = Meeting::new(words, 2);
        let found = std::thread::scope(|scope| {
            scope.spawn(move || pong(&mut answering).expect("the other role asks"));
            ping(&mut asking, &Timeline::measure()).expect("the other role answers")
        });
        assert!(found.one_way_ns > 0.0 && found.single_p99_ns >= found.single_p50_ns, "{found:?}");
        let [least, most] = found.lines_ns.expect("lines were timed");
        assert!(least <= found.one_way_ns && found.one_way_ns <= most, "{found:?}");
    }
}
