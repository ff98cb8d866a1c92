//! One start that was kept, with what its roles say of it. What nobody counted is `None`, never 0.

use super::{RoleAccount, SeriesPoint};
use crate::anchor::{Anchors, Placement};
use crate::figures::Figures;
use crate::recorder::IntervalCounts;
use crate::trial::{Counts, Role};
use serde::{Deserialize, Serialize};

/// One start of the processes that was kept.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Trial {
    /// Number of the start, from 1; discarded ones have numbers too.
    pub number: u32,
    /// Where the cores lay; `None` when only one was used.
    pub placement: Option<Placement>,
    /// Its anchors; `None` when only one core was used.
    pub anchors: Option<Anchors>,
    /// The headline value, in the measurement's unit.
    pub value: f64,
    /// Latencies of single messages, when they were taken.
    pub figures: Figures,
    /// Time series of the latencies.
    pub series: Vec<SeriesPoint>,
    /// Accounts of the roles.
    pub roles: Vec<RoleAccount>,
    /// The latencies themselves, for log files.
    #[serde(skip)]
    pub intervals: Vec<IntervalCounts>,
}

impl Trial {
    /// A of the trial, in nanoseconds.
    #[must_use]
    pub fn a_ns(&self) -> Option<f64> {
        self.anchors.map(|anchors| anchors.one_way_ns())
    }

    /// The longest interruption of any of its cores while the floor was watched, in nanoseconds; `None` when it was not.
    #[must_use]
    pub fn jitter_max_ns(&self) -> Option<u64> {
        self.watched().map(|role| role.jitter.max_ns).max()
    }

    /// For how long the floor was watched, in nanoseconds, where the shortest: a rarer interruption may be in a latency and
    /// not in the floor.
    #[must_use]
    pub fn jitter_watched_ns(&self) -> Option<u64> {
        self.watched().map(|role| role.jitter.watched_ns).min()
    }

    fn watched(&self) -> impl Iterator<Item = &RoleAccount> {
        self.roles.iter().filter(|role| role.jitter.watched_ns > 0)
    }

    /// The least part of the wall time that a hot role had its core; `None` when no account was kept.
    #[must_use]
    pub fn cpu_share(&self) -> Option<f64> {
        let hot = self.roles.iter().filter(|role| role.role != Role::Tap);
        hot.filter_map(|role| role.cpu.share()).min_by(f64::total_cmp)
    }

    /// What the first role counted: messages sent, or operations done.
    #[must_use]
    pub fn work(&self) -> Option<&Counts> {
        self.roles.first().and_then(|role| role.counts.first())
    }

    /// Attempts to send that found the lane full; `None` when nobody sent.
    #[must_use]
    pub fn full(&self) -> Option<u64> {
        self.counts_of(Role::Sender).next().map(|counts| counts.full)
    }

    /// Messages that the gating receivers lost; `None` when nobody received.
    #[must_use]
    pub fn lost(&self) -> Option<u64> {
        self.counts_of(Role::Receiver).map(|counts| counts.lost).reduce(|sum, lost| sum + lost)
    }

    /// Messages of an open loop that its receiver took in a second, warm-up and all: less than the intended rate where
    /// they came too fast.
    #[must_use]
    pub fn achieved_per_second(&self) -> Option<f64> {
        let taken = self.counts_of(Role::Receiver).find(|counts| counts.took_ns > 0)?;
        Some(taken.messages as f64 * 1e9 / taken.took_ns as f64)
    }

    fn counts_of(&self, role: Role) -> impl Iterator<Item = &Counts> {
        self.roles.iter().filter(move |account| account.role == role).flat_map(|account| &account.counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::CpuUse;
    use crate::jitter::Jitter;
    use crate::timeline::StampCost;

    fn account(role: Role, watched_ns: u64, counts: &[Counts]) -> RoleAccount {
        RoleAccount {
            role,
            core: 0,
            cpu: CpuUse { wall_ns: 500_000_000, cpu_ns: Some(450_000_000), waited_ns: Some(0) },
            jitter: Jitter { watched_ns, max_ns: watched_ns / 10, ..Jitter::default() },
            stamp: StampCost { read_ns: 10.0, step_ns: 10.0 },
            counts: counts.to_vec(),
        }
    }

    fn trial(roles: Vec<RoleAccount>) -> Trial {
        let (figures, series, intervals) = (Figures::default(), Vec::new(), Vec::new());
        Trial { number: 1, placement: None, anchors: None, value: 1.0, figures, series, roles, intervals }
    }

    #[test]
    fn what_nobody_counted_is_not_zero() {
        let alone = trial(vec![account(Role::Threads, 0, &[Counts { messages: 9, ..Counts::default() }])]);
        assert_eq!((alone.lost(), alone.full(), alone.achieved_per_second()), (None, None, None));
        assert_eq!((alone.work().map(|counts| counts.messages), alone.jitter_watched_ns()), (Some(9), None));
        let nothing = trial(Vec::new());
        assert_eq!((nothing.lost(), nothing.cpu_share(), nothing.jitter_max_ns()), (None, None, None));
    }

    #[test]
    fn the_roles_of_a_lane_are_summed() {
        let counts = |messages, lost, full| Counts { messages, lost, full, ..Counts::default() };
        let one = trial(vec![
            account(Role::Sender, 50_000_000, &[counts(1_000, 0, 3)]),
            account(
                Role::Receiver,
                40_000_000,
                &[Counts { took_ns: 500_000_000, ..counts(1_000, 1, 0) }, counts(1_000, 2, 0)],
            ),
            account(Role::Tap, 0, &[counts(5, 900, 0)]),
        ]);
        assert_eq!((one.full(), one.lost(), one.achieved_per_second()), (Some(3), Some(3), Some(2_000.0)));
        assert_eq!((one.jitter_watched_ns(), one.jitter_max_ns()), (Some(40_000_000), Some(5_000_000)));
        assert_eq!(one.cpu_share(), Some(0.9));
    }
}
