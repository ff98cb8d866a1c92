//! Commands of the operator.

use super::{Emit, Output, Phase, Supervisor};
use machine::Nanos;
use serde::Deserialize;
use shm_layout::message::control::{Control, ControlKind};
use shm_layout::types::Role;

/// What an operator can ask for over the supervisor's socket; a line of JSON such as `{"command":"arm","strategy":0}`.
/// `status` is answered by the shell alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// A strategy may trade.
    Arm {
        /// Its index.
        strategy: u8,
    },
    /// A strategy may not open orders.
    Disarm {
        /// Its index.
        strategy: u8,
    },
    /// Every gateway cancels every open order.
    CancelAll {},
    /// The instance ends in order.
    Stop {},
    /// The whole state, as one line.
    Status {},
    /// The kill words were released: noted. Strategies stay disarmed.
    KillReleased {},
    /// A process allocates once on purpose, to show that its counter counts.
    AllocateOnce {
        /// Folder name of its role.
        #[serde(deserialize_with = "role")]
        role: Role,
        /// Its index.
        index: u8,
    },
}

fn role<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Role, D::Error> {
    let name = String::deserialize(deserializer)?;
    Role::from_folder(&name).ok_or_else(|| serde::de::Error::custom(format_args!("{name:?} is no role")))
}

/// Why a command was not done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// No such process.
    #[error("there is no such process")]
    Unknown,
    /// It does not run.
    #[error("the process does not run (yet, or any more)")]
    NotRunning,
    /// Its restored state is not yet known to be the journal's.
    #[error("the strategy's restored state is not yet known to equal the journal's")]
    NotRestored,
    /// A kill word is latched.
    #[error("the kill is engaged; release it first")]
    Killed,
    /// No gateway lives.
    #[error("no gateway lives; what it sent is known to the venue alone")]
    NoGateway,
    /// The instance is ending.
    #[error("the instance is stopping")]
    Stopping,
}

impl Supervisor {
    pub(super) fn command(&mut self, now: Nanos, request_id: u64, command: Command, emit: Emit<'_>) {
        let refused = if self.is_ending() && command != (Command::Stop {}) {
            Some(Refusal::Stopping)
        } else {
            self.obey(request_id, command, emit).err()
        };
        emit(Output::Reply { request_id, refused });
        if command == (Command::Stop {}) {
            self.begin_stop(now, emit);
        }
    }

    fn obey(&mut self, request_id: u64, command: Command, emit: Emit<'_>) -> Result<(), Refusal> {
        match command {
            Command::Arm { strategy } => self.arm(request_id, strategy, emit),
            Command::Disarm { strategy } => {
                let slot = self.find(Role::Strategy, strategy)?;
                self.armed &= !(1 << strategy);
                emit(Output::SetArmed(self.armed));
                emit(Output::Publish(self.slots[slot].control(ControlKind::Disarm, request_id)));
                Ok(())
            }
            Command::CancelAll {} => {
                if !self.any_lives(Role::ExecutionGateway) {
                    return Err(Refusal::NoGateway);
                }
                emit(Output::Publish(Control { kind: ControlKind::CancelAll as u8, request_id, ..Control::default() }));
                Ok(())
            }
            Command::AllocateOnce { role, index } => {
                let slot = self.find(role, index)?;
                if self.slots[slot].phase != Phase::Running {
                    return Err(Refusal::NotRunning);
                }
                emit(Output::Publish(self.slots[slot].control(ControlKind::AllocateOnce, request_id)));
                Ok(())
            }
            Command::Stop {} | Command::Status {} | Command::KillReleased {} => Ok(()),
        }
    }

    fn arm(&mut self, request_id: u64, strategy: u8, emit: Emit<'_>) -> Result<(), Refusal> {
        let slot = self.find(Role::Strategy, strategy)?;
        let process = &self.slots[slot];
        if self.kill_engaged {
            return Err(Refusal::Killed);
        }
        if process.phase != Phase::Running || process.killed {
            return Err(Refusal::NotRunning);
        }
        if !process.is_restored() {
            return Err(Refusal::NotRestored);
        }
        self.armed |= 1 << strategy;
        emit(Output::SetArmed(self.armed));
        emit(Output::Publish(process.control(ControlKind::Arm, request_id)));
        Ok(())
    }

    fn find(&self, role: Role, index: u8) -> Result<usize, Refusal> {
        let place = self.slots.iter().position(|slot| (slot.role, slot.index) == (role, index));
        place.ok_or(Refusal::Unknown)
    }
}
