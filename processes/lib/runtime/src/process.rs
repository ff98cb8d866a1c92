//! A process of an instance: its arguments, and everything that its shell attaches to before its duty cycle begins.
//!
//! The supervisor starts every process with these arguments; a person can start one by hand with the same. Nothing here
//! creates a region: what is missing is an error.

use crate::affinity;
use crate::alloc;
use crate::clock::Clock;
use crate::code;
use crate::config::{ConfigError, HostFile};
use crate::control_page::{self, OpenedControlPage};
use crate::duty_cycle::{Agent, RunLoop, run};
use crate::error::RuntimeError;
use crate::failpoint;
use crate::huge_pages::open_arena;
use crate::instance::Instance;
use crate::mmap::{MlockOutcome, lock_process};
use crate::ports::{Identity, Ports};
use crate::scheduler;
use crate::signal::{self, HangUp};
use crate::turn::{Stage, Turn};
use crate::wait::WaitStrategy;
use clap::Parser;
use shm_layout::control_page::ControlPageReader;
use shm_layout::failpoint::Failpoint;
use shm_layout::message::step::{Step, StepKind};
use shm_layout::message::{WORDS_64, WORDS_128, wire::WireChunk, wire::WireKind};
use shm_layout::ring::RingWriter;
use shm_layout::status::{ProcessState, StatusWriter};
use shm_layout::topology::{RingId, RingKind};
use shm_layout::types::{Nanos, Role};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Arguments of every process binary.
#[derive(Parser, Clone, Debug)]
#[command(version, about = "A process of a Tickway instance; the supervisor starts it")]
pub struct Arguments {
    /// The effective host file of the instance.
    #[arg(long)]
    pub host: PathBuf,
    /// Index within the role.
    #[arg(long, default_value_t = 0)]
    pub index: u8,
    /// Restart epoch, persisted before this life began.
    #[arg(long)]
    pub epoch: u64,
    /// Earlier lives in this boot.
    #[arg(long, default_value_t = 0)]
    pub restarts: u64,
    /// CPU to pin to; none: not pinned.
    #[arg(long)]
    pub core: Option<usize>,
    /// How to wait when idle: spin, yield or nap:MICROSECONDS.
    #[arg(long, default_value = "yield")]
    pub wait: WaitStrategy,
    /// Stages that yield on the same CPU; this one looks for its turn after the last of them.
    #[arg(long, value_delimiter = ',')]
    pub turn_after: Vec<Stage>,
    /// Snapshot that the rebuild wrote for this life.
    #[arg(long)]
    pub snapshot: Option<PathBuf>,
}

/// An attached process.
#[derive(Debug)]
pub struct Process {
    /// Who it is.
    pub identity: Identity,
    /// Its arguments.
    pub arguments: Arguments,
    /// The effective host file.
    pub file: HostFile,
    /// The instance's places.
    pub instance: Instance,
    /// The instance's regions.
    pub ports: Ports,
    /// The supervisor's page.
    pub page: ControlPageReader,
    /// Stamp of this boot of the instance.
    pub boot_stamp: u64,
    /// The instance's one time line.
    pub clock: Clock,
}

impl Process {
    /// Attaches as `role`: host file, control page, clock, core, signals, failpoints, and the status region in state
    /// `Starting`.
    ///
    /// # Errors
    /// What is missing or refused, with the way out.
    pub fn attach(
        role: Role,
        arguments: &Arguments,
        failpoints: &[&[&'static Failpoint]],
    ) -> anyhow::Result<(Self, StatusWriter)> {
        crate::log::init();
        signal::abort_on_panic();
        let file = HostFile::load(&arguments.host)?;
        let instance = Instance::of(&file);
        let OpenedControlPage { spec, page } = control_page::open(&instance, Duration::from_secs(2))?;
        let anchor = page.anchor().ok_or_else(|| {
            RuntimeError::refused("the control page holds no clock anchor", "start the instance with its supervisor")
        })?;
        match arguments.core {
            Some(core) => {
                wish(scheduler::become_hot(), "it is scheduled as a cold process");
                affinity::pin(core)?;
                if file.host().own_code
                    && let Err(error) = code::take_in()
                {
                    tracing::warn!("the code stays where its file is cached: {error}");
                }
                open_arena();
            }
            None => wish(scheduler::become_cold(), "it may interrupt a hot process on its CPU"),
        }
        scheduler::enter(file.host().scheduler, arguments.wait)?;
        signal::install(HangUp::Ignored)?;
        let clock = Clock::new(anchor);
        let ports = Ports::new(&instance, &file, spec.boot_stamp, page.clone());
        let identity = Identity { role, index: arguments.index, epoch: arguments.epoch };
        let status = ports.status_writer(identity, clock.now())?;
        let armed = failpoint::arm_all(file.failpoints(), failpoints, role, arguments.index, arguments.restarts);
        for name in armed {
            tracing::warn!("failpoint {name} is armed");
        }
        let arguments = arguments.clone();
        let boot_stamp = spec.boot_stamp;
        Ok((Self { identity, arguments, file, instance, ports, page, boot_stamp, clock }, status))
    }

    /// The writer of this process's own ring of a kind; `gateway` as in [`RingId`].
    ///
    /// # Errors
    /// As [`Ports::writer`].
    pub fn writer<const W: usize>(&self, kind: RingKind, gateway: u8) -> Result<RingWriter<W>, RuntimeError> {
        self.ports.writer(self.ring(kind, gateway), self.identity)
    }

    /// This process's own ring of a kind.
    #[must_use]
    pub const fn ring(&self, kind: RingKind, gateway: u8) -> RingId {
        RingId { kind, writer: self.identity.role, index: self.identity.index, gateway }
    }

    /// This process's step log.
    ///
    /// # Errors
    /// As [`Ports::writer`].
    pub fn step_log(&self) -> Result<StepLog, RuntimeError> {
        Ok(StepLog { writer: self.writer(RingKind::Step, 0)? })
    }

    /// This process's wire tap.
    ///
    /// # Errors
    /// As [`Ports::writer`].
    pub fn wire_tap(&self) -> Result<WireTap, RuntimeError> {
        Ok(WireTap { writer: self.writer(RingKind::Wire, 0)? })
    }

    /// The last step before the duty cycle: makes every page present that the process has by now, tables that were
    /// allocated and not yet written too, and says once in the log which could not be locked.
    pub fn settle_memory(&self) {
        if let Err(error) = lock_process() {
            tracing::warn!("memory may be paged in while trading: {error}");
        }
        let unlocked = self.ports.unlocked();
        let refused = unlocked.iter().find(|(_, outcome)| matches!(outcome, MlockOutcome::Refused { .. }));
        if let Some((path, outcome)) = refused {
            tracing::warn!("{}: pages are not locked: {outcome:?}", path.display());
        }
    }

    /// Runs the agent to its end, and says what ended.
    pub fn run(self, status: StatusWriter, agent: &mut impl Agent) {
        let turn = Turn::attach(&self.ports, &self.arguments.turn_after).unwrap_or_else(|error| {
            tracing::warn!("the order on this CPU is left to chance: {error}");
            None
        });
        self.settle_memory();
        let mut around = RunLoop { clock: self.clock, status, wait: self.arguments.wait, turn };
        run(agent, &mut around);
        alloc::stop_counting();
        around.status.set_state(ProcessState::Stopped);
    }
}

/// What makes a process better and is no condition of its work: refused, as in a sandbox, it is said once.
fn wish(outcome: Result<(), RuntimeError>, otherwise: &str) {
    if let Err(error) = outcome {
        tracing::warn!("{otherwise}: {error}");
    }
}

/// The end of `main`: nothing more on success; else the error as one line, and a code of sysexits: 78 for the host file,
/// 74 for what the system refused, 70 for the rest.
#[must_use]
pub fn exit_code(result: &anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    eprintln!("{error:#}");
    if error.is::<ConfigError>() {
        return ExitCode::from(78);
    }
    ExitCode::from(if error.is::<RuntimeError>() { 74 } else { 70 })
}

/// A machine's step log: the `step` ring of its process. Nobody gates it, so recording never waits.
#[derive(Debug)]
pub struct StepLog {
    writer: RingWriter<WORDS_64>,
}

impl StepLog {
    /// A batch of `count` messages of `ring`, ending at `through_sequence`, given at `now`.
    pub fn poll(&mut self, ring: RingId, through_sequence: u64, count: usize, now: Nanos) {
        let (ring, count) = (ring.to_u32(), count as u32);
        self.record(&Step {
            kind: StepKind::Poll as u8,
            ring,
            through_sequence,
            now_ns: now,
            count,
            ..Step::default()
        });
    }

    /// The reader of `ring` was lapped: it goes on after `through_sequence`, and `missed` messages are lost.
    pub fn lapped(&mut self, ring: RingId, through_sequence: u64, missed: u64, now: Nanos) {
        let (kind, ring) = (StepKind::Poll as u8, ring.to_u32());
        let value = [i64::try_from(missed).unwrap_or(i64::MAX), 0, 0];
        self.record(&Step { kind, ring, through_sequence, now_ns: now, value, ..Step::default() });
    }

    /// The timer fired at `now`.
    pub fn timer(&mut self, now: Nanos) {
        self.record(&Step { kind: StepKind::Timer as u8, now_ns: now, ..Step::default() });
    }

    /// Any other step.
    pub fn record(&mut self, step: &Step) {
        self.writer.push(&step.encode()).expect("nobody gates a step ring");
    }

    /// Steps recorded in all lives.
    #[must_use]
    pub const fn published(&self) -> u64 {
        self.writer.published()
    }
}

/// The bytes that a process exchanges with a venue, on its `wire` ring. Nobody gates it.
#[derive(Debug)]
pub struct WireTap {
    writer: RingWriter<WORDS_128>,
}

impl WireTap {
    /// Records bytes received or sent, and when the machine was given them.
    pub fn record(&mut self, kind: WireKind, line: u32, receive_ns: Nanos, read_ns: Nanos, bytes: &[u8]) {
        for chunk in WireChunk::split(kind, line, receive_ns, read_ns, bytes) {
            self.writer.push(&chunk.encode()).expect("nobody gates a wire ring");
        }
    }

    /// Chunks recorded in all lives.
    #[must_use]
    pub const fn published(&self) -> u64 {
        self.writer.published()
    }
}
