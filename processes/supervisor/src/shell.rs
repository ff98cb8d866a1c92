//! The shell: polls processes, pages, children and commands, gives the core what it saw, and carries out what the core
//! says.
//!
//! One pass never waits: neither for another process nor for the disk, on which threads of their own make epochs and kill
//! words durable.

mod observe;
mod perform;
mod start;
mod status;

pub use start::{Options, StartError, start};

use crate::config::Config;
use crate::epochs::EpochKeeper;
use crate::handle::Handle;
use crate::machine::{Command, Input, Output, Supervisor};
use crate::socket::{self, ClientId, CommandServer};
use crate::watch::Watched;
use machine::Stepper;
use runtime::affinity::CorePlan;
use runtime::child::Child;
use runtime::clock::Clock;
use runtime::config::HostFile;
use runtime::duty_cycle::Agent;
use runtime::instance::{Instance, InstanceLock};
use runtime::wait::WaitStrategy;
use shm_layout::control_page::{ControlPage, RealtimeOffset};
use shm_layout::counters::CounterTable;
use shm_layout::kill_page::KillReader;
use shm_layout::message::WORDS_64;
use shm_layout::message::control::Control;
use shm_layout::ring::RingWriter;
use shm_layout::types::Nanos;
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;

const SECOND_NS: u64 = 1_000_000_000;
/// How often deaths are looked for, in nanoseconds: a pidfd itself needs about as long.
const DEATH_POLL_NS: u64 = 500_000;
/// How often heartbeats are looked at, in nanoseconds.
const HEARTBEAT_POLL_NS: u64 = 10_000_000;

/// Labels of the supervisor's counters, in order of their index.
const COUNTERS: [&str; 8] = [
    "processes_started",
    "processes_killed",
    "processes_ended",
    "rebuilds",
    "rebuilds_failed",
    "control_published",
    "commands",
    "commands_refused",
];

#[derive(Clone, Copy)]
enum Counter {
    Started = 0,
    Killed = 1,
    Ended = 2,
    Rebuilds = 3,
    RebuildsFailed = 4,
    Published = 5,
    Commands = 6,
    CommandsRefused = 7,
}

/// A rebuild under way.
#[derive(Debug)]
struct RebuildChild {
    child: Child,
    epoch: u32,
    snapshot: PathBuf,
}

/// What the shell holds of one process.
#[derive(Debug)]
struct Seat {
    watched: Watched,
    handle: Option<Handle>,
    rebuild: Option<RebuildChild>,
    /// Snapshot of the life being started.
    snapshot: Option<PathBuf>,
    /// CPU that it is pinned to.
    core: Option<usize>,
}

/// The end, once the core has said so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Finished {
    /// Exit code.
    pub code: u8,
    /// Every process is proven dead.
    pub clean: bool,
}

/// The supervisor's shell.
#[derive(Debug)]
pub struct Shell {
    /// Held to the end: the instance is alive.
    _lock: InstanceLock,
    instance: Instance,
    file: HostFile,
    config: Config,
    plan: CorePlan,
    page: ControlPage,
    clock: Clock,
    control: RingWriter<WORDS_64>,
    /// Messages that a gating recorder has no room for yet.
    unpublished: VecDeque<Control>,
    kill: KillReader,
    kill_generation: u64,
    epochs: EpochKeeper,
    core: Stepper<Supervisor>,
    seats: Vec<Seat>,
    server: CommandServer,
    requests: BTreeMap<u64, ClientId>,
    last_request: u64,
    queue: VecDeque<Input>,
    counters: CounterTable,
    finished: Option<Finished>,
    last_pass: Nanos,
    next_death_poll: Nanos,
    next_heartbeat_poll: Nanos,
    next_realtime: Nanos,
    /// No process is called stale before: this one was itself away for long.
    grace_until: Nanos,
}

impl Shell {
    /// How it ended; `None` while it goes on.
    #[must_use]
    pub const fn outcome(&self) -> Option<Finished> {
        self.finished
    }

    /// The instance.
    #[must_use]
    pub const fn instance(&self) -> &Instance {
        &self.instance
    }

    /// The effective host file.
    #[must_use]
    pub const fn file(&self) -> &HostFile {
        &self.file
    }

    /// The instance's one time line.
    #[must_use]
    pub const fn clock(&self) -> Clock {
        self.clock
    }

    /// How the hot processes wait.
    #[must_use]
    pub const fn hot_wait(&self) -> WaitStrategy {
        self.plan.wait
    }

    /// Who runs where, to be printed.
    #[must_use]
    pub fn plan_lines(&self) -> Vec<String> {
        let mut lines = vec![
            format!("instance {} (supervisor pid {})", self.instance.name(), std::process::id()),
            format!("regions {}, data {}", self.instance.regions().display(), self.instance.data().display()),
            self.plan.line.clone(),
        ];
        for (process, seat) in self.core.machine.slots().iter().zip(&self.seats) {
            let core = seat.core.map_or("not pinned".to_owned(), |core| format!("CPU {core}"));
            lines.push(format!("  {}/{}: {core}", process.role.folder(), process.index));
        }
        lines
    }

    /// Gives the core everything that is queued, and does what it says.
    fn settle(&mut self, now: Nanos) -> usize {
        let mut work = 0;
        while let Some(input) = self.queue.pop_front() {
            let mut outputs = Vec::new();
            self.core.input(now, &input, &mut |output| outputs.push(output));
            self.perform_all(now, outputs);
            work += 1;
        }
        work
    }

    fn fire_timers(&mut self, now: Nanos) -> usize {
        let mut outputs: Vec<Output> = Vec::new();
        let fired = self.core.timer(now, &mut |output| outputs.push(output)).is_some();
        self.perform_all(now, outputs);
        usize::from(fired)
    }

    /// Takes commands; a status is answered here, everything else by the core.
    fn poll_commands(&mut self, now: Nanos) {
        for (client, line) in self.server.poll() {
            self.count(Counter::Commands);
            self.last_request += 1;
            let request_id = self.last_request;
            match serde_json::from_str::<Command>(&line) {
                Ok(Command::Status {}) => {
                    let status = self.status(now, request_id);
                    self.server.reply(client, &status);
                }
                Ok(command) => {
                    tracing::info!("request {request_id}: {command:?}");
                    self.requests.insert(request_id, client);
                    self.queue.push_back(Input::Command { request_id, command });
                }
                Err(error) => {
                    self.count(Counter::CommandsRefused);
                    self.server.reply(client, &socket::outcome(request_id, Some(format!("no command: {error}"))));
                }
            }
        }
    }

    fn sample_realtime(&mut self, now: Nanos) {
        if now >= self.next_realtime {
            self.next_realtime = now.plus(SECOND_NS);
            let offset_ns = self.clock.realtime_offset_ns();
            self.page.set_realtime(&RealtimeOffset { offset_ns, sampled_ns: now });
        }
    }

    fn count(&self, counter: Counter) {
        self.counters.add(counter as usize, 1);
    }
}

impl Agent for Shell {
    fn duty_cycle(&mut self, now: Nanos) -> usize {
        let away_ns = now.0.saturating_sub(self.last_pass.0);
        let timeout_ns = self.config.heartbeat_timeout_ms.get() * 1_000_000;
        if away_ns > timeout_ns / 4 {
            tracing::warn!("this supervisor itself did not run for {} ms", away_ns / 1_000_000);
            self.grace_until = now.plus(timeout_ns);
        }
        self.last_pass = now;
        self.observe_kill();
        self.observe_deaths(now);
        self.observe_progress_of_lives();
        self.observe_rebuilds();
        self.observe_epochs();
        self.observe_heartbeats(now);
        self.observe_open_orders();
        self.poll_commands(now);
        let mut work = self.settle(now);
        work += self.fire_timers(now);
        work += self.settle(now);
        self.publish_waiting();
        self.sample_realtime(now);
        work
    }

    fn stop(&mut self) {
        self.queue.push_back(Input::Stop);
    }

    fn finished(&self) -> bool {
        self.finished.is_some()
    }
}
