//! Leases and the kill word, as they are in shared memory now.

use runtime::heartbeat::lease_held;
use shm_layout::kill_page::KillReader;
use shm_layout::status::StatusReader;
use shm_layout::types::{Nanos, RejectReason, Role};
use std::cell::Cell;

/// One lease: whose heartbeat, how old it may be, and what the machine was told last.
#[derive(Debug)]
pub(super) struct Lease {
    role: Role,
    index: u8,
    status: StatusReader,
    lease_ns: u64,
    /// The newest heartbeat that was looked at.
    seen: Cell<Nanos>,
    told: bool,
}

impl Lease {
    /// A lease that is not held: nobody has beaten yet.
    pub(super) const fn new(role: Role, index: u8, status: StatusReader, lease_ns: u64) -> Self {
        Self { role, index, status, lease_ns, seen: Cell::new(Nanos(0)), told: false }
    }

    /// Whether the heartbeat is young enough. While one that was seen is, a newer one can only be younger: the line that
    /// its process writes on every pass is left alone until then. A heartbeat of the future proves nothing about later.
    fn held(&self, now: Nanos) -> bool {
        let seen = self.seen.get();
        seen <= now && lease_held(seen, now, self.lease_ns) || {
            let newest = self.status.heartbeat();
            self.seen.set(newest);
            lease_held(newest, now, self.lease_ns)
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use shm_layout::ring::sync::SharedWords;
    use shm_layout::status::{STATUS_WORDS, StatusWriter};

    #[test]
    fn a_lease_that_was_seen_ends_when_the_newest_heartbeat_is_too_old_and_not_before() {
        let body = SharedWords::heap(STATUS_WORDS);
        let lease = Lease::new(Role::Risk, 0, StatusReader::new(&body), 100);
        assert!(!lease.held(Nanos(50)), "nobody has beaten yet");
        let writer = StatusWriter::start(&body, 1, 1, Nanos(1_000));
        assert!(lease.held(Nanos(1_000)) && lease.held(Nanos(1_100)));
        assert!(!lease.held(Nanos(1_101)), "no beat since");
        writer.heartbeat(Nanos(1_090));
        assert!(lease.held(Nanos(1_101)) && lease.held(Nanos(1_190)) && !lease.held(Nanos(1_191)));
        for beat in (2_000..2_500).step_by(7) {
            writer.heartbeat(Nanos(beat));
            assert!(lease.held(Nanos(beat)), "a beating process never loses it");
        }
        assert!(!lease.held(Nanos(2_600)));
        // A clock that was read before the heartbeat's, or a heartbeat that lies: the next look is at the word again.
        writer.heartbeat(Nanos(9_000));
        assert!(lease.held(Nanos(3_000)));
        writer.heartbeat(Nanos(3_001));
        assert!(!lease.held(Nanos(3_102)), "what was to come at 9000 is not believed");
        // A new life in the same region.
        let _reborn = StatusWriter::start(&body, 2, 2, Nanos(4_000));
        assert!(lease.held(Nanos(4_050)) && !lease.held(Nanos(4_101)));
    }
}
