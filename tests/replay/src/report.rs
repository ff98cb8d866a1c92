//! What a replay came to.

use shm_layout::topology::RingId;
use std::fmt;

/// Why a process was not replayed further.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Stop {
    /// The process has no step ring in the capture.
    NotCaptured,
    /// A message that a step names is not in the capture.
    Gap {
        /// Its ring.
        ring: RingId,
        /// Its sequence.
        sequence: u64,
    },
    /// The shell took state from where the log does not reach.
    Opaque,
    /// A life that starts from what the capture does not hold.
    Snapshot {
        /// Its epoch.
        epoch: u32,
        /// Journal sequence through which its snapshot goes.
        through: u64,
    },
    /// A message or a step that cannot be read.
    Unreadable(String),
    /// The step log begins in the middle of a life.
    NoStart,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotCaptured => write!(f, "its steps were not captured"),
            Self::Gap { ring, sequence } => write!(f, "{} misses sequence {sequence}", ring.name()),
            Self::Opaque => write!(f, "its state came from where the log does not reach"),
            Self::Snapshot { epoch, through } => {
                write!(f, "epoch {epoch} starts from a snapshot through journal sequence {through}")
            }
            Self::Unreadable(what) => write!(f, "{what}"),
            Self::NoStart => write!(f, "the log begins in the middle of a life"),
        }
    }
}

/// An output that is not the captured one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// Sequence of the step in the process's step ring.
    pub step: u64,
    /// Ring of the output.
    pub ring: RingId,
    /// Sequence of the captured message, or where one is missing.
    pub sequence: u64,
    /// Payload words that the machine puts out; `None`: it puts out nothing more.
    pub replayed: Option<Vec<u64>>,
    /// Payload words captured; `None`: the ring ended.
    pub captured: Option<Vec<u64>>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "step {}: {} sequence {}", self.step, self.ring.name(), self.sequence)?;
        write!(f, ": replayed {:x?}, captured {:x?}", self.replayed, self.captured)
    }
}

/// What the replay of one process came to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ProcessReport {
    /// Role and index, such as `risk/0`.
    pub process: String,
    /// Lives replayed.
    pub lives: u64,
    /// Steps replayed.
    pub steps: u64,
    /// Inputs given.
    pub inputs: u64,
    /// Outputs that were compared and equal.
    pub outputs: u64,
    /// Outputs of a last step that its process died in before it had published them.
    pub unpublished: u64,
    /// The log was replayed to its end, and the ring was drained at its writer's end.
    pub reached_end: bool,
    /// The first output that is not the captured one; the replay ends there.
    pub difference: Option<Difference>,
    /// What else is not as it was: the journal.
    pub disagreement: Option<String>,
    /// Why it ended before the log's end.
    pub stopped_at: Option<Stop>,
}

impl fmt::Display for ProcessReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { process, lives, steps, inputs, outputs, .. } = self;
        write!(f, "{process}: {lives} lives, {steps} steps, {inputs} inputs, {outputs} outputs equal")?;
        if let Some(difference) = &self.difference {
            write!(f, "; DIFFERENT at {difference}")?;
        }
        if let Some(what) = &self.disagreement {
            write!(f, "; DIFFERENT: {what}")?;
        }
        if let Some(stop) = &self.stopped_at {
            write!(f, "; stopped: {stop}")?;
        }
        Ok(())
    }
}

/// What a replay came to, process by process.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// The processes.
    pub processes: Vec<ProcessReport>,
}

impl Report {
    /// True when no output differs.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        self.processes.iter().all(|process| process.difference.is_none() && process.disagreement.is_none())
    }

    /// True when, besides, every process was replayed to its end.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.is_equal() && self.processes.iter().all(|process| process.stopped_at.is_none() && process.reached_end)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.processes.iter().try_for_each(|process| writeln!(f, "{process}"))
    }
}
