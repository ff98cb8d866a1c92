//! What a process of the simulation can touch while it acts: the present, the shared regions, the network, and the eyes of
//! the checker on everything that it does.

use crate::archive::Archive;
use crate::bus::{Bus, ProcessId};
use crate::checker::Checker;
use crate::dice::Dice;
use crate::net::{Agenda, Net};
use crate::trace::Trace;
use shm_layout::types::Nanos;

/// A process's death that is about to happen: after this many more of its outputs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fuse {
    /// Who dies.
    pub process: ProcessId,
    /// Outputs that it still makes.
    pub outputs: u32,
}

/// Whether a process lives on after it acted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Life {
    /// It does.
    Alive,
    /// It was killed in the middle of a step, or ended because its state is void: the world drops it.
    Dead,
}

/// The world as the processes see it.
#[derive(Debug)]
pub struct Env {
    /// Now.
    pub now: Nanos,
    /// Shared regions.
    pub bus: Bus,
    /// The journal's tail and files.
    pub archive: Archive,
    /// The network.
    pub net: Net,
    /// What is to come.
    pub agenda: Agenda,
    /// Chance of everything but the network.
    pub dice: Dice,
    /// Every output.
    pub trace: Trace,
    /// The invariants.
    pub checker: Checker,
    /// A death in the middle of a step.
    pub fuse: Option<Fuse>,
}

impl Env {
    /// Asked before each output: false when the process dies here, with this output and all later ones undone.
    pub fn survives(&mut self, process: ProcessId) -> bool {
        match &mut self.fuse {
            Some(fuse) if fuse.process == process => {
                if fuse.outputs == 0 {
                    self.fuse = None;
                    return false;
                }
                fuse.outputs -= 1;
                true
            }
            _ => true,
        }
    }
}
