//! A trial: what one start of the processes does, and what each role brings home.

use crate::anchor::Anchors;
use crate::cpu::CpuUse;
use crate::jitter::Jitter;
use crate::lane::{LaneSpec, Payload};
use crate::recorder::IntervalCounts;
use crate::schedule::Arrivals;
use crate::timeline::{StampCost, Timeline};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;

/// A pause that the harness puts into one of its own roles, to prove that it shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Stall {
    /// When, in milliseconds after the warm-up's end.
    pub after_ms: u64,
    /// How long, in milliseconds.
    pub length_ms: u64,
}

/// Who has the pause.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stops {
    /// Nobody: the control.
    Nobody,
    /// The receiver, between two reads.
    Receiver,
    /// The sender, between a message's intended time and its send.
    Sender,
}

/// What the self-test does to an open loop. The receiver records a second time then, from the actual send.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Probe {
    /// Who stops.
    pub stops: Stops,
    /// When and how long; of a control, when and how long others do.
    pub stall: Stall,
}

impl Probe {
    /// The pause of a role of an open loop; `None` when it has none.
    #[must_use]
    pub fn stall_of(probe: Option<Self>, stops: Stops) -> Option<Stall> {
        probe.filter(|probe| probe.stops == stops).map(|probe| probe.stall)
    }
}

/// What the roles do between the two anchors.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Work {
    /// A message there and back, one at a time: half of a round trip is one way, comparable with A. Closed loop: its tail
    /// is the machine's, not that of a queue.
    PingPong {
        /// Measured time, in milliseconds; half of it in batches, half with stamps for each round trip.
        measure_ms: u64,
    },
    /// One way at a stated rate from intended times.
    OpenLoop {
        /// Messages per second.
        rate_hz: u64,
        /// Spacing.
        arrivals: Arrivals,
        /// Seed of the spacing.
        seed: u64,
        /// Discarded at the start, in milliseconds.
        warm_up_ms: u64,
        /// Measured after that, in milliseconds.
        measure_ms: u64,
        /// The self-test's pause.
        probe: Option<Probe>,
    },
    /// As many messages as will go through.
    Throughput {
        /// Messages per claim and per read.
        batch: usize,
        /// Messages discarded at the start.
        warm_up: u64,
        /// Measured time, in milliseconds.
        measure_ms: u64,
    },
}

/// Which part of a trial a process plays.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sends, and asks for the anchor.
    Sender,
    /// Holds every gating receiver, polled in turn, and answers.
    Receiver,
    /// A cold reader that naps between polls and gates nobody.
    Tap,
    /// Sender and receiver as threads of one process.
    Threads,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Sender => "sender",
            Self::Receiver => "receiver",
            Self::Tap => "tap",
            Self::Threads => "two roles in threads",
        })
    }
}

/// One trial.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct TrialSpec {
    /// Name of the lane.
    pub lane: String,
    /// Payload.
    pub payload: Payload,
    /// The lane from sender to receiver.
    pub there: LaneSpec,
    /// What the roles do.
    pub work: Work,
    /// Core of the sender.
    pub sender_core: usize,
    /// Core of the receiver.
    pub receiver_core: usize,
    /// Core of a tap process, if there is one.
    pub tap_core: Option<usize>,
    /// How long the jitter floor is watched, in milliseconds.
    pub jitter_ms: u64,
    /// The counter's rate.
    pub timeline: Timeline,
    /// The meeting's file.
    pub meeting: PathBuf,
}

impl TrialSpec {
    /// Processes or threads that meet at barriers.
    #[must_use]
    pub const fn roles(&self) -> u64 {
        if self.tap_core.is_some() { 3 } else { 2 }
    }

    /// The lane from receiver to sender, for round trips: as the other, without taps.
    #[must_use]
    pub fn back(&self) -> LaneSpec {
        LaneSpec { name: "back".to_owned(), taps: 0, receivers: 1, ..self.there.clone() }
    }
}

/// What a role counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Messages sent (sender) or taken (receivers, all together).
    pub messages: u64,
    /// Messages lost, by a receiver's own account or by a gap in their numbers.
    pub lost: u64,
    /// Messages that came again or out of order.
    pub disordered: u64,
    /// Attempts to send that found the lane full.
    pub full: u64,
    /// From the first intended time of an open loop to the last message taken, in nanoseconds; 0 = not timed.
    #[serde(default)]
    pub took_ns: u64,
    /// Sum of all payload words of all messages (wrapping), sent or taken by one receiver.
    pub checksum: u64,
}

/// What a role brings home.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RoleOutcome {
    /// Which.
    pub role: Role,
    /// Its core.
    pub core: usize,
    /// The trial's anchors (sender).
    pub anchors: Option<Anchors>,
    /// Use of its core during the measurement.
    pub cpu: CpuUse,
    /// The floor of its core.
    pub jitter: Jitter,
    /// What a stamp costs there.
    pub stamp: StampCost,
    /// Its counts; a receiver role has one entry for each receiver.
    pub counts: Vec<Counts>,
    /// Latencies (receiver of an open loop; sender of round trips, halved).
    pub intervals: Vec<IntervalCounts>,
    /// The same latencies from the time of the actual send (receiver of a self-test).
    #[serde(default)]
    pub from_actual_send: Vec<IntervalCounts>,
    /// Means of batches of round trips, halved, in picoseconds, ascending (sender of round trips).
    pub batches_ps: Vec<u64>,
    /// Messages per second from the first measured message to the last receiver's last (receiver of a throughput).
    pub per_second: Option<f64>,
}
