//! The core with a clock of its own, and what the tests of it say often.

use super::super::*;
use crate::config::Config;
use machine::Stepper;

pub const MS: u64 = 1_000_000;
pub const SECOND: u64 = 1_000 * MS;

// Places of the roster with one process of each role and two strategies.
pub const FEED: usize = 0;
pub const FIRST: usize = 1;
pub const SECOND_STRATEGY: usize = 2;
pub const RISK: usize = 3;
pub const GATEWAY: usize = 4;
pub const RECORDER: usize = 5;

pub const ROLES: [(Role, u8); 6] = [
    (Role::FeedHandler, 0),
    (Role::Strategy, 0),
    (Role::Strategy, 1),
    (Role::Risk, 0),
    (Role::ExecutionGateway, 0),
    (Role::Recorder, 0),
];

pub struct World {
    pub core: Stepper<Supervisor>,
    pub now: Nanos,
}

impl World {
    pub fn new(journaled: bool) -> Self {
        let slots = ROLES.iter().map(|(role, index)| Slot::new(*role, *index, 10, 0)).collect();
        let core = Supervisor::new(Config::default().timing(), slots, journaled);
        Self { core: Stepper::new(core, Nanos(SECOND)), now: Nanos(SECOND) }
    }

    /// Everything runs, from an empty journal.
    pub fn running() -> Self {
        let mut world = Self::new(false);
        world.give(Input::Boot);
        for slot in [GATEWAY, FEED, RISK, RECORDER] {
            world.live(slot);
        }
        world.live(FIRST);
        let last = world.live(SECOND_STRATEGY);
        assert_eq!(last.last(), Some(&Output::Booted));
        world
    }

    /// What an input causes, what is said aside.
    pub fn give(&mut self, input: Input) -> Vec<Output> {
        let mut outputs = Vec::new();
        self.core.input(self.now, &input, &mut |output| outputs.push(output));
        assert!(outputs.len() <= Supervisor::OUTPUTS_MAX);
        outputs.retain(|output| !matches!(output, Output::Say(_)));
        outputs
    }

    pub fn wait(&mut self, ns: u64) -> Vec<Output> {
        self.now = self.now.plus(ns);
        let mut outputs = Vec::new();
        while self.core.timer(self.now, &mut |output| outputs.push(output)).is_some() {}
        outputs.retain(|output| !matches!(output, Output::Say(_)));
        outputs
    }

    pub fn epoch(&self, slot: usize) -> u32 {
        self.core.machine.slots()[slot].epoch
    }

    pub fn phase(&self, slot: usize) -> Phase {
        self.core.machine.slots()[slot].phase
    }

    pub fn persisted(&mut self, slot: usize) -> Vec<Output> {
        let epoch = self.epoch(slot);
        self.give(Input::EpochPersisted { slot, epoch, durable: true })
    }

    pub fn fenced(&mut self, slot: usize) -> Vec<Output> {
        let (role, index) = ROLES[slot];
        let epoch = self.epoch(slot);
        self.give(Input::FenceEchoed { gateway: 0, role, index, epoch, journal_sequence: 40 })
    }

    pub fn rebuilt(&mut self, slot: usize) -> Vec<Output> {
        let epoch = self.epoch(slot);
        self.give(Input::RebuildDone { slot, epoch, restored: Some(vec![STATE]) })
    }

    pub fn reported(&mut self, slot: usize, state: Restored) -> Vec<Output> {
        self.give(Input::StateReported { slot, state })
    }

    /// From a persisted epoch to a running process, without barrier.
    pub fn live(&mut self, slot: usize) -> Vec<Output> {
        self.persisted(slot);
        self.give(Input::ProcessReady(slot))
    }

    pub fn dies(&mut self, slot: usize) -> Vec<Output> {
        self.give(Input::ProcessExited(slot, Exit::Signal(9)))
    }

    pub fn command(&mut self, command: Command) -> Option<Refusal> {
        let outputs = self.give(Input::Command { request_id: 7, command });
        let reply = |output: &Output| match output {
            Output::Reply { request_id: 7, refused } => Some(*refused),
            _ => None,
        };
        outputs.iter().find_map(reply).expect("every command is answered")
    }
}

pub const STATE: Restored = Restored { gateway: 0, through: 40, hash: 0xfeed };

pub fn kinds(outputs: &[Output]) -> Vec<(ControlKind, u8, u8)> {
    let kind = |output: &Output| match output {
        Output::Publish(control) => Some((control.kind(), control.role, control.index)),
        _ => None,
    };
    outputs.iter().filter_map(kind).collect()
}

pub fn place(outputs: &[Output], wanted: impl Fn(&Output) -> bool) -> usize {
    outputs.iter().position(wanted).expect("the output is there")
}

pub fn spawns(outputs: &[Output]) -> Vec<usize> {
    let slot = |output: &Output| if let Output::Spawn { slot, .. } = output { Some(*slot) } else { None };
    outputs.iter().filter_map(slot).collect()
}
