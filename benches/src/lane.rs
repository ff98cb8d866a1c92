//! A lane: a one-way way of messages between two roles, ours or a peer's, measured by the same loops.
//!
//! Every trait is static: the loops are compiled once per lane and payload, so that no lane pays for a call that another
//! does not. A lane that works between processes implements [`ProcessLane`]; one that is confined to a process implements
//! [`ThreadLane`], and its roles are then threads. A peer is a lane in a bench target: nothing of the product knows it.

mod ours;
mod threads;

use crate::BenchError;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

pub use ours::Tickway;
pub use threads::TickwayThreads;

/// Payload of a message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Payload {
    /// Seven words: a slot of 64 bytes with its stamp.
    #[serde(rename = "56")]
    Bytes56,
    /// Fifteen words: a slot of 128 bytes with its stamp.
    #[serde(rename = "120")]
    Bytes120,
}

impl Payload {
    /// Bytes of payload.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::Bytes56 => 56,
            Self::Bytes120 => 120,
        }
    }

    /// Bytes of the slot: payload and one stamp.
    #[must_use]
    pub const fn slot_bytes(self) -> usize {
        self.bytes() + 8
    }
}

/// What both ends of a lane know about it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LaneSpec {
    /// Directory of the trial in shared memory, for the lane's files; it exists, and is removed with all in it.
    pub directory: PathBuf,
    /// Name of the lane in the trial (`there`, `back`), for its files.
    pub name: String,
    /// Slots: a power of two.
    pub slots: usize,
    /// Readers that gate the sender: nothing is lost between it and them.
    pub receivers: usize,
    /// Readers that do not: they may lose messages, and the sender never waits for them.
    pub taps: usize,
}

impl LaneSpec {
    /// A file of the lane.
    #[must_use]
    pub fn file(&self, part: &str) -> PathBuf {
        self.directory.join(format!("{}-{part}", self.name))
    }
}

/// The sending end, for messages of W words.
pub trait Sender<const W: usize> {
    /// Sends one message, at once visible to the receivers. False = not now (full): the message was not sent.
    fn send(&mut self, words: &[u64; W]) -> bool;

    /// Sends up to `count` messages, which `fill(index, words)` writes, in the lane's own batches; returns how many were
    /// sent: always the first ones, and 0 = not now. `fill` sees garbage in `words` and writes all of it; it may be called
    /// for a message that is not sent then.
    fn send_batch(&mut self, count: usize, mut fill: impl FnMut(usize, &mut [u64; W])) -> usize {
        let mut words = [0; W];
        for index in 0..count {
            fill(index, &mut words);
            if !self.send(&words) {
                return index;
            }
        }
        count
    }
}

/// The receiving end, for messages of W words.
pub trait Receiver<const W: usize> {
    /// Takes up to `limit` messages, in order, and gives each to `each`; returns how many. Never waits.
    fn receive(&mut self, limit: usize, each: impl FnMut(&[u64; W])) -> usize;

    /// Messages that this receiver knows to have lost; 0 for a lossless lane.
    fn lost(&self) -> u64 {
        0
    }
}

/// A lane between processes.
pub trait ProcessLane<const W: usize> {
    /// Its sending end.
    type Sender: Sender<W>;
    /// Its receiving end.
    type Receiver: Receiver<W>;

    /// Makes what both ends attach to, before any role starts. Called once per lane and trial, by the coordinator.
    ///
    /// # Errors
    /// When it cannot be made.
    fn create(spec: &LaneSpec) -> Result<(), BenchError>;

    /// Attaches the sender, in its process, pinned.
    ///
    /// # Errors
    /// When it cannot.
    fn sender(spec: &LaneSpec) -> Result<Self::Sender, BenchError>;

    /// Attaches a receiver, in its process, pinned: gating ones have the indices `0..spec.receivers`, taps those after.
    /// No message is sent before all have attached.
    ///
    /// # Errors
    /// When it cannot.
    fn receiver(spec: &LaneSpec, index: usize) -> Result<Self::Receiver, BenchError>;
}

/// A lane between threads of one process.
pub trait ThreadLane<const W: usize> {
    /// Its sending end.
    type Sender: Sender<W> + Send;
    /// Its receiving end.
    type Receiver: Receiver<W> + Send;

    /// Makes both ends; `spec.receivers + spec.taps` receivers.
    ///
    /// # Errors
    /// When it cannot.
    fn open(spec: &LaneSpec) -> Result<(Self::Sender, Vec<Self::Receiver>), BenchError>;
}

/// What a lane is called and how it was set.
pub trait Lane {
    /// Its name in tables: `tickway`, `rtrb`.
    const NAME: &'static str;

    /// Its settings in one line, with what its documentation recommends: `gating reader, claim(n), read_batch`.
    fn settings(spec: &LaneSpec) -> String;
}

/// For a lane that takes messages for one receiver only.
///
/// # Errors
/// When the plan has more receivers, or taps.
pub fn one_receiver<L: Lane>(spec: &LaneSpec) -> Result<(), BenchError> {
    if (spec.receivers, spec.taps) == (1, 0) {
        return Ok(());
    }
    let what = format!("{}: {} receivers and {} taps", L::NAME, spec.receivers, spec.taps);
    Err(BenchError::new(what, "measure it with one receiver"))
}
