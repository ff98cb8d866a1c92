//! The anchor A: what one cache line costs from core to core, one way, in the very processes that are measured.
//!
//! Two pinned roles bounce a number over two cache lines, one written by each: a store here, a load there, and back. A is
//! half of the median round trip, timed in batches of [`BATCH`] because a stamp is coarser than what is measured. No
//! message between two cores can arrive sooner, so A is the limit beside which one-way latencies are shown.
//!
//! On virtual machines the cores change their placement while running. The anchor is therefore taken before and after,
//! and a trial whose two anchors disagree by more than [`DISAGREEMENT_MAX`] is discarded.

use crate::BenchError;
use crate::meeting::{Meeting, Word};
use crate::timeline::Timeline;
use runtime::clock::tsc;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Round trips per stamp.
pub const BATCH: u64 = 32;
/// Batches of one anchor: about 4 ms where cores are near.
const BATCHES: usize = 1024;
/// Round trips before the first stamp.
const WARM_UP: u64 = 2_000;
/// Single round trips, each with stamps of its own, for the anchor's tail.
const SINGLES: usize = 20_000;
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
    /// A: the median of the batches, one way, in nanoseconds.
    pub one_way_ns: f64,
    /// 99th percentile of single round trips, halved, in nanoseconds; two stamps are inside.
    pub single_p99_ns: f64,
    /// Median of the same single round trips: what the stamps add to A.
    pub single_p50_ns: f64,
}

impl Anchor {
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

/// The pinging side of one anchor; the other role calls [`pong`] at the same point.
///
/// # Errors
/// When the other role does not answer.
pub fn ping(meeting: &mut Meeting, timeline: &Timeline) -> Result<Anchor, BenchError> {
    meeting.store(Word::Ping, 0);
    meeting.barrier()?;
    let mut next = 0;
    bounce(meeting, &mut next, WARM_UP)?;
    let mut batches = Vec::with_capacity(BATCHES);
    for _ in 0..BATCHES {
        let start = tsc();
        bounce(meeting, &mut next, BATCH)?;
        batches.push(timeline.ps_each(tsc().wrapping_sub(start), 2 * BATCH));
    }
    let mut singles = Vec::with_capacity(SINGLES);
    for _ in 0..SINGLES {
        let start = tsc();
        bounce(meeting, &mut next, 1)?;
        singles.push(timeline.ps_each(tsc().wrapping_sub(start), 2));
    }
    meeting.barrier()?;
    batches.sort_unstable();
    singles.sort_unstable();
    let ns = |ps: u64| ps as f64 / 1_000.0;
    Ok(Anchor {
        one_way_ns: ns(batches[BATCHES / 2]),
        single_p50_ns: ns(singles[SINGLES / 2]),
        single_p99_ns: ns(singles[SINGLES / 100 * 99]),
    })
}

fn bounce(meeting: &Meeting, next: &mut u64, count: u64) -> Result<(), BenchError> {
    let mut patience = None;
    for _ in 0..count {
        *next += 1;
        meeting.store(Word::Ping, *next);
        let mut polls = 0_u32;
        while meeting.load(Word::Pong) != *next {
            polls = polls.wrapping_add(1);
            if polls.trailing_zeros() >= 14 {
                patience.get_or_insert_with(|| meeting.patience()).empty_poll()?;
                std::thread::yield_now();
            }
        }
    }
    Ok(())
}

/// The answering side of one anchor.
///
/// # Errors
/// When the other role does not ask.
pub fn pong(meeting: &mut Meeting) -> Result<(), BenchError> {
    let last = WARM_UP + BATCHES as u64 * BATCH + SINGLES as u64;
    meeting.store(Word::Pong, 0);
    meeting.barrier()?;
    let mut patience = meeting.patience();
    for next in 1..=last {
        while meeting.load(Word::Ping) != next {
            patience.empty_poll()?;
        }
        meeting.store(Word::Pong, next);
    }
    meeting.barrier()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anchor(one_way_ns: f64) -> Anchor {
        Anchor { one_way_ns, single_p50_ns: one_way_ns, single_p99_ns: one_way_ns }
    }

    #[test]
    fn anchors_a_fifth_apart_are_refused() {
        let near = Anchors { before: anchor(50.0), after: anchor(59.0) };
        assert_eq!(near.placement(), Ok(Placement::Near));
        assert!((near.one_way_ns() - 54.5).abs() < 1e-9);
        assert!(Anchors { before: anchor(50.0), after: anchor(61.0) }.placement().is_err());
        assert!(Anchors { before: anchor(250.0), after: anchor(50.0) }.placement().is_err());
        assert_eq!(Anchors { before: anchor(250.0), after: anchor(240.0) }.placement(), Ok(Placement::Far));
    }

    #[test]
    fn two_roles_agree_on_an_anchor() {
        let words = shm_layout::ring::sync::SharedWords::heap(crate::meeting::MEETING_WORDS);
        let mut answering = Meeting::new(words.clone(), 2);
        let mut asking = Meeting::new(words, 2);
        let found = std::thread::scope(|scope| {
            scope.spawn(move || pong(&mut answering).expect("the other role asks"));
            ping(&mut asking, &Timeline::measure()).expect("the other role answers")
        });
        assert!(found.one_way_ns > 0.0 && found.single_p99_ns >= found.single_p50_ns, "{found:?}");
    }
}
