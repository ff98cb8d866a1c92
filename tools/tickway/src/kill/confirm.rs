//! When a kill is confirmed: each gateway has echoed it, or is proven dead.
//!
//! A gateway that does not answer in time is SIGKILLed by its pidfd; death is accepted only from a readable pidfd.

use crate::place::Place;
use crate::regions::Regions;
use runtime::child::{Pidfd, ProcessId};
use serde_json::{Value, json};
use shm_layout::kill_page::KillReader;
use shm_layout::status::StatusReader;
use shm_layout::types::Role;
use std::time::Duration;

/// Nap between two looks at the echoes.
const NAP: Duration = Duration::from_micros(50);
/// Longest wait for the proof of a SIGKILLed gateway's death.
const DEATH: Duration = Duration::from_secs(5);

/// A gateway that may send orders.
#[derive(Debug)]
pub struct Gateway {
    index: u8,
    pid: u32,
    status: Option<StatusReader>,
    /// `None` = it was dead before the kill was engaged.
    pidfd: Option<Pidfd>,
}

/// How it is known that a gateway sends no more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum How {
    /// It wrote the kill's generation into its status page, having journaled it.
    Echoed {
        /// Sequence of the journal record; everything handed to a socket lies before it.
        journal_sequence: u64,
    },
    /// It did not answer, was SIGKILLed, and is proven dead.
    Killed,
    /// It was dead already, or its death could not be proven: the kill is latched, and nothing is known from it.
    Unconfirmed,
}

/// What became of one gateway.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Confirmation {
    /// Index of the gateway.
    pub index: u8,
    /// Its pid; 0 = unknown.
    pub pid: u32,
    /// How it is known.
    pub how: How,
    /// Nanoseconds from the engagement to the confirmation; `None` = not confirmed.
    pub confirmed_ns: Option<u64>,
}

impl Confirmation {
    /// The item of `--json`.
    #[must_use]
    pub fn to_json(self) -> Value {
        let (how, journal_sequence) = match self.how {
            How::Echoed { journal_sequence } => ("echoed", Some(journal_sequence)),
            How::Killed => ("killed", None),
            How::Unconfirmed => ("unconfirmed", None),
        };
        json!({
            "role": Role::ExecutionGateway.folder(),
            "index": self.index,
            "pid": self.pid,
            "how": how,
            "journal_sequence": journal_sequence,
            "confirmed_ns": self.confirmed_ns,
        })
    }
}

/// Every gateway of the instance, living ones held by a pidfd. Taken **before** the kill is engaged.
#[must_use]
pub fn gateways(place: &Place) -> Vec<Gateway> {
    let regions = Regions::open(place.instance.regions()).unwrap_or_default();
    let mut found: Vec<Gateway> = Vec::new();
    for (_, entry) in place.control().into_iter().flat_map(|page| page.roster().collect::<Vec<_>>()) {
        if entry.role != Role::ExecutionGateway {
            continue;
        }
        let id = ProcessId { pid: entry.pid, start_time: entry.start_time };
        let pidfd = Pidfd::open(id).ok().flatten().filter(|pidfd| !pidfd.is_dead());
        let status = regions.process(entry.role, entry.index).map(|process| process.status.clone());
        found.push(Gateway { index: entry.index, pid: entry.pid, status, pidfd });
    }
    // A dead instance's: no page names its processes any more.
    for process in regions.processes.iter().filter(|process| process.role == Role::ExecutionGateway) {
        if found.iter().all(|gateway| gateway.index != process.index) {
            let (pid, status) = (process.status.pid(), Some(process.status.clone()));
            let start_time = runtime::child::start_time(pid);
            let id = start_time.map(|start_time| ProcessId { pid, start_time });
            let pidfd = id.filter(|_| pid != 0).and_then(|id| Pidfd::open(id).ok().flatten());
            let is_gateway = |pidfd: &Pidfd| {
                let name = std::fs::read_to_string(format!("/proc/{}/cmdline", pidfd.id().pid)).unwrap_or_default();
                name.contains("tickway-execution-gateway") && !pidfd.is_dead()
            };
            found.push(Gateway { index: process.index, pid, status, pidfd: pidfd.filter(is_gateway) });
        }
    }
    found
}

impl Gateway {
    fn echo(&self, kill: &KillReader, generation: u64) -> Option<How> {
        let echo = self.status.as_ref()?.kill_echo()?;
        let newest = kill.generation();
        (echo.generation >= generation && echo.generation == newest)
            .then_some(How::Echoed { journal_sequence: echo.journal_sequence })
    }

    /// Waits for its echo of `generation`, then for its death. `elapsed_ns` counts from the engagement.
    #[must_use]
    pub fn confirm(
        &self,
        kill: &KillReader,
        generation: u64,
        patience: Duration,
        elapsed_ns: &impl Fn() -> u64,
    ) -> Confirmation {
        let confirmation = |how, confirmed_ns| Confirmation { index: self.index, pid: self.pid, how, confirmed_ns };
        let Some(pidfd) = &self.pidfd else { return confirmation(How::Unconfirmed, None) };
        loop {
            if let Some(how) = self.echo(kill, generation) {
                return confirmation(how, Some(elapsed_ns()));
            }
            // Not by this hand: nobody says what it had sent, and nobody is left to cancel at the venue.
            if pidfd.is_dead() {
                return confirmation(How::Unconfirmed, None);
            }
            if u128::from(elapsed_ns()) > patience.as_nanos() {
                break;
            }
            std::thread::sleep(NAP);
        }
        match pidfd.kill(DEATH) {
            Ok(true) => confirmation(How::Killed, Some(elapsed_ns())),
            Ok(false) | Err(_) => confirmation(How::Unconfirmed, None),
        }
    }
}
