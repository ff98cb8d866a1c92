//! One stage: a role's shell with the process that it believes to be.

use execution_gateway::shell::Shell as GatewayShell;
use feed_handler::Shell as FeedShell;
use risk::shell::RiskShell;
use runtime::duty_cycle::Agent;
use runtime::ports::wiring;
use runtime::process::{Arguments, Process};
use shm_layout::status::{ProcessState, StatusWriter};
use shm_layout::types::{Nanos, Role};
use strategy::shell::StrategyShell;

/// The shell of a role.
#[derive(Debug)]
enum Shell {
    FeedHandler(Box<FeedShell>),
    Strategy(Box<StrategyShell>),
    Risk(Box<RiskShell>),
    Gateway(Box<GatewayShell>),
}

impl Shell {
    fn attach(process: &Process, status: StatusWriter) -> anyhow::Result<Self> {
        Ok(match process.identity.role {
            Role::FeedHandler => Self::FeedHandler(Box::new(FeedShell::new(process, status)?)),
            Role::Strategy => Self::Strategy(Box::new(StrategyShell::attach(process, status)?)),
            Role::Risk => Self::Risk(Box::new(RiskShell::attach(process, status)?)),
            Role::ExecutionGateway => Self::Gateway(Box::new(GatewayShell::attach(process, status)?)),
            other => unreachable!("{other:?} is never hosted: a line that says so is refused"),
        })
    }

    fn end(self) -> anyhow::Result<()> {
        match self {
            Self::FeedHandler(shell) => shell.end(),
            Self::Strategy(shell) => Ok(shell.outcome()?),
            Self::Risk(shell) => Ok(shell.outcome()?),
            Self::Gateway(shell) => Ok(shell.end()?),
        }
    }
}

impl Agent for Shell {
    fn duty_cycle(&mut self, now: Nanos) -> usize {
        match self {
            Self::FeedHandler(shell) => shell.duty_cycle(now),
            Self::Strategy(shell) => shell.duty_cycle(now),
            Self::Risk(shell) => shell.duty_cycle(now),
            Self::Gateway(shell) => shell.duty_cycle(now),
        }
    }

    fn stop(&mut self) {
        match self {
            Self::FeedHandler(shell) => shell.stop(),
            Self::Strategy(shell) => shell.stop(),
            Self::Risk(shell) => shell.stop(),
            Self::Gateway(shell) => shell.stop(),
        }
    }

    fn finished(&self) -> bool {
        match self {
            Self::FeedHandler(shell) => shell.finished(),
            Self::Strategy(shell) => shell.finished(),
            Self::Risk(shell) => shell.finished(),
            Self::Gateway(shell) => shell.finished(),
        }
    }
}

/// An attached stage.
#[derive(Debug)]
pub struct Stage {
    shell: Shell,
    status: StatusWriter,
    process: Process,
}

impl Stage {
    /// Attaches a stage as its own process would, and says that it runs.
    ///
    /// # Errors
    /// What its process would refuse to start with.
    pub fn attach(role: Role, arguments: &Arguments) -> anyhow::Result<Self> {
        // The host file refuses failpoints beside a shared process: there is nothing to arm.
        let (process, status) = Process::attach(role, arguments, &[])?;
        let around = status.loop_view();
        let shell = Shell::attach(&process, status)?;
        process.settle_memory();
        around.heartbeat(process.clock.now());
        around.set_state(ProcessState::Running);
        Ok(Self { shell, status: around, process })
    }

    /// The process that it believes to be.
    #[must_use]
    pub const fn process(&self) -> &Process {
        &self.process
    }

    /// `risk/0`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.process.identity.role.folder(), self.process.identity.index)
    }

    /// Its place along the path of an order.
    #[must_use]
    pub fn place(&self) -> usize {
        let (counts, me) = (self.process.file.counts(), self.process.identity);
        wiring::roster_slot(counts, me.role, me.index).expect("a stage is in the roster")
    }

    /// One pass of its duty cycle.
    #[inline]
    pub fn duty_cycle(&mut self, now: Nanos) -> usize {
        let work_count = self.shell.duty_cycle(now);
        self.status.heartbeat(now);
        if work_count != 0 {
            self.status.add_progress(work_count as u64);
        }
        work_count
    }

    /// Shows how often this process has allocated since its last stage came.
    pub fn show_allocations(&self, allocations: u64) {
        self.status.set_allocations_after_start(allocations);
    }

    /// Asks it to end.
    pub fn stop(&mut self) {
        self.shell.stop();
    }

    /// Whether it has ended.
    #[must_use]
    pub fn finished(&self) -> bool {
        self.shell.finished()
    }

    /// Lets go of everything that is its own; last of all it says so.
    ///
    /// # Errors
    /// Why it ended, when not by a stop.
    pub fn end(self) -> anyhow::Result<()> {
        let name = self.name();
        let Self { shell, status, process } = self;
        status.set_state(ProcessState::Stopping);
        let ended = shell.end();
        drop(process);
        if ended.is_ok() {
            status.set_state(ProcessState::Stopped);
        }
        ended.map_err(|error| error.context(name))
    }
}
