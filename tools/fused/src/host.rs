//! The process: takes stages as they are given, and runs them all in one loop.

use crate::line;
use crate::stage::Stage;
use anyhow::Context as _;
use clap::Parser;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use runtime::alloc;
use runtime::clock::Clock;
use runtime::signal;
use runtime::wait::WaitStrategy;
use shm_layout::types::Nanos;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::Duration;

/// Time between two looks at standard input while stages are missing, in nanoseconds.
const LOOK_NS: u64 = 1_000_000;
/// How long to sleep before the first stage.
const NAP: Duration = Duration::from_millis(1);
/// Longest line that names a stage, in bytes.
const LINE_BYTES_MAX: usize = 16 << 10;

/// Arguments of the binary.
#[derive(Parser, Clone, Debug)]
#[command(
    version,
    about = "Several stages of a Tickway instance in one process; the supervisor starts it and names them"
)]
pub struct Arguments {
    /// The effective host file of the instance.
    #[arg(long)]
    pub host: PathBuf,
    /// Index of this host.
    #[arg(long)]
    pub place: u8,
    /// Stages that will be named on standard input.
    #[arg(long)]
    pub stages: usize,
}

/// Standard input, read without waiting.
#[derive(Debug)]
struct Lines {
    input: Option<File>,
    bytes: Vec<u8>,
}

impl Lines {
    fn of_stdin() -> io::Result<Self> {
        let input = io::stdin().as_fd().try_clone_to_owned()?;
        fcntl(&input, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        Ok(Self { input: Some(input.into()), bytes: Vec::with_capacity(LINE_BYTES_MAX) })
    }

    /// The next whole line, if there is one. After the end of the input there is none: the supervisor is gone, and stages
    /// outlive it.
    fn next(&mut self) -> anyhow::Result<Option<String>> {
        let mut block = [0; 1024];
        while let Some(input) = &mut self.input {
            match input.read(&mut block) {
                Ok(0) => self.input = None,
                Ok(length) => self.bytes.extend_from_slice(&block[..length]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error).context("cannot read standard input"),
            }
            anyhow::ensure!(self.bytes.len() <= LINE_BYTES_MAX, "a stage is named by at most {LINE_BYTES_MAX} bytes");
        }
        let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
        let line: Vec<u8> = self.bytes.drain(..=end).collect();
        Ok(Some(String::from_utf8(line).context("a stage is named in UTF-8")?))
    }
}

/// The host and its stages, in the order of the path of an order: what one publishes, the next reads in the same pass.
#[derive(Debug)]
pub struct Host {
    wanted: usize,
    lines: Lines,
    stages: Vec<Stage>,
    /// Stages that were named so far.
    named: usize,
    clock: Option<Clock>,
    wait: WaitStrategy,
    look_at: Nanos,
    allocations: u64,
    stopping: bool,
}

impl Host {
    /// A host without a stage.
    ///
    /// # Errors
    /// When standard input or a signal cannot be set up.
    pub fn new(arguments: &Arguments) -> anyhow::Result<Self> {
        signal::abort_on_panic();
        signal::install(signal::HangUp::Ignored)?;
        Ok(Self {
            wanted: arguments.stages,
            lines: Lines::of_stdin().context("cannot poll standard input")?,
            stages: Vec::with_capacity(arguments.stages),
            named: 0,
            clock: None,
            wait: WaitStrategy::Yield,
            look_at: Nanos(0),
            allocations: 0,
            stopping: false,
        })
    }

    /// Runs until every stage has ended in order.
    ///
    /// # Errors
    /// The first stage that could not start, or ended by itself: with it the others end too.
    pub fn run(&mut self) -> anyhow::Result<()> {
        while !(self.named > 0 && self.stages.is_empty()) {
            let Some(clock) = self.clock else {
                if signal::stop_requested() || self.lines.input.is_none() {
                    return Ok(());
                }
                self.look()?;
                std::thread::sleep(NAP);
                continue;
            };
            let now = clock.now();
            if self.named < self.wanted && now >= self.look_at {
                self.look_at = now.plus(LOOK_NS);
                self.look()?;
            }
            if !self.stopping && signal::stop_requested() {
                self.stopping = true;
                self.stages.iter_mut().for_each(Stage::stop);
            }
            let work_count = self.pass(&clock)?;
            self.wait.idle(work_count);
        }
        alloc::stop_counting();
        Ok(())
    }

    /// One pass over every stage.
    fn pass(&mut self, clock: &Clock) -> anyhow::Result<usize> {
        let (mut work_count, mut ended) = (0, false);
        for stage in &mut self.stages {
            work_count += stage.duty_cycle(clock.now());
            ended |= stage.finished();
        }
        let allocations = alloc::allocations();
        if allocations != self.allocations {
            self.allocations = allocations;
            self.stages.iter().for_each(|stage| stage.show_allocations(allocations));
        }
        if ended {
            self.end_finished()?;
        }
        Ok(work_count)
    }

    fn end_finished(&mut self) -> anyhow::Result<()> {
        // What ends allocates and frees: that is not trading.
        alloc::stop_counting();
        while let Some(place) = self.stages.iter().position(Stage::finished) {
            self.stages.remove(place).end()?;
        }
        Ok(())
    }

    /// Attaches the stages that were named since the last look. Allocations count from the last one on.
    fn look(&mut self) -> anyhow::Result<()> {
        while let Some(line) = self.lines.next()? {
            alloc::stop_counting();
            let (role, arguments) = line::parse(&line)?;
            let stage = Stage::attach(role, &arguments)?;
            tracing::info!("{} is hosted", stage.name());
            (self.clock, self.wait) = (Some(stage.process().clock), arguments.wait);
            let place = self.stages.partition_point(|other| other.place() < stage.place());
            assert!(self.stages.get(place).is_none_or(|other| other.place() != stage.place()), "hosted twice");
            self.stages.insert(place, stage);
            self.named += 1;
            self.allocations = 0;
            alloc::start_counting();
        }
        Ok(())
    }
}
