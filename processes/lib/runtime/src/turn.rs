//! Whose turn is when, on a CPU that yielding processes share.
//!
//! ```text
//! an order's way     feed-handler ─▶ strategy ─▶ risk        each hop is one switch
//! the other way      feed-handler ─▶ risk ─▶ strategy        between any two hops lies a stranger's pass: 2 us more
//! ```
//! Processes that yield after every pass are run round and round in one order, which the first moments of each decide by
//! chance and which then stays (Linux 6.18: a yield gives up the rest of the slice, so nobody gains on another). A process
//! that finds the wrong one before it naps once: it comes back at another place of the round, and looks again. Heartbeats
//! tell who ran last. It is a wish: after [`NAPS_MAX`] naps it is tried once a second.

use crate::error::RuntimeError;
use crate::ports::Ports;
use shm_layout::status::StatusReader;
use shm_layout::types::{Nanos, Role};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Passes in a row after a stranger's, before the order is held to be that one: a cold process may come between once.
const PASSES: u32 = 256;
/// Naps of a life before they become rare. About every third leads to the right order.
pub const NAPS_MAX: u32 = 32;
/// From then on at least this long from one nap to the next: a neighbour that restarts brings the order about anew.
const REST_NS: u64 = 1_000_000_000;
/// Length of a nap: long enough for the others to go round (with the kernel's slack some 100 us). So few of them starve
/// nobody, as the regular naps of `wait::SHARED_NAP_US_MIN` did.
const NAP: Duration = Duration::from_micros(50);

/// A stage, as an argument names it: `strategy/0`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stage {
    /// Its role.
    pub role: Role,
    /// Its index within the role.
    pub index: u8,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.role.folder(), self.index)
    }
}

impl FromStr for Stage {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = || {
            let (folder, index) = text.split_once('/')?;
            Some(Self { role: Role::from_folder(folder)?, index: index.parse().ok()? })
        };
        parsed().ok_or_else(|| format!("{text:?} is not a role and an index, such as strategy/0"))
    }
}

/// The stages that share a CPU with the one at `place` of `stages` (in the order of an order's path), its neighbour before it
/// on the path last: what [`Turn::attach`] takes. Empty where nothing is to be looked for: of the first two of a round the
/// order follows from where the others stand.
#[must_use]
pub fn before<T: Copy>(place: usize, stages: &[(T, Option<usize>)]) -> Vec<T> {
    let core = stages[place].1;
    let shares = |other: &usize| core.is_some() && stages[*other].1 == core;
    let (earlier, later): (Vec<_>, Vec<_>) =
        (0..stages.len()).filter(|other| *other != place).filter(shares).partition(|other| *other < place);
    if earlier.len() < 2 {
        return Vec::new();
    }
    later.into_iter().chain(earlier).map(|other| stages[other].0).collect()
}

/// Who must run just before this process, and who else shares its CPU.
#[derive(Debug)]
pub struct Turn {
    neighbour: StatusReader,
    others: Vec<StatusReader>,
    /// Heartbeat of the neighbour at the last look.
    seen: Nanos,
    wrong: u32,
    naps: u32,
    napped: Nanos,
}

impl Turn {
    /// Looks for the turn after the last of `stages`; the others share the CPU. `None` where there are none.
    ///
    /// # Errors
    /// As [`Ports::status_reader`].
    pub fn attach(ports: &Ports, stages: &[Stage]) -> Result<Option<Self>, RuntimeError> {
        let readers: Result<Vec<_>, _> =
            stages.iter().map(|stage| ports.status_reader(stage.role, stage.index)).collect();
        let mut others = readers?;
        Ok(others.pop().map(|neighbour| Self::new(neighbour, others)))
    }

    const fn new(neighbour: StatusReader, others: Vec<StatusReader>) -> Self {
        Self { neighbour, others, seen: Nanos(0), wrong: 0, naps: 0, napped: Nanos(0) }
    }

    /// After an empty pass: naps if this process has found the wrong one before it for long enough. True when it did, and
    /// so has another place already.
    #[inline]
    pub fn seek(&mut self, now: Nanos) -> bool {
        let naps = self.is_wrong() && self.may_nap(now);
        if naps {
            std::thread::sleep(NAP);
        }
        naps
    }

    fn may_nap(&mut self, now: Nanos) -> bool {
        let may = self.naps < NAPS_MAX || now.0.saturating_sub(self.napped.0) >= REST_NS;
        if may {
            (self.naps, self.napped) = (self.naps.saturating_add(1), now);
        }
        may
    }

    fn is_wrong(&mut self) -> bool {
        let neighbour = self.neighbour.heartbeat();
        // A neighbour that did not run since is not in the round.
        let runs = neighbour != std::mem::replace(&mut self.seen, neighbour);
        let stranger = runs && self.others.iter().any(|other| other.heartbeat() > neighbour);
        self.wrong = if stranger { self.wrong + 1 } else { 0 };
        let wrong = self.wrong >= PASSES;
        if wrong {
            self.wrong = 0;
        }
        wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shm_layout::ring::sync::SharedWords;
    use shm_layout::status::{STATUS_WORDS, StatusWriter};

    #[test]
    fn the_neighbour_on_the_path_comes_last_and_two_need_no_order() {
        let stages = [('f', Some(0)), ('s', Some(0)), ('t', Some(0)), ('r', Some(0)), ('g', Some(1)), ('c', None)];
        assert_eq!(before(3, &stages), ['f', 's', 't']);
        assert_eq!(before(2, &stages), ['r', 'f', 's']);
        for place in [0, 1, 4, 5] {
            assert_eq!(before(place, &stages), [] as [char; 0], "{place}");
        }
        assert_eq!(before(2, &[('f', Some(0)), ('s', Some(0)), ('r', Some(1))]), [] as [char; 0]);
        assert_eq!(before(2, &[('c', None), ('d', None), ('e', None)]), [] as [char; 0]);
    }

    #[test]
    fn stages_are_written_and_read_back() {
        for &role in Role::ALL {
            let stage = Stage { role, index: 7 };
            assert_eq!(stage.to_string().parse(), Ok(stage));
        }
        for wrong in ["strategy", "strategy/", "strategy/300", "stranger/0", ""] {
            assert!(wrong.parse::<Stage>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn naps_become_rare() {
        let body = SharedWords::heap(STATUS_WORDS);
        let mut turn = Turn::new(StatusReader::new(&body), Vec::new());
        let mut naps = |from: u64| (from..from + 1_000).filter(|now| turn.may_nap(Nanos(*now))).count();
        assert_eq!(naps(5), NAPS_MAX as usize);
        assert_eq!([naps(REST_NS), naps(2 * REST_NS), naps(2 * REST_NS + 1_000)], [1, 1, 0]);
    }

    #[test]
    fn only_a_stranger_that_stays_between_is_wrong() {
        let bodies = [SharedWords::heap(STATUS_WORDS), SharedWords::heap(STATUS_WORDS)];
        let [neighbour, stranger] = bodies.each_ref().map(|body| StatusWriter::start(body, 1, 1, Nanos(0)));
        let mut turn = Turn::new(neighbour.reader(), vec![stranger.reader()]);
        let mut now = 1;
        let mut round = |turn: &mut Turn, order: [&StatusWriter; 2]| {
            for writer in order {
                writer.heartbeat(Nanos(now));
                now += 1;
            }
            turn.is_wrong()
        };
        for _ in 0..2 * PASSES {
            assert!(!round(&mut turn, [&stranger, &neighbour]));
        }
        let wrong = |turn: &mut Turn, count, round: &mut dyn FnMut(&mut Turn, [&StatusWriter; 2]) -> bool| {
            (0..count).filter(|_| round(turn, [&neighbour, &stranger])).count()
        };
        assert_eq!(wrong(&mut turn, PASSES - 1, &mut round), 0);
        assert!(!round(&mut turn, [&stranger, &neighbour]), "once right begins anew");
        assert_eq!(wrong(&mut turn, 3 * PASSES, &mut round), 3);
        // The stranger alone runs: the neighbour is dead, and there is no order to look for.
        for beat in 0..u64::from(2 * PASSES) {
            stranger.heartbeat(Nanos(1_000_000 + beat));
            assert!(!turn.is_wrong());
        }
    }
}
