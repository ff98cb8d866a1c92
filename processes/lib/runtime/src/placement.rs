//! Which stages share an operating system process: one process per stage, two with a hop inside each, or one for all.
//!
//! A stage keeps its own regions, epoch, status page and place in the roster wherever it lives, so that no reader sees a
//! difference. A process that hosts several ends with the first of them that fails: one death, and each stage re-enters
//! by its own rules. The recorder is cold and never hosted. It never puts risk beside a gateway of a real venue: the host
//! file refuses that ([`crate::config::HostFile::parse`]).

use crate::affinity::{CorePlan, plan_cores};
use crate::config::{Host, HostFile};
use crate::error::RuntimeError;
use crate::ports::wiring;
use crate::scheduler;
use serde::{Deserialize, Serialize};
use shm_layout::topology::Counts;
use shm_layout::types::Role;
use std::fmt;
use std::str::FromStr;

/// `host.placement`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Placement {
    /// Each stage is a process of its own.
    #[default]
    Processes,
    /// Feed handlers with strategies, and risk with the gateways: two processes, one hop between them.
    Paired,
    /// Every hot stage in one duty cycle.
    Fused,
}

/// Roles of a paired placement, by host.
const PAIRS: [[Role; 2]; 2] = [[Role::FeedHandler, Role::Strategy], [Role::Risk, Role::ExecutionGateway]];

impl Placement {
    /// The host (an index from 0) that stages of this role live in; `None` for a process of its own.
    #[must_use]
    pub fn host_of(self, role: Role) -> Option<u8> {
        let pair = PAIRS.iter().position(|pair| pair.contains(&role))?;
        match self {
            Self::Processes => None,
            Self::Paired => Some(pair as u8),
            Self::Fused => Some(0),
        }
    }

    /// Stages that a host has once every one of them runs.
    #[must_use]
    pub fn stages_of(self, host: u8, counts: Counts) -> usize {
        wiring::processes(counts).iter().filter(|(role, _)| self.host_of(*role) == Some(host)).count()
    }

    /// Hot processes of the operating system.
    #[must_use]
    pub fn hot_processes(self, counts: Counts) -> usize {
        match self {
            Self::Processes => wiring::processes(counts).iter().filter(|(role, _)| *role != Role::Recorder).count(),
            Self::Paired => PAIRS.len(),
            Self::Fused => 1,
        }
    }

    /// Place among the hot processes, and so in [`CorePlan::cores`], of a stage; `None` for the recorder.
    #[must_use]
    pub fn place_of(self, counts: Counts, role: Role, index: u8) -> Option<usize> {
        match self.host_of(role) {
            Some(host) => Some(usize::from(host)),
            None if role == Role::Recorder => None,
            None => wiring::roster_slot(counts, role, index),
        }
    }

    /// What lives together, for people.
    fn described(self) -> &'static str {
        match self {
            Self::Processes => "processes (each stage is one)",
            Self::Paired => "paired (feed-handler + strategy, risk + execution-gateway)",
            Self::Fused => "fused (every hot stage in one process)",
        }
    }
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Processes => "processes",
            Self::Paired => "paired",
            Self::Fused => "fused",
        })
    }
}

impl FromStr for Placement {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::Processes, Self::Paired, Self::Fused];
        let found = all.into_iter().find(|placement| placement.to_string() == text);
        found.ok_or_else(|| format!("{text:?} is not processes, paired or fused"))
    }
}

/// Who runs where and waits how, by the host file; its line also says what shares a process.
///
/// # Errors
/// When a listed CPU is not one that this process may use, or the scheduling class does not go with the wait.
pub fn plan(file: &HostFile) -> Result<CorePlan, RuntimeError> {
    let (host, counts): (&Host, Counts) = (file.host(), file.counts());
    let hot = host.placement.hot_processes(counts);
    let plan = plan_cores(hot, &host.cores, host.wait, host.nap_us.get() as u32)?;
    if let Err(error) = scheduler::check(host.scheduler, plan.wait) {
        let at = file.error_at("host.scheduler", error.to_string(), "correct the key");
        return Err(RuntimeError::refused(at.to_string(), "see above"));
    }
    let line = format!("placement: {}; {}", host.placement.described(), plan.line);
    Ok(CorePlan { line, ..plan })
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNTS: Counts = Counts { feed_handlers: 1, strategies: 2, gateways: 1 };

    #[test]
    fn every_hot_stage_has_exactly_one_place() {
        for (placement, hot) in [(Placement::Processes, 5), (Placement::Paired, 2), (Placement::Fused, 1)] {
            assert_eq!(placement.hot_processes(COUNTS), hot);
            assert_eq!(placement.to_string().parse(), Ok(placement));
            let mut used = vec![0; hot];
            for (role, index) in wiring::processes(COUNTS) {
                match placement.place_of(COUNTS, role, index) {
                    Some(place) => used[place] += 1,
                    None => assert_eq!(role, Role::Recorder),
                }
            }
            assert!(used.iter().all(|stages| *stages > 0) && used.iter().sum::<usize>() == 5, "{placement}: {used:?}");
        }
        assert_eq!((Placement::Paired.stages_of(0, COUNTS), Placement::Paired.stages_of(1, COUNTS)), (3, 2));
        assert_eq!((Placement::Fused.stages_of(0, COUNTS), Placement::Processes.stages_of(0, COUNTS)), (5, 0));
        assert!("both".parse::<Placement>().is_err());
    }

    #[test]
    fn a_hop_never_leads_back_into_the_same_host() {
        // Each crossing between hosts costs a hop: paired has one on the way of an order.
        let path = [Role::FeedHandler, Role::Strategy, Role::Risk, Role::ExecutionGateway];
        let hosts = path.map(|role| Placement::Paired.host_of(role));
        assert_eq!(hosts.windows(2).filter(|pair| pair[0] != pair[1]).count(), 1);
    }
}
