//! Leases and the kill word, as they are in shared memory now.

use runtime::heartbeat::lease_held;
use shm_layout::kill_page::KillReader;
use shm_layout::status::StatusReader;
use shm_layout::types::{Nanos, RejectReason, Role};

/// One lease: whose heartbeat, how old it may be, and what the machine was told last.
#[derive(Debug)]
pub(super) struct Lease {
    role: Role,
    index: u8,
    status: StatusReader,
    lease_ns: u64,
    told: bool,
}

impl Lease {
    /// A lease that is not held: nobody has beaten yet.
    pub(super) const fn new(role: Role, index: u8, status: StatusReader, lease_ns: u64) -> Self {
        Self { role, index, status, lease_ns, told: false }
    }

    fn held(&self, now: Nanos) -> bool {
        lease_held(&self.status, now, self.lease_ns)
    }
}

/// Who must be alive, and who must not have killed, for an order to leave.
#[derive(Debug)]
pub(super) struct Guards {
    kill: KillReader,
    risk: Lease,
    /// By strategy.
    strategies: Vec<Lease>,
}

impl Guards {
    pub(super) const fn new(kill: KillReader, risk: Lease, strategies: Vec<Lease>) -> Self {
        Self { kill, risk, strategies }
    }

    /// The newest latched generation of the kill page; 0 = released.
    pub(super) fn generation(&self) -> u64 {
        self.kill.generation()
    }

    /// Leases: risk's first, then each strategy's.
    pub(super) fn count(&self) -> usize {
        1 + self.strategies.len()
    }

    /// The lease at `place` if it changed since it was last asked: whose, and whether it is held now.
    pub(super) fn changed(&mut self, place: usize, now: Nanos) -> Option<(Role, u8, bool)> {
        let lease = if place == 0 { &mut self.risk } else { &mut self.strategies[place - 1] };
        let held = lease.held(now);
        if held == lease.told {
            return None;
        }
        lease.told = held;
        Some((lease.role, lease.index, held))
    }

    /// The last look before the first byte of an order leaves: why it may not; `None` when it may.
    pub(super) fn refused(&self, strategy: u16, now: Nanos) -> Option<RejectReason> {
        let owner = self.strategies.get(usize::from(strategy));
        if self.kill.generation() != 0 {
            Some(RejectReason::GatewayKilled)
        } else if !self.risk.held(now) {
            Some(RejectReason::RiskLease)
        } else if !owner.is_some_and(|owner| owner.held(now)) {
            Some(RejectReason::StrategyLease)
        } else {
            None
        }
    }
}
