//! The end: a clean stop step by step, each step bounded, and the abort of a start that failed.
//!
//! ```text
//! disarm, cancel all, wait for no open order ▶ stop strategies and risk ▶ cancel what they still sent ▶ stop gateways
//!   ▶ stop feed handlers ▶ stop the recorder, which drains every ring ▶ finish
//! ```

use super::{Emit, Exit, Mode, Output, Phase, Supervisor};
use machine::Nanos;
use shm_layout::control_page::RosterState;
use shm_layout::message::control::{Control, ControlKind};
use shm_layout::types::Role;

/// Orders that were under way when everything was disarmed reach the gateways within this time.
const SETTLE_NS: u64 = 100_000_000;

/// A step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    Cancel,
    Traders,
    CancelAgain,
    Gateways,
    FeedHandlers,
    Recorder,
}

impl Step {
    const fn next(self) -> Option<Self> {
        match self {
            Self::Cancel => Some(Self::Traders),
            Self::Traders => Some(Self::CancelAgain),
            Self::CancelAgain => Some(Self::Gateways),
            Self::Gateways => Some(Self::FeedHandlers),
            Self::FeedHandlers => Some(Self::Recorder),
            Self::Recorder => None,
        }
    }

    /// Whom it ends; nobody where it waits for orders.
    const fn roles(self) -> &'static [Role] {
        match self {
            Self::Cancel | Self::CancelAgain => &[],
            Self::Traders => &[Role::Strategy, Role::Risk],
            Self::Gateways => &[Role::ExecutionGateway],
            Self::FeedHandlers => &[Role::FeedHandler],
            Self::Recorder => &[Role::Recorder],
        }
    }
}

/// A stop under way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stop {
    step: Step,
    /// The step's bound.
    until: Nanos,
    /// Before it, no count of open orders is believed.
    settled: Nanos,
    /// The step's processes were SIGKILLed.
    forced: bool,
    /// Something did not go as it should: exit code 1.
    failed: bool,
}

impl Stop {
    pub(super) const fn until(&self) -> Nanos {
        self.until
    }
}

impl Supervisor {
    /// Begins the stop; nothing when the end has begun already.
    pub(super) fn begin_stop(&mut self, now: Nanos, emit: Emit<'_>) {
        if self.is_ending() {
            return;
        }
        emit(Output::Say("stopping".into()));
        let mut failed = false;
        for slot in 0..self.slots.len() {
            match self.slots[slot].phase {
                Phase::GivenUp => failed = true,
                Phase::Running | Phase::Stopped => {}
                Phase::Starting(_) if self.slots[slot].role == Role::ExecutionGateway => {}
                Phase::Starting(_) => self.kill(slot, "it was still starting", emit),
                phase => {
                    if matches!(phase, Phase::Rebuilding(_)) {
                        emit(Output::CancelRebuild(slot));
                    }
                    self.slots[slot].phase = Phase::Stopped;
                    self.roster(slot, RosterState::Stopped, emit);
                }
            }
        }
        self.disarm_all(emit);
        self.enter(now, Step::Cancel, failed, emit);
    }

    /// Enters a step, or the first after it that has something to do.
    fn enter(&mut self, now: Nanos, first: Step, failed: bool, emit: Emit<'_>) {
        let mut step = Some(first);
        while let Some(at) = step {
            let until = now.plus(self.timing.stop_step_timeout_ns);
            let settled = if at == Step::Cancel { now.plus(SETTLE_NS) } else { now };
            self.mode = Mode::Stopping(Stop { step: at, until, settled, forced: false, failed });
            if self.begin_step(at, emit) {
                return;
            }
            step = at.next();
        }
        self.mode = Mode::Finished;
        emit(Output::Finish { code: u8::from(failed), clean: true });
    }

    /// Asks for what the step waits for; false when there is nothing to wait for.
    fn begin_step(&self, step: Step, emit: Emit<'_>) -> bool {
        if step.roles().is_empty() {
            let any = self.any_lives(Role::ExecutionGateway);
            if any {
                emit(Output::Publish(Control { kind: ControlKind::CancelAll as u8, ..Control::default() }));
            }
            return any;
        }
        let mut any = false;
        for process in self.slots.iter().filter(|slot| slot.lives() && step.roles().contains(&slot.role)) {
            emit(Output::Publish(process.control(ControlKind::Stop, 0)));
            any = true;
        }
        any
    }

    pub(super) fn open_orders(&mut self, now: Nanos, total: u64, emit: Emit<'_>) {
        let Mode::Stopping(stop) = &self.mode else { return };
        if stop.step.roles().is_empty() && total == 0 && now >= stop.settled {
            self.next_step(now, emit);
        }
    }

    fn next_step(&mut self, now: Nanos, emit: Emit<'_>) {
        let Mode::Stopping(Stop { step, failed, .. }) = self.mode else { return };
        match step.next() {
            Some(next) => self.enter(now, next, failed, emit),
            None => {
                self.mode = Mode::Finished;
                emit(Output::Finish { code: u8::from(failed), clean: true });
            }
        }
    }

    /// A process ended during the stop.
    pub(super) fn stopped(&mut self, now: Nanos, slot: usize, exit: Exit, emit: Emit<'_>) {
        let Mode::Stopping(stop) = &mut self.mode else { return };
        let process = &mut self.slots[slot];
        let asked_for = stop.step.roles().contains(&process.role) || process.killed;
        // A process that was killed while it started had nothing to lose.
        let had_nothing = process.killed && !process.ran;
        stop.failed |= !asked_for || !(exit.is_clean() || had_nothing);
        let lost_gateway = process.role == Role::ExecutionGateway && !asked_for;
        let roles = stop.step.roles();
        process.phase = Phase::Stopped;
        let name = format!("{}/{}", process.role.folder(), process.index);
        emit(Output::Park(slot, true));
        self.roster(slot, RosterState::Stopped, emit);
        if lost_gateway {
            emit(Output::LatchKill(format!("{name} died during the stop: its orders may be live")));
        }
        let waits = if roles.is_empty() {
            self.any_lives(Role::ExecutionGateway)
        } else {
            roles.iter().any(|role| self.any_lives(*role))
        };
        if !waits {
            self.next_step(now, emit);
        }
    }

    pub(super) fn stop_timer(&mut self, now: Nanos, emit: Emit<'_>) {
        match self.mode {
            Mode::Stopping(stop) if stop.until <= now => self.step_timed_out(now, stop, emit),
            Mode::Aborting(code, until) if until <= now => {
                self.mode = Mode::Finished;
                emit(Output::Say("a killed process does not die: its regions are left".into()));
                emit(Output::Finish { code, clean: false });
            }
            _ => {}
        }
    }

    fn step_timed_out(&mut self, now: Nanos, stop: Stop, emit: Emit<'_>) {
        emit(Output::Say(format!("the stop's step {:?} took too long", stop.step)));
        if stop.step.roles().is_empty() {
            self.mode = Mode::Stopping(Stop { failed: true, ..stop });
            return self.next_step(now, emit);
        }
        if stop.forced {
            self.mode = Mode::Finished;
            return emit(Output::Finish { code: 1, clean: false });
        }
        let until = now.plus(self.timing.stop_step_timeout_ns);
        self.mode = Mode::Stopping(Stop { forced: true, failed: true, until, ..stop });
        for slot in 0..self.slots.len() {
            if stop.step.roles().contains(&self.slots[slot].role) {
                self.kill(slot, "it did not stop in time", emit);
            }
        }
    }

    /// A start that failed leaves no process behind.
    pub(super) fn abort(&mut self, now: Nanos, code: u8, emit: Emit<'_>) {
        emit(Output::Say("the start failed: everything is ended".into()));
        self.mode = Mode::Aborting(code, now.plus(self.timing.stop_step_timeout_ns));
        for slot in 0..self.slots.len() {
            if matches!(self.slots[slot].phase, Phase::Rebuilding(_)) {
                emit(Output::CancelRebuild(slot));
                self.slots[slot].phase = Phase::Stopped;
            }
            self.kill(slot, "the start failed", emit);
        }
        self.finish_abort(emit);
    }

    /// A process ended during an abort.
    pub(super) fn aborted(&mut self, slot: usize, emit: Emit<'_>) {
        self.slots[slot].phase = Phase::Stopped;
        self.finish_abort(emit);
    }

    fn finish_abort(&mut self, emit: Emit<'_>) {
        if let Mode::Aborting(code, _) = self.mode
            && !self.slots.iter().any(super::Slot::lives)
        {
            self.mode = Mode::Finished;
            emit(Output::Finish { code, clean: true });
        }
    }
}
