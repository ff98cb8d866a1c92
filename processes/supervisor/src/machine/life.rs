//! Lives of processes: how one begins, with or without the barrier, and what follows a death.
//!
//! ```text
//! death → parked → epoch durable → epoch published → fenced by every living gateway → rebuilt → started
//!       → runs, unparked → its state equals the rebuild's → armed again, if the operator had armed it
//! ```
//! A death at any step begins the sequence anew with the next epoch; nothing of the step that was cut short counts.

use super::{EPOCH_MAX, EX_SOFTWARE, Emit, Mode, Ms, Output, Phase, Restored, Supervisor};
use machine::Nanos;
use shm_layout::control_page::RosterState;
use shm_layout::message::control::ControlKind;
use shm_layout::types::Role;

impl Supervisor {
    /// Prepares the next life of a process.
    pub(super) fn begin_life(&mut self, now: Nanos, slot: usize, emit: Emit<'_>) {
        let process = &mut self.slots[slot];
        if process.epoch >= EPOCH_MAX {
            emit(Output::Say(format!("{}/{}: no epoch is left", process.role.folder(), process.index)));
            return self.fail_for_good(now, slot, emit);
        }
        process.epoch += 1;
        process.phase = Phase::Persisting;
        (process.fenced, process.equal) = (0, 0);
        process.expected.clear();
        process.stage_began = now;
        emit(Output::PersistEpoch(slot, process.epoch));
    }

    pub(super) fn persisted(&mut self, now: Nanos, slot: usize, epoch: u32, durable: bool, emit: Emit<'_>) {
        let process = &mut self.slots[slot];
        if process.phase != Phase::Persisting || process.epoch != epoch {
            return;
        }
        if !durable {
            return self.fail_for_good(now, slot, emit);
        }
        let done = format!("epoch {epoch} synced");
        self.say_stage(slot, &done, emit);
        let process = &mut self.slots[slot];
        if process.is_rebuilt() {
            emit(Output::Publish(process.control(ControlKind::Epoch, 0)));
            if self.journaled || process.restarts > 0 {
                process.phase = Phase::Fencing(now.plus(self.timing.fence_timeout_ns));
                return self.check_fenced(now, slot, emit);
            }
        }
        self.spawn(now, slot, false, emit);
    }

    pub(super) fn fence_echoed(&mut self, now: Nanos, gateway: u8, fenced: (Role, u8), epoch: u32, emit: Emit<'_>) {
        let is_meant = |slot: &super::Slot| {
            (slot.role, slot.index) == fenced && slot.epoch == epoch && matches!(slot.phase, Phase::Fencing(_))
        };
        if let Some(slot) = self.slots.iter().position(is_meant) {
            self.slots[slot].fenced |= 1 << gateway;
            self.check_fenced(now, slot, emit);
        }
    }

    /// Goes on to the rebuild once every living gateway has fenced the epoch.
    fn check_fenced(&mut self, now: Nanos, slot: usize, emit: Emit<'_>) {
        let fenced = self.slots[slot].fenced;
        let mut gateways = self.slots.iter().filter(|other| other.role == Role::ExecutionGateway && other.lives());
        if gateways.all(|gateway| fenced >> gateway.index & 1 == 1) {
            self.say_stage(slot, "fenced by every living gateway", emit);
            let process = &mut self.slots[slot];
            process.phase = Phase::Rebuilding(now.plus(self.timing.rebuild_timeout_ns));
            emit(Output::SpawnRebuild { slot, epoch: process.epoch, fenced });
        }
    }

    pub(super) fn rebuilt(
        &mut self,
        now: Nanos,
        slot: usize,
        epoch: u32,
        restored: Option<&[Restored]>,
        emit: Emit<'_>,
    ) {
        let process = &mut self.slots[slot];
        if !matches!(process.phase, Phase::Rebuilding(_)) || process.epoch != epoch {
            return;
        }
        match restored {
            Some(restored) => {
                process.expected = restored.to_vec();
                self.say_stage(slot, "rebuilt", emit);
                self.spawn(now, slot, true, emit);
            }
            None => {
                emit(Output::Say(format!("{}/{}: its rebuild failed", process.role.folder(), process.index)));
                self.failed(now, slot, emit);
            }
        }
    }

    fn spawn(&mut self, now: Nanos, slot: usize, snapshot: bool, emit: Emit<'_>) {
        let process = &mut self.slots[slot];
        process.phase = Phase::Starting(now.plus(self.timing.start_timeout_ns));
        process.killed = false;
        emit(Output::Spawn { slot, epoch: process.epoch, restarts: process.restarts, snapshot });
        self.roster(slot, RosterState::Starting, emit);
    }

    pub(super) fn ready(&mut self, now: Nanos, slot: usize, emit: Emit<'_>) {
        let process = &mut self.slots[slot];
        if !matches!(process.phase, Phase::Starting(_)) || process.killed {
            return;
        }
        process.phase = Phase::Running;
        process.ran = true;
        let whole = process.died_at.take().map(|died| Ms(now.0.saturating_sub(died.0)));
        let whole = whole.map_or_else(String::new, |took| format!(" ({took} after its death)"));
        self.say_stage(slot, &format!("started and runs{whole},"), emit);
        emit(Output::Park(slot, false));
        self.roster(slot, RosterState::Running, emit);
        if !self.is_ending() {
            self.arm_again(slot, emit);
            self.advance_boot(now, emit);
        }
    }

    pub(super) fn stalled(&mut self, slot: usize, why: &str, emit: Emit<'_>) {
        if self.slots[slot].phase == Phase::Running && !self.is_ending() {
            self.kill(slot, why, emit);
        }
    }

    pub(super) fn state_reported(&mut self, slot: usize, state: &Restored, emit: Emit<'_>) {
        let process = &mut self.slots[slot];
        let same = |expected: &Restored| (expected.gateway, expected.through) == (state.gateway, state.through);
        let Some(place) = process.expected.iter().position(same).filter(|_| process.lives()) else { return };
        if process.expected[place].hash != state.hash {
            return self.kill(slot, "its restored state is not the journal's", emit);
        }
        let before = process.equal;
        process.equal |= 1 << place;
        if process.equal != before {
            self.arm_again(slot, emit);
        }
    }

    /// Arms a restarted strategy that the operator had armed, once it runs and its state is proven.
    fn arm_again(&mut self, slot: usize, emit: Emit<'_>) {
        let process = &self.slots[slot];
        let was_armed = process.role == Role::Strategy && self.armed >> process.index & 1 == 1;
        let is_sound = process.phase == Phase::Running && !process.killed && process.is_restored();
        if was_armed && is_sound && !self.kill_engaged {
            emit(Output::Publish(process.control(ControlKind::Arm, 0)));
            self.say_stage(slot, "state proven and armed again", emit);
        }
    }

    /// A life ended, or could not begin, and nobody asked for it.
    pub(super) fn died(&mut self, now: Nanos, slot: usize, emit: Emit<'_>) {
        emit(Output::Park(slot, true));
        let process = &mut self.slots[slot];
        let name = format!("{}/{}", process.role.folder(), process.index);
        if process.role == Role::ExecutionGateway {
            self.give_up(slot, emit);
            emit(Output::LatchKill(format!("{name} died: what it sent is known to the venue alone")));
            self.disarm_all(emit);
            return self.recheck_fences(now, emit);
        }
        if process.role == Role::Strategy {
            emit(Output::Publish(process.control(ControlKind::Disarm, 0)));
        }
        match process.died(now, &self.timing) {
            None => {
                emit(Output::Say(format!("{name}: died too often, it is not started again")));
                self.quarantine(slot, emit);
                self.advance_boot(now, emit);
            }
            Some(at) if at <= now => {
                self.roster(slot, RosterState::Restarting, emit);
                self.begin_life(now, slot, emit);
            }
            Some(at) => {
                process.phase = Phase::BackOff(at);
                emit(Output::Say(format!("{name}: started again in {}", Ms(at.0.saturating_sub(now.0)))));
                self.roster(slot, RosterState::Restarting, emit);
            }
        }
    }

    /// Waits for fences of gateways that died since end here.
    fn recheck_fences(&mut self, now: Nanos, emit: Emit<'_>) {
        for slot in 0..self.slots.len() {
            if matches!(self.slots[slot].phase, Phase::Fencing(_)) {
                self.check_fenced(now, slot, emit);
            }
        }
    }

    fn give_up(&mut self, slot: usize, emit: Emit<'_>) {
        self.slots[slot].phase = Phase::GivenUp;
        self.roster(slot, RosterState::GivenUp, emit);
    }

    /// Gives a process up; without it the strategies that need it do not trade.
    fn quarantine(&mut self, slot: usize, emit: Emit<'_>) {
        self.give_up(slot, emit);
        let process = &self.slots[slot];
        match process.role {
            Role::Strategy => {
                self.armed &= !(1 << process.index);
                emit(Output::SetArmed(self.armed));
            }
            Role::Recorder => {}
            _ => self.disarm_all(emit),
        }
    }

    /// A life that could not begin: fatal to a start, else as a death.
    fn failed(&mut self, now: Nanos, slot: usize, emit: Emit<'_>) {
        if matches!(self.mode, Mode::Booting) && !self.slots[slot].ran {
            self.slots[slot].phase = Phase::Stopped;
            return self.abort(now, EX_SOFTWARE, emit);
        }
        self.died(now, slot, emit);
    }

    /// A life that cannot begin, however often it is tried.
    fn fail_for_good(&mut self, now: Nanos, slot: usize, emit: Emit<'_>) {
        if matches!(self.mode, Mode::Booting) && !self.slots[slot].ran {
            self.slots[slot].phase = Phase::Stopped;
            return self.abort(now, EX_SOFTWARE, emit);
        }
        self.quarantine(slot, emit);
    }

    pub(super) fn life_timer(&mut self, now: Nanos, slot: usize, emit: Emit<'_>) {
        let process = &mut self.slots[slot];
        match process.phase {
            Phase::Fencing(_) => {
                process.phase = Phase::Fencing(now.plus(self.timing.fence_timeout_ns));
                let (role, index) = (process.role.folder(), process.index);
                emit(Output::Say(format!("{role}/{index}: a gateway has not fenced its epoch; published again")));
                emit(Output::Publish(process.control(ControlKind::Epoch, 0)));
            }
            Phase::Rebuilding(_) => {
                emit(Output::CancelRebuild(slot));
                emit(Output::Say(format!("{}/{}: its rebuild took too long", process.role.folder(), process.index)));
                self.failed(now, slot, emit);
            }
            Phase::Starting(_) => self.kill(slot, "it did not start in time", emit),
            Phase::BackOff(_) => self.begin_life(now, slot, emit),
            _ => {}
        }
    }
}
