//! What the shell looks at in each pass, and what it tells the core of it.

use super::{Counter, DEATH_POLL_NS, HEARTBEAT_POLL_NS, Shell};
use crate::epochs::Persisted;
use crate::handle::Handle;
use crate::machine::{Exit, Input, Phase, Restored, Slot};
use crate::rebuild;
use shm_layout::kill_page::Engager;
use shm_layout::status::ProcessState;
use shm_layout::types::{Nanos, Role};

const MS: u64 = 1_000_000;

impl Shell {
    fn slot(&self, slot: usize) -> &Slot {
        &self.core.machine.slots()[slot]
    }

    pub(super) fn observe_kill(&mut self) {
        let generation = self.kill.generation();
        if generation == self.kill_generation {
            return;
        }
        self.kill_generation = generation;
        for engager in Engager::ALL.iter().filter(|_| generation != 0) {
            if let Some(kill) = self.kill.engagement(*engager).filter(|kill| kill.generation == generation) {
                tracing::error!("kill engaged by {}: {}", engager.name(), kill.reason);
            }
        }
        self.queue.push_back(if generation == 0 { Input::KillReleased } else { Input::KillEngaged });
    }

    pub(super) fn observe_deaths(&mut self, now: Nanos) {
        if now < self.next_death_poll {
            return;
        }
        self.next_death_poll = now.plus(DEATH_POLL_NS);
        for slot in 0..self.seats.len() {
            let ended = self.seats[slot].handle.as_mut().and_then(Handle::ended).or_else(|| self.stage_ended(slot));
            if let Some(exit) = ended {
                self.seats[slot].handle = None;
                self.count(Counter::Ended);
                self.queue.push_back(Input::ProcessExited(slot, exit));
            }
        }
    }

    /// The end of a stage whose host lives on for another: in order, by its own word, given after it let go of its regions.
    /// The last stage's end is its host's death.
    fn stage_ended(&self, slot: usize) -> Option<Exit> {
        let handle = self.seats[slot].handle.as_ref()?;
        self.file.host().placement.host_of(self.slot(slot).role)?;
        let id = handle.id();
        let sharing = self.seats.iter().filter_map(|seat| seat.handle.as_ref()).filter(|other| other.id() == id);
        let status = &self.seats[slot].watched.status;
        let is_this_life = status.epoch() == u64::from(self.slot(slot).epoch) && status.pid() == id.pid;
        let stopped = is_this_life && status.state() == Some(ProcessState::Stopped);
        (stopped && sharing.count() > 1).then_some(Exit::Code(0))
    }

    /// Looks at what processes say of themselves: that they run, which fences they journaled, what they restored.
    pub(super) fn observe_progress_of_lives(&mut self) {
        for slot in 0..self.seats.len() {
            match self.slot(slot).phase {
                Phase::Starting(_) => {
                    if self.says_ready(slot) {
                        self.queue.push_back(Input::ProcessReady(slot));
                    }
                    self.observe_restored(slot);
                }
                Phase::Running => self.observe_restored(slot),
                Phase::Fencing(_) => self.observe_fences(slot),
                _ => {}
            }
        }
    }

    /// True when the process of this very life says that it runs. Gateways and feed handlers may recover for as long as
    /// their venue takes; they are attached by then, and that is what counts.
    fn says_ready(&self, slot: usize) -> bool {
        let Slot { role, epoch, .. } = *self.slot(slot);
        let seat = &self.seats[slot];
        let Some(handle) = &seat.handle else { return false };
        let status = &seat.watched.status;
        let is_this_life = status.epoch() == u64::from(epoch) && status.pid() == handle.id().pid;
        let recovers = matches!(role, Role::ExecutionGateway | Role::FeedHandler);
        match status.state() {
            Some(ProcessState::Running) => is_this_life,
            Some(ProcessState::Recovering) => is_this_life && recovers,
            _ => false,
        }
    }

    fn observe_fences(&mut self, slot: usize) {
        let Slot { role, index, epoch, .. } = *self.slot(slot);
        for gateway in 0..self.seats.len() {
            let process = self.slot(gateway);
            if process.role != Role::ExecutionGateway || !process.lives() {
                continue;
            }
            let gateway_index = process.index;
            let echo = self.seats[gateway].watched.status.fence_echo(role, index);
            if let Some(echo) = echo.filter(|echo| echo.epoch == u64::from(epoch)) {
                let (gateway, journal_sequence) = (gateway_index, echo.journal_sequence);
                self.queue.push_back(Input::FenceEchoed { gateway, role, index, epoch, journal_sequence });
            }
        }
    }

    fn observe_restored(&mut self, slot: usize) {
        let process = self.slot(slot);
        let status = &self.seats[slot].watched.status;
        if process.is_restored() || process.killed || status.epoch() != u64::from(process.epoch) {
            return;
        }
        let reported: Vec<Restored> = status
            .checkpoints()
            .map(|c| Restored { gateway: c.gateway, through: c.journal_sequence, hash: c.state_hash })
            .filter(|state| process.expects(state.gateway, state.through))
            .collect();
        self.queue.extend(reported.into_iter().map(|state| Input::StateReported { slot, state }));
    }

    pub(super) fn observe_rebuilds(&mut self) {
        for slot in 0..self.seats.len() {
            let Some(running) = &mut self.seats[slot].rebuild else { continue };
            let status = match running.child.reap() {
                Ok(None) => continue,
                Ok(Some(status)) => Some(status),
                Err(_) => None,
            };
            let Some(done) = self.seats[slot].rebuild.take() else { continue };
            let report = rebuild::read_report(&done.snapshot);
            let restored = report.ok().filter(|_| status.is_some_and(|status| status.success()));
            if restored.is_none() {
                self.count(Counter::RebuildsFailed);
            }
            self.seats[slot].snapshot = Some(done.snapshot);
            self.queue.push_back(Input::RebuildDone { slot, epoch: done.epoch, restored });
        }
    }

    pub(super) fn observe_epochs(&mut self) {
        for Persisted { slot, epoch, durable } in self.epochs.done() {
            self.queue.push_back(Input::EpochPersisted { slot, epoch, durable });
        }
    }

    pub(super) fn observe_heartbeats(&mut self, now: Nanos) {
        if now < self.next_heartbeat_poll {
            return;
        }
        self.next_heartbeat_poll = now.plus(HEARTBEAT_POLL_NS);
        let heartbeat_ns = self.config.heartbeat_timeout_ms.get() * MS;
        let progress_ns = self.config.progress_timeout_ms.get() * MS;
        for slot in 0..self.seats.len() {
            let seen = self.seats[slot].watched.observe(now);
            let is_watched = self.slot(slot).phase == Phase::Running && !self.slot(slot).killed;
            if !is_watched || now < self.grace_until {
                continue;
            }
            if seen.heartbeat_age_ns > heartbeat_ns {
                self.queue.push_back(Input::HeartbeatStale(slot));
            } else if progress_ns != 0 && seen.progress_age_ns > progress_ns && self.seats[slot].watched.has_input() {
                self.queue.push_back(Input::ProgressStalled(slot));
            }
        }
    }

    pub(super) fn observe_open_orders(&mut self) {
        if !self.core.machine.wants_open_orders() {
            return;
        }
        let slots = self.core.machine.slots().iter().zip(&self.seats);
        let gateways = slots.filter(|(process, _)| process.role == Role::ExecutionGateway && process.lives());
        let total = gateways.map(|(_, seat)| seat.watched.counter("open_orders")).sum();
        self.queue.push_back(Input::OpenOrders(total));
    }
}
