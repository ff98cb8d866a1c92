//! The inputs that no process may miss a message of: `control`, and for who keeps orders `execution`.
//!
//! A lap, an unreadable message or a stream that does not join the snapshot is an [`InputFault`]: the process ends with it
//! and re-enters by the rebuild. Nothing here guesses what a lost message said.

use crate::error::RuntimeError;
use crate::ports::{Identity, Ports};
use shm_layout::message::control::{Control, ControlKind};
use shm_layout::message::execution::Execution;
use shm_layout::message::{BadMessage, WORDS_64, WORDS_128};
use shm_layout::ring::{RingReader, Start};
use shm_layout::status::ReaderPosition;
use shm_layout::topology::{RingId, RingKind};
use shm_layout::types::Role;

/// Messages of one batch.
pub const BATCH: usize = 64;

/// Why a process must end and be rebuilt.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InputFault {
    /// Messages were overwritten before they were read.
    #[error("{}: lapped, {missed} messages are lost; the process must be rebuilt", ring.name())]
    Lapped {
        /// The ring.
        ring: RingId,
        /// Messages lost.
        missed: u64,
    },
    /// A message that is none of the ring's.
    #[error("{}: message {sequence}: {error}; the process must be rebuilt", ring.name())]
    Malformed {
        /// The ring.
        ring: RingId,
        /// Its sequence in the ring.
        sequence: u64,
        /// What is wrong.
        error: BadMessage,
    },
    /// The ring no longer reaches back to where the snapshot ends.
    #[error("{}: begins at journal sequence {found}, the snapshot ends at {through}; rebuild again", ring.name())]
    Discontinuous {
        /// The ring.
        ring: RingId,
        /// Journal sequence through which the snapshot goes.
        through: u64,
        /// Journal sequence of the oldest message that the ring still holds.
        found: u64,
    },
}

/// A tap of messages T, in batches; nothing may be missed.
#[derive(Debug)]
struct Followed<T, const W: usize> {
    ring: RingId,
    reader: RingReader<W>,
    words: Box<[[u64; W]]>,
    messages: Vec<T>,
    decode: fn(&[u64; W]) -> Result<T, BadMessage>,
}

impl<T, const W: usize> Followed<T, W> {
    fn new(ring: RingId, reader: RingReader<W>, decode: fn(&[u64; W]) -> Result<T, BadMessage>) -> Self {
        Self { ring, reader, words: vec![[0; W]; BATCH].into(), messages: Vec::with_capacity(BATCH), decode }
    }

    fn poll(&mut self, limit: usize) -> Result<usize, InputFault> {
        self.messages.clear();
        let ring = self.ring;
        let read = self.reader.read_batch(&mut self.words[..limit.min(BATCH)]);
        let count = read.map_err(|lapped| InputFault::Lapped { ring, missed: lapped.missed })?;
        let first = self.reader.next_sequence() - count as u64;
        for (index, words) in self.words[..count].iter().enumerate() {
            let sequence = first + index as u64;
            let message = (self.decode)(words);
            self.messages.push(message.map_err(|error| InputFault::Malformed { ring, sequence, error })?);
        }
        Ok(count)
    }

    const fn position(&self) -> ReaderPosition {
        ReaderPosition { ring: self.ring, next_sequence: self.reader.next_sequence(), laps: 0, missed: 0 }
    }
}

/// What `control` asks of a process itself, beside what its machine makes of the messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ControlRequests {
    /// Finish in order.
    pub stop: bool,
    /// Allocate once on purpose.
    pub allocate_once: bool,
}

/// The control ring, from the oldest message that it holds: a process that restarts learns every epoch and arm again.
#[derive(Debug)]
pub struct ControlInput {
    followed: Followed<Control, WORDS_64>,
    role: Role,
    index: u8,
    /// Sequence of the message that announced this life: a stop before it was meant for an earlier one.
    announced_at: u64,
}

impl ControlInput {
    /// Attaches for the process `me`.
    ///
    /// # Errors
    /// As [`Ports::tap`].
    pub fn attach(ports: &Ports, me: Identity) -> Result<Self, RuntimeError> {
        let ring = RingId { kind: RingKind::Control, writer: Role::Supervisor, index: 0, gateway: 0 };
        let announced_at = announcement(ports.tap(ring, Start::Oldest)?, me);
        let followed = Followed::new(ring, ports.tap(ring, Start::Oldest)?, Control::decode);
        Ok(Self { followed, role: me.role, index: me.index, announced_at })
    }

    /// Without what was said before this life was announced: for a process whose state is not made of old messages.
    #[must_use]
    pub fn of_this_life(mut self) -> Self {
        if self.announced_at > 0 {
            self.followed.reader.seek(self.announced_at - 1);
        }
        self
    }

    /// Reads the next batch, of at most `limit` and [`BATCH`] messages: how many it has.
    ///
    /// # Errors
    /// [`InputFault`].
    pub fn poll(&mut self, limit: usize) -> Result<usize, InputFault> {
        self.followed.poll(limit)
    }

    /// The messages of the batch, in order; about any process.
    #[must_use]
    pub fn messages(&self) -> &[Control] {
        &self.followed.messages
    }

    /// What the batch asks of this process.
    #[must_use]
    pub fn requests(&self) -> ControlRequests {
        let first = self.through() + 1 - self.messages().len() as u64;
        let mut requests = ControlRequests::default();
        for (sequence, message) in (first..).zip(self.messages()) {
            if sequence <= self.announced_at || !message.is_for(self.role, self.index) {
                continue;
            }
            requests.stop |= message.kind() == ControlKind::Stop;
            requests.allocate_once |= message.kind() == ControlKind::AllocateOnce;
        }
        requests
    }

    /// Sequence of the last message read.
    #[must_use]
    pub const fn through(&self) -> u64 {
        self.followed.reader.next_sequence() - 1
    }

    /// The ring.
    #[must_use]
    pub const fn ring(&self) -> RingId {
        self.followed.ring
    }

    /// Where it is, for the status region.
    #[must_use]
    pub const fn position(&self) -> ReaderPosition {
        self.followed.position()
    }
}

/// Sequence of the Epoch message that announced the life `me`; 0 when the ring holds none.
fn announcement(mut reader: RingReader<WORDS_64>, me: Identity) -> u64 {
    let (mut words, mut found) = ([[0; WORDS_64]; 1], 0);
    // Whoever is lapped here is lapped again by the input itself, which says so.
    while let Ok(1) = reader.read_batch(&mut words) {
        let announces = Control::decode(&words[0]).is_ok_and(|message| {
            message.kind() == ControlKind::Epoch
                && message.role == me.role as u8
                && message.index == me.index
                && u64::from(message.epoch) == me.epoch
        });
        if announces {
            found = reader.next_sequence() - 1;
        }
    }
    found
}

/// The execution ring of one gateway, joined to a snapshot.
#[derive(Debug)]
pub struct ExecutionInput {
    followed: Followed<Execution, WORDS_128>,
    gateway: u8,
    /// Journal sequence through which the state was rebuilt.
    through: u64,
    /// The first message was seen, and nothing lies between it and the snapshot.
    joined: bool,
}

impl ExecutionInput {
    /// Attaches at the oldest message of `gateway`'s ring, for a state rebuilt through `through` (0: from nothing).
    ///
    /// # Errors
    /// As [`Ports::tap`].
    pub fn attach(ports: &Ports, gateway: u8, through: u64) -> Result<Self, RuntimeError> {
        let ring = RingId { kind: RingKind::Execution, writer: Role::ExecutionGateway, index: gateway, gateway: 0 };
        let followed = Followed::new(ring, ports.tap(ring, Start::Oldest)?, Execution::decode);
        Ok(Self { followed, gateway, through, joined: false })
    }

    /// Reads the next batch, of at most `limit` and [`BATCH`] messages: how many it has. The first batches repeat what the
    /// snapshot holds.
    ///
    /// # Errors
    /// [`InputFault`].
    pub fn poll(&mut self, limit: usize) -> Result<usize, InputFault> {
        let count = match self.followed.poll(limit) {
            // The gateway writes while the first message is looked for: the next poll begins further on, and whether
            // that still joins is decided there.
            Err(InputFault::Lapped { .. }) if !self.joined => return Ok(0),
            polled => polled?,
        };
        if let (false, Some(first)) = (self.joined, self.followed.messages.first()) {
            let found = first.journal_sequence();
            let begins = self.followed.reader.next_sequence() - count as u64 == 1;
            if !begins && found > self.through {
                return Err(InputFault::Discontinuous { ring: self.followed.ring, through: self.through, found });
            }
            self.joined = true;
        }
        Ok(count)
    }

    /// The messages of the batch, in order.
    #[must_use]
    pub fn messages(&self) -> &[Execution] {
        &self.followed.messages
    }

    /// Ring sequence of the last message read.
    #[must_use]
    pub const fn through(&self) -> u64 {
        self.followed.reader.next_sequence() - 1
    }

    /// The gateway.
    #[must_use]
    pub const fn gateway(&self) -> u8 {
        self.gateway
    }

    /// The ring.
    #[must_use]
    pub const fn ring(&self) -> RingId {
        self.followed.ring
    }

    /// Where it is, for the status region.
    #[must_use]
    pub const fn position(&self) -> ReaderPosition {
        self.followed.position()
    }
}
