//! Restart of the dead, step by step as the architecture document says: park, epoch, fence, rebuild, snapshot, restore,
//! unpark, and arm only when the restored hash is the journal's.

use crate::bus::ProcessId;
use crate::env::Env;
use crate::scenario::MS;
use shm_layout::message::control::{Control, ControlKind};
use shm_layout::types::{Nanos, Role};

/// Where a child stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// It runs, or is stopped.
    Running,
    /// Dead; its next life begins then.
    Dead(Nanos),
    /// Its new epoch is published; every gateway must journal the fence.
    Fencing,
    /// A child of the supervisor folds the journal until then.
    Rebuilding(Nanos),
    /// Not restarted any more.
    GivenUp,
}

/// One child.
#[derive(Clone, Copy, Debug)]
pub struct Child {
    /// Who.
    pub process: ProcessId,
    /// Its present epoch.
    pub epoch: u32,
    /// Where it stands.
    pub phase: Phase,
}

impl Child {
    /// Role and index on `control`.
    #[must_use]
    pub const fn identity(&self) -> (Role, u8) {
        match self.process {
            ProcessId::Feed => (Role::FeedHandler, 0),
            ProcessId::Risk => (Role::Risk, 0),
            ProcessId::Gateway => (Role::ExecutionGateway, 0),
            ProcessId::Strategy(index) => (Role::Strategy, index),
        }
    }
}

/// The children, and what the operator wants.
#[derive(Debug)]
pub struct Supervisor {
    /// By [`ProcessId::row`].
    pub children: Vec<Child>,
    /// The operator wants the strategies armed.
    pub armed: bool,
}

impl Supervisor {
    /// Everyone in the first epoch, which is published for who fences by it.
    #[must_use]
    pub fn new(env: &mut Env, strategies: u8) -> Self {
        let processes = [ProcessId::Feed, ProcessId::Risk, ProcessId::Gateway];
        let processes = processes.into_iter().chain((0..strategies).map(ProcessId::Strategy));
        let children = processes.map(|process| Child { process, epoch: 1, phase: Phase::Running }).collect();
        let supervisor = Self { children, armed: false };
        for row in 0..supervisor.children.len() {
            supervisor.announce(env, row);
        }
        supervisor
    }

    /// Publishes a child's epoch.
    pub fn announce(&self, env: &mut Env, row: usize) {
        self.say(env, row, ControlKind::Epoch);
    }

    /// Publishes a control message about a child.
    pub fn say(&self, env: &mut Env, row: usize, kind: ControlKind) {
        let child = &self.children[row];
        let (role, index) = child.identity();
        let epoch = if kind == ControlKind::Epoch { child.epoch } else { 0 };
        let message =
            Control { kind: kind as u8, role: role as u8, index, epoch, now_ns: env.now, ..Control::default() };
        env.bus.publish_control(&message);
    }

    /// Arms or disarms every strategy, for the operator.
    pub fn arm_all(&mut self, env: &mut Env, armed: bool) {
        self.armed = armed;
        let kind = if armed { ControlKind::Arm } else { ControlKind::Disarm };
        for row in 3..self.children.len() {
            self.say(env, row, kind);
        }
    }

    /// A child's death is proven: no writer waits for it any more.
    pub fn died(&mut self, env: &mut Env, row: usize) {
        let restart_at = env.now.plus(env.dice.between(400_000, 4 * MS));
        let process = self.children[row].process;
        self.children[row].phase = Phase::Dead(restart_at);
        match process {
            ProcessId::Risk => env.bus.order_intent.iter().for_each(|ring| ring.park(true)),
            ProcessId::Gateway => {
                env.bus.order_entry.park(true);
                self.children[row].phase = Phase::GivenUp;
                // What it sent is known to the venue alone.
                env.bus.kill_generation += 1;
                self.arm_all(env, false);
            }
            ProcessId::Strategy(_) => self.say(env, row, ControlKind::Disarm),
            ProcessId::Feed => {}
        }
    }

    /// Goes one step on with a child that is not running; true when its new life may begin now.
    pub fn step(&mut self, env: &mut Env, row: usize) -> bool {
        let (role, index) = self.children[row].identity();
        match self.children[row].phase {
            Phase::Dead(at) if env.now >= at => {
                self.children[row].epoch += 1;
                if role == Role::FeedHandler {
                    // It keeps no orders: no fence, no rebuild.
                    self.children[row].phase = Phase::Running;
                    return true;
                }
                self.announce(env, row);
                self.children[row].phase = Phase::Fencing;
                false
            }
            Phase::Fencing if env.bus.fences.contains(&(role, index, self.children[row].epoch)) => {
                self.children[row].phase = Phase::Rebuilding(env.now.plus(env.dice.between(100_000, 2 * MS)));
                false
            }
            Phase::Rebuilding(at) => env.now >= at,
            _ => false,
        }
    }
}
