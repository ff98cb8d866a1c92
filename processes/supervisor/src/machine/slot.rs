//! A process of the roster, as the machine knows it.
//!
//! ```text
//! Absent ──▶ Persisting ──▶ Fencing ──▶ Rebuilding ──▶ Starting ──▶ Running
//!               ▲    └──────── (no barrier) ─────────────▲            │
//!               └── BackOff ◀──────────── death ◀────────┴────────────┘
//!                      └──▶ GivenUp (too many deaths; a gateway's first)
//! ```

use crate::config::Timing;
use shm_layout::message::control::{Control, ControlKind};
use shm_layout::types::{Nanos, Role};
use std::collections::VecDeque;

/// Longest wait before a restart: 5 s.
const BACKOFF_NS_MAX: u64 = 5_000_000_000;

/// Where a process is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Not started yet.
    Absent,
    /// Its epoch is being persisted.
    Persisting,
    /// Its epoch is published; gateways are to fence it. Published again at the time given.
    Fencing(Nanos),
    /// Its state is being rebuilt; given up at the time given.
    Rebuilding(Nanos),
    /// Started; killed when it does not run by the time given.
    Starting(Nanos),
    /// In its duty cycle.
    Running,
    /// Dead; restarted at the time given.
    BackOff(Nanos),
    /// Dead, and not restarted.
    GivenUp,
    /// Ended on purpose.
    Stopped,
}

/// State that a gateway's journal leads to, as the rebuild wrote it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Restored {
    /// Index of the gateway.
    pub gateway: u8,
    /// Journal sequence through which it was folded.
    pub through: u64,
    /// Canonical hash of the (filtered) orders state there.
    pub hash: u64,
}

/// One process.
#[derive(Clone, Debug)]
pub struct Slot {
    /// Its role.
    pub role: Role,
    /// Its index.
    pub index: u8,
    /// Where it is.
    pub phase: Phase,
    /// Epoch of its present life, or of the one being prepared.
    pub epoch: u32,
    /// Earlier lives in this boot.
    pub restarts: u64,
    /// It ran at least once in this boot.
    pub ran: bool,
    /// SIGKILL was asked for; the proof of death is awaited.
    pub killed: bool,
    /// Gateways (by index) that fenced its epoch.
    pub fenced: u64,
    /// What its rebuild came to; empty when it started from nothing.
    pub expected: Vec<Restored>,
    /// Entries of `expected` that it reported equal.
    pub equal: u64,
    /// When its present stage began: of its death, its epoch's sync, and so on.
    pub stage_began: Nanos,
    /// When its last life ended; `None` before its first death, and once its restart is done.
    pub died_at: Option<Nanos>,
    deaths: VecDeque<Nanos>,
}

impl Slot {
    /// A process that was not started in this supervisor's life.
    #[must_use]
    pub const fn new(role: Role, index: u8, epoch: u32, restarts: u64) -> Self {
        Self {
            role,
            index,
            phase: Phase::Absent,
            epoch,
            restarts,
            ran: false,
            killed: false,
            fenced: 0,
            expected: Vec::new(),
            equal: 0,
            stage_began: Nanos(0),
            died_at: None,
            deaths: VecDeque::new(),
        }
    }

    /// `strategy/0`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.role.folder(), self.index)
    }

    /// True while a process of this slot exists.
    #[must_use]
    pub const fn lives(&self) -> bool {
        matches!(self.phase, Phase::Starting(_) | Phase::Running)
    }

    /// True once it has nothing more to end.
    #[must_use]
    pub const fn ended(&self) -> bool {
        matches!(self.phase, Phase::GivenUp | Phase::Stopped)
    }

    /// Restarts of it go through the barrier: its state is a function of the journal.
    #[must_use]
    pub const fn is_rebuilt(&self) -> bool {
        matches!(self.role, Role::Strategy | Role::Risk)
    }

    /// Every state that the rebuild wrote was reported equal by the process.
    #[must_use]
    pub const fn is_restored(&self) -> bool {
        self.equal.count_ones() as usize == self.expected.len()
    }

    /// True for the point of a gateway's journal at which its rebuild ended.
    #[must_use]
    pub fn expects(&self, gateway: u8, through: u64) -> bool {
        self.expected.iter().any(|expected| (expected.gateway, expected.through) == (gateway, through))
    }

    /// What it waits for on its way to running; `None` when it is on no way.
    #[must_use]
    pub const fn stage(&self) -> Option<&'static str> {
        match self.phase {
            _ if self.killed && self.lives() => Some("killed"),
            Phase::Persisting => Some("persisting_epoch"),
            Phase::Fencing(_) => Some("fencing"),
            Phase::Rebuilding(_) => Some("rebuilding"),
            Phase::Starting(_) => Some("starting"),
            Phase::BackOff(_) => Some("back_off"),
            Phase::Running if !self.is_restored() => Some("proving_state"),
            Phase::Absent | Phase::Running | Phase::GivenUp | Phase::Stopped => None,
        }
    }

    /// When it next wants a timer.
    #[must_use]
    pub const fn deadline(&self) -> Option<Nanos> {
        match self.phase {
            Phase::Starting(_) if self.killed => None,
            Phase::Fencing(at) | Phase::Rebuilding(at) | Phase::Starting(at) | Phase::BackOff(at) => Some(at),
            _ => None,
        }
    }

    /// Notes a death; when to restart it, or `None`: too often within the window.
    pub fn died(&mut self, now: Nanos, timing: &Timing) -> Option<Nanos> {
        self.killed = false;
        self.restarts += 1;
        (self.died_at, self.stage_began) = (Some(self.died_at.unwrap_or(now)), now);
        self.deaths.push_back(now);
        while self.deaths.front().is_some_and(|first| now.0.saturating_sub(first.0) > timing.restart_window_ns) {
            self.deaths.pop_front();
        }
        let deaths = self.deaths.len();
        if deaths > timing.restarts_max {
            return None;
        }
        let doublings = deaths.saturating_sub(2).min(20) as u32;
        let wait = if deaths < 2 { 0 } else { timing.restart_backoff_ns.saturating_mul(1 << doublings) };
        Some(now.plus(wait.min(BACKOFF_NS_MAX)))
    }

    /// A control message about this process.
    #[must_use]
    pub fn control(&self, kind: ControlKind, request_id: u64) -> Control {
        let epoch = if kind == ControlKind::Epoch { self.epoch } else { 0 };
        Control { kind: kind as u8, role: self.role as u8, index: self.index, epoch, request_id, ..Control::default() }
    }
}
