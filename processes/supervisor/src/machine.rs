//! The supervisor's core: which process lives, which is restarted and how, what the operator may do, and how it all ends.
//!
//! It never starts, kills or reads anything itself: deaths, fences, rebuilds and commands are its inputs, and what is to
//! be done about them its outputs, which the shell carries out in the order given.

mod command;
mod life;
mod slot;
mod stop;
#[cfg(test)]
mod tests;

pub use command::{Command, Refusal};
pub use slot::{Phase, Restored, Slot};

use crate::config::Timing;
use machine::{Machine, Nanos};
use shm_layout::control_page::{ROSTER, RosterState};
use shm_layout::message::control::{Control, ControlKind};
use shm_layout::types::Role;
use std::fmt;
use stop::Stop;

/// Exit code of a start that failed without a better one: sysexits' EX_SOFTWARE.
pub const EX_SOFTWARE: u8 = 70;

/// Last restart epoch: an epoch is 18 bits of a ClOrdID.
pub const EPOCH_MAX: u32 = (1 << 18) - 1;

/// The order in which roles are started; each wave runs before the next begins.
const WAVES: [Role; 5] = [Role::ExecutionGateway, Role::FeedHandler, Role::Risk, Role::Recorder, Role::Strategy];

/// How a process ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// It was not this supervisor's child: nobody says.
    Unknown,
}

impl Exit {
    /// True unless it is known to have gone wrong.
    #[must_use]
    pub const fn is_clean(self) -> bool {
        matches!(self, Self::Code(0) | Self::Unknown)
    }
}

/// What the supervisor is told. A slot is a place of the roster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// Start every process, wave by wave.
    Boot,
    /// Its death is proven (or it could not be started).
    ProcessExited(usize, Exit),
    /// It says that it runs.
    ProcessReady(usize),
    /// Its heartbeat is too old.
    HeartbeatStale(usize),
    /// Its heartbeat is young, its input waits, and it gets nothing done.
    ProgressStalled(usize),
    /// The epoch asked for is durable, or could not be made so.
    EpochPersisted {
        /// Whose.
        slot: usize,
        /// Which.
        epoch: u32,
        /// It is durable.
        durable: bool,
    },
    /// A gateway journaled a fence.
    FenceEchoed {
        /// Index of the gateway.
        gateway: u8,
        /// Role fenced.
        role: Role,
        /// Its index.
        index: u8,
        /// Its new epoch.
        epoch: u32,
        /// Sequence of the Fence record.
        journal_sequence: u64,
    },
    /// A rebuild ended: one entry per gateway, or `None` when it failed.
    RebuildDone {
        /// Whose.
        slot: usize,
        /// For which life.
        epoch: u32,
        /// What it came to.
        restored: Option<Vec<Restored>>,
    },
    /// A process published the hash of its orders state.
    StateReported {
        /// Whose.
        slot: usize,
        /// What it has.
        state: Restored,
    },
    /// A kill word is latched.
    KillEngaged,
    /// None is latched any more.
    KillReleased,
    /// Open orders of all living gateways, together.
    OpenOrders(u64),
    /// A command of the operator.
    Command {
        /// Its id, echoed in what is published and in the reply.
        request_id: u64,
        /// What is asked.
        command: Command,
    },
    /// End everything in order: Ctrl-C, SIGTERM.
    Stop,
}

/// What the shell is to do, in the order given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// SIGKILL by pidfd; the death is told when it is proven.
    KillProcess(usize),
    /// Ignore (or heed again) the process's gating cursors.
    Park(usize, bool),
    /// Make the epoch durable, and say so.
    PersistEpoch(usize, u32),
    /// Publish on `control`; the shell stamps the time.
    Publish(Control),
    /// Fold the journals for a new life, in a child.
    SpawnRebuild {
        /// Whose.
        slot: usize,
        /// The new life.
        epoch: u32,
        /// Gateways (bit by index) that fenced this epoch; the journals of the others end with their writers.
        fenced: u64,
    },
    /// Kill the rebuild's child; nothing is told of it any more.
    CancelRebuild(usize),
    /// Start the process.
    Spawn {
        /// Whose.
        slot: usize,
        /// Its epoch.
        epoch: u32,
        /// Earlier lives.
        restarts: u64,
        /// It starts from the rebuild's snapshot.
        snapshot: bool,
    },
    /// Engage the kill words as the supervisor.
    LatchKill(String),
    /// Show this in the roster.
    SetRoster {
        /// Whose.
        slot: usize,
        /// What to say of it.
        state: RosterState,
        /// Its epoch.
        epoch: u32,
        /// Earlier lives.
        restarts: u64,
    },
    /// Which strategies the operator armed, bit by index.
    SetArmed(u64),
    /// Answer a command.
    Reply {
        /// Which.
        request_id: u64,
        /// Why it was refused; `None` = done.
        refused: Option<Refusal>,
    },
    /// Every process ran once.
    Booted,
    /// For the log.
    Say(String),
    /// It is over.
    Finish {
        /// Exit code.
        code: u8,
        /// Every process is proven dead: regions may be removed.
        clean: bool,
    },
}

/// What the machine is about.
#[derive(Clone, Debug)]
enum Mode {
    Booting,
    Watching,
    Stopping(Stop),
    /// The start failed: everything is killed, then it ends with the code; at the latest at the time given.
    Aborting(u8, Nanos),
    Finished,
}

type Emit<'a> = &'a mut dyn FnMut(Output);

/// Nanoseconds, shown in milliseconds.
struct Ms(u64);

impl fmt::Display for Ms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03} ms", self.0 / 1_000_000, self.0 / 1_000 % 1_000)
    }
}

/// The core.
#[derive(Clone, Debug)]
pub struct Supervisor {
    timing: Timing,
    slots: Vec<Slot>,
    /// Strategies that the operator armed, bit by index.
    armed: u64,
    kill_engaged: bool,
    /// The journals hold records of earlier boots: first lives start from a rebuild too.
    journaled: bool,
    mode: Mode,
    /// Time of the input or timer at hand.
    now: Nanos,
}

impl Supervisor {
    /// A supervisor that will start every process ([`Input::Boot`]). `slots` is the roster with the epochs used last;
    /// `journaled`: some journal holds records already.
    #[must_use]
    pub fn new(timing: Timing, slots: Vec<Slot>, journaled: bool) -> Self {
        assert!(slots.len() <= ROSTER, "a roster has {ROSTER} places");
        Self { timing, slots, armed: 0, kill_engaged: false, journaled, mode: Mode::Booting, now: Nanos(0) }
    }

    /// A supervisor that takes over what a dead one left running; the dead of `slots` are told as inputs.
    #[must_use]
    pub fn adopt(timing: Timing, mut slots: Vec<Slot>, given_up: &[usize], armed: u64) -> Self {
        for slot in &mut slots {
            (slot.phase, slot.ran) = (Phase::Running, true);
        }
        for &slot in given_up {
            slots[slot].phase = Phase::GivenUp;
        }
        Self { timing, slots, armed, kill_engaged: false, journaled: true, mode: Mode::Watching, now: Nanos(0) }
    }

    /// The processes.
    #[must_use]
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// What it is about, for people: `starting`, `running`, `degraded`, `stopping`, `stopped`.
    #[must_use]
    pub fn state_name(&self) -> &'static str {
        match &self.mode {
            Mode::Booting => "starting",
            Mode::Watching if self.slots.iter().any(|slot| slot.phase == Phase::GivenUp) => "degraded",
            Mode::Watching => "running",
            Mode::Stopping(_) | Mode::Aborting(..) => "stopping",
            Mode::Finished => "stopped",
        }
    }

    /// True while [`Input::OpenOrders`] is waited for.
    #[must_use]
    pub const fn wants_open_orders(&self) -> bool {
        matches!(&self.mode, Mode::Stopping(_))
    }

    fn is_ending(&self) -> bool {
        matches!(self.mode, Mode::Stopping(_) | Mode::Aborting(..) | Mode::Finished)
    }

    fn any_lives(&self, role: Role) -> bool {
        self.slots.iter().any(|slot| slot.role == role && slot.lives())
    }

    fn roster(&self, slot: usize, state: RosterState, emit: Emit<'_>) {
        let Slot { epoch, restarts, .. } = self.slots[slot];
        emit(Output::SetRoster { slot, state, epoch, restarts });
    }

    /// Disarms every strategy and forgets that the operator armed any.
    fn disarm_all(&mut self, emit: Emit<'_>) {
        for slot in self.slots.iter().filter(|slot| slot.role == Role::Strategy) {
            emit(Output::Publish(slot.control(ControlKind::Disarm, 0)));
        }
        self.armed = 0;
        emit(Output::SetArmed(0));
    }

    /// Says that a process has left a stage, and how long that took; the next one begins.
    fn say_stage(&mut self, slot: usize, done: &str, emit: Emit<'_>) {
        let (process, now) = (&mut self.slots[slot], self.now);
        let took = Ms(now.0.saturating_sub(process.stage_began.0));
        process.stage_began = now;
        emit(Output::Say(format!("{}: {done} after {took}", process.name())));
    }

    /// SIGKILLs a living process, once.
    fn kill(&mut self, slot: usize, why: &str, emit: Emit<'_>) {
        let process = &mut self.slots[slot];
        if process.lives() && !process.killed {
            (process.killed, process.stage_began) = (true, self.now);
            emit(Output::Say(format!("{}: killed: {why}", process.name())));
            emit(Output::KillProcess(slot));
        }
    }

    fn exited(&mut self, now: Nanos, slot: usize, exit: Exit, emit: Emit<'_>) {
        let process = &self.slots[slot];
        if !process.lives() {
            return;
        }
        let proof = if process.killed {
            format!(", proven {} after the kill", Ms(now.0.saturating_sub(process.stage_began.0)))
        } else {
            String::new()
        };
        emit(Output::Say(format!("{}: ended: {exit:?}{proof}", process.name())));
        match self.mode {
            Mode::Stopping(_) => self.stopped(now, slot, exit, emit),
            Mode::Aborting(..) | Mode::Finished => self.aborted(slot, emit),
            Mode::Booting if !process.ran => {
                self.slots[slot].phase = Phase::Stopped;
                self.roster(slot, RosterState::Stopped, emit);
                let code = match exit {
                    Exit::Code(code @ 64..=78) => code as u8,
                    _ => EX_SOFTWARE,
                };
                self.abort(now, code, emit);
            }
            Mode::Booting | Mode::Watching => self.died(now, slot, emit),
        }
    }

    /// Starts the first wave that has not begun, when every wave before it runs.
    fn advance_boot(&mut self, now: Nanos, emit: Emit<'_>) {
        if !matches!(self.mode, Mode::Booting) {
            return;
        }
        for role in WAVES {
            let wave: Vec<usize> = (0..self.slots.len()).filter(|&slot| self.slots[slot].role == role).collect();
            if wave.iter().any(|&slot| self.slots[slot].phase == Phase::Absent) {
                for slot in wave {
                    self.begin_life(now, slot, emit);
                }
                return;
            }
            if wave.iter().any(|&slot| !self.slots[slot].ran && !self.slots[slot].ended()) {
                return;
            }
        }
        self.mode = Mode::Watching;
        emit(Output::Booted);
    }
}

impl Machine for Supervisor {
    type Input = Input;
    type Output = Output;
    /// A stop of a full roster says, disarms and ends every process.
    const OUTPUTS_MAX: usize = 8 * ROSTER;

    fn on_input(&mut self, now: Nanos, input: &Input, emit: &mut impl FnMut(Output)) {
        self.now = now;
        match input {
            Input::Boot => self.advance_boot(now, emit),
            Input::ProcessExited(slot, exit) => self.exited(now, *slot, *exit, emit),
            Input::ProcessReady(slot) => self.ready(now, *slot, emit),
            Input::HeartbeatStale(slot) => self.stalled(*slot, "its heartbeat stopped", emit),
            Input::ProgressStalled(slot) => self.stalled(*slot, "it makes no progress", emit),
            Input::EpochPersisted { slot, epoch, durable } => self.persisted(now, *slot, *epoch, *durable, emit),
            Input::FenceEchoed { gateway, role, index, epoch, .. } => {
                self.fence_echoed(now, *gateway, (*role, *index), *epoch, emit);
            }
            Input::RebuildDone { slot, epoch, restored } => self.rebuilt(now, *slot, *epoch, restored.as_deref(), emit),
            Input::StateReported { slot, state } => self.state_reported(*slot, state, emit),
            Input::KillEngaged => {
                self.kill_engaged = true;
                emit(Output::Say("the kill is engaged: every strategy is disarmed".into()));
                self.disarm_all(emit);
            }
            Input::KillReleased => self.kill_engaged = false,
            Input::OpenOrders(total) => self.open_orders(now, *total, emit),
            Input::Command { request_id, command } => self.command(now, *request_id, *command, emit),
            Input::Stop => self.begin_stop(now, emit),
        }
    }

    fn on_timer(&mut self, now: Nanos, emit: &mut impl FnMut(Output)) {
        self.now = now;
        self.stop_timer(now, emit);
        for slot in 0..self.slots.len() {
            if self.slots[slot].deadline().is_some_and(|at| at <= now) && !self.is_ending() {
                self.life_timer(now, slot, emit);
            }
        }
    }

    fn deadline(&self) -> Option<Nanos> {
        match &self.mode {
            Mode::Stopping(stop) => Some(stop.until()),
            Mode::Aborting(_, until) => Some(*until),
            Mode::Finished => None,
            Mode::Booting | Mode::Watching => self.slots.iter().filter_map(Slot::deadline).min(),
        }
    }
}
