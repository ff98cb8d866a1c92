//! The processes of an instance as a tool sees them: control page and status regions put together.

use crate::output::{or_dash, snake};
use crate::place::Place;
use crate::regions::Regions;
use crate::socket::{Request, Supervisor};
use runtime::child::{ProcessId, is_alive};
use runtime::clock::Clock;
use runtime::instance::Instance;
use serde_json::{Value, json};
use shm_layout::control_page::{RosterEntry, RosterState};
use shm_layout::status::{ProcessState, StatusReader};
use shm_layout::types::{Nanos, Role};
use std::time::Duration;

/// Longest wait for the word of a supervisor.
const STAGE_PATIENCE: Duration = Duration::from_millis(250);

/// One process.
#[derive(Clone, Debug)]
pub struct ProcessRow {
    /// Role.
    pub role: Role,
    /// Index within the role.
    pub index: u8,
    /// Process id; 0 = never started.
    pub pid: u32,
    /// CPU that it is pinned to.
    pub core: Option<u32>,
    /// `starting`, `running`, …; `dead` when its status region says that it runs and no such process lives.
    pub state: String,
    /// What the supervisor says that it waits for on its way to running: `fencing`, `rebuilding`, …; `None` when on no way.
    pub stage: Option<String>,
    /// How long it has been in that stage.
    pub stage_age_ns: Option<u64>,
    /// Earlier lives in this boot.
    pub restarts: Option<u64>,
    /// Restart epoch.
    pub epoch: u64,
    /// Age of its heartbeat; `None` without a clock or a beat.
    pub heartbeat_age_ns: Option<u64>,
    /// Which process that is, when the control page tells its start time.
    pub identity: Option<ProcessId>,
    /// Its status region.
    pub status: StatusReader,
}

impl ProcessRow {
    /// `strategy/0`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.role.folder(), self.index)
    }

    /// The value of a counter by its label.
    #[must_use]
    pub fn counter(&self, label: &str) -> Option<u64> {
        self.status.counters().iter().find(|(name, _)| name == label).map(|(_, value)| value)
    }

    /// Every counter.
    #[must_use]
    pub fn counters(&self) -> Vec<(String, u64)> {
        self.status.counters().iter().collect()
    }

    /// The row of `tickway status --json`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "role": self.role.folder(),
            "index": self.index,
            "pid": self.pid,
            "core": self.core,
            "state": self.state,
            "stage": self.stage,
            "stage_age_ns": self.stage_age_ns,
            "restarts": self.restarts,
            "epoch": self.epoch,
            "heartbeat_age_ns": self.heartbeat_age_ns,
            "progress": self.status.progress(),
            "armed": (self.role == Role::Strategy).then(|| self.status.armed()),
            "allocations_after_start": self.status.allocations_after_start(),
        })
    }

    /// `running, armed`; `restarting, rebuilding for 12.3 ms`.
    fn state_text(&self) -> String {
        let mut text = self.state.clone();
        if self.role == Role::Strategy && self.status.armed() {
            text.push_str(", armed");
        }
        if let Some(stage) = &self.stage {
            let age = self.stage_age_ns.map_or_else(String::new, |ns| format!(" for {}", crate::output::duration(ns)));
            text.push_str(&format!(", {}{age}", stage.replace('_', " ")));
        }
        text
    }

    /// The cells of the table.
    #[must_use]
    pub fn cells(&self) -> Vec<String> {
        let age = self.heartbeat_age_ns.map(crate::output::duration);
        vec![
            self.name(),
            self.pid.to_string(),
            or_dash(self.core),
            self.state_text(),
            or_dash(self.restarts),
            self.epoch.to_string(),
            or_dash(age),
            self.status.progress().to_string(),
            self.status.allocations_after_start().to_string(),
        ]
    }
}

/// Every process with a status region, along the path of an order, the supervisor last.
#[must_use]
pub fn processes(place: &Place, regions: &Regions) -> Vec<ProcessRow> {
    let roster: Vec<RosterEntry> =
        place.control().map_or_else(Vec::new, |page| page.roster().map(|(_, entry)| entry).collect());
    let supervisor = place.control().and_then(|page| page.supervisor());
    let clock = place.clock();
    let mut rows: Vec<ProcessRow> = regions
        .processes
        .iter()
        .map(|process| {
            let entry = roster.iter().find(|entry| (entry.role, entry.index) == (process.role, process.index));
            let identity = match process.role {
                Role::Supervisor => supervisor.map(|own| ProcessId { pid: own.pid, start_time: own.start_time }),
                _ => entry.map(|entry| ProcessId { pid: entry.pid, start_time: entry.start_time }),
            };
            let status = process.status.clone();
            ProcessRow {
                role: process.role,
                index: process.index,
                pid: identity.map_or(status.pid(), |identity| identity.pid),
                core: entry.and_then(|entry| entry.core),
                state: state(&status, entry, identity),
                stage: None,
                stage_age_ns: None,
                restarts: entry.map(|entry| entry.restarts).or((process.role == Role::Supervisor).then_some(0)),
                epoch: status.epoch(),
                heartbeat_age_ns: clock.and_then(|clock| age(&status, clock)),
                identity,
                status,
            }
        })
        .collect();
    rows.sort_by_key(|row| (row.role == Role::Supervisor, row.role, row.index));
    rows
}

/// Asks a living supervisor in which stage of its life each process is. One that does not answer at once tells nothing.
pub fn ask_stages(instance: &Instance, rows: &mut [ProcessRow]) {
    let asked = Supervisor::connect_within(instance, STAGE_PATIENCE);
    let Ok(reply) = asked.and_then(|mut supervisor| supervisor.ask(&Request::Status)) else { return };
    for told in reply["processes"].as_array().into_iter().flatten() {
        let is_told = |row: &&mut ProcessRow| told["role"] == row.role.folder() && told["index"] == row.index;
        if let Some(row) = rows.iter_mut().find(is_told) {
            row.stage = told["stage"].as_str().map(str::to_owned);
            row.stage_age_ns = told["stage_age_ns"].as_u64();
        }
    }
}

/// The heartbeat is read before the clock: a beat in between must not look like one of the future.
fn age(status: &StatusReader, clock: Clock) -> Option<u64> {
    let heartbeat = status.heartbeat();
    (heartbeat != Nanos(0)).then(|| clock.now().0.saturating_sub(heartbeat.0))
}

fn state(status: &StatusReader, entry: Option<&RosterEntry>, identity: Option<ProcessId>) -> String {
    let supervised = entry.map(|entry| entry.state);
    if let Some(state @ (RosterState::Restarting | RosterState::GivenUp)) = supervised {
        return snake(state.name());
    }
    let said = status.state();
    let ended = matches!(said, None | Some(ProcessState::Stopped | ProcessState::Failed));
    let lives = identity.map_or_else(|| status.pid() != 0 && is_known_alive(status.pid()), is_alive);
    match said {
        Some(said) if ended || lives => snake(said.name()),
        Some(_) => "dead".to_owned(),
        None if lives => "starting".to_owned(),
        None => "none".to_owned(),
    }
}

/// Without a start time a pid alone must do.
fn is_known_alive(pid: u32) -> bool {
    runtime::child::start_time(pid).is_some_and(|start_time| is_alive(ProcessId { pid, start_time }))
}
