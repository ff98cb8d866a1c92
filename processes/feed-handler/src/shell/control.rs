//! The tap on `control`: what the supervisor asks of this process.
//!
//! It never skips a message: a lap ends the process, and the supervisor starts it anew.

use runtime::RuntimeError;
use runtime::ports::{Identity, Ports};
use shm_layout::message::WORDS_64;
use shm_layout::message::control::{Control, ControlKind};
use shm_layout::ring::{RingReader, Start};
use shm_layout::status::ReaderPosition;
use shm_layout::topology::{RingId, RingKind};
use shm_layout::types::Role;

const RING: RingId = RingId { kind: RingKind::Control, writer: Role::Supervisor, index: 0, gateway: 0 };
/// Messages of one poll.
const BATCH: usize = 16;

/// What a poll brought.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Polled {
    /// Messages read, about any process.
    pub count: usize,
    /// Finish in order.
    pub stop: bool,
    /// Allocate once on purpose.
    pub allocate_once: bool,
}

/// The tap.
#[derive(Debug)]
pub struct ControlTap {
    reader: RingReader<WORDS_64>,
    me: Identity,
    words: [[u64; WORDS_64]; BATCH],
}

impl ControlTap {
    /// Attaches after the message that announced this life, so that a stop of an earlier one is not taken for its own;
    /// at the oldest message when there is none.
    ///
    /// # Errors
    /// As [`Ports::tap`].
    pub fn attach(ports: &Ports, me: Identity) -> Result<Self, RuntimeError> {
        let mut look: RingReader<WORDS_64> = ports.tap(RING, Start::Oldest)?;
        let (mut words, mut start) = ([[0; WORDS_64]; 1], Start::Oldest);
        while let Ok(1) = look.read_batch(&mut words) {
            let announces = Control::decode(&words[0]).is_ok_and(|message| {
                message.kind() == ControlKind::Epoch
                    && (message.role, message.index) == (me.role as u8, me.index)
                    && u64::from(message.epoch) == me.epoch
            });
            if announces {
                start = Start::After(look.next_sequence() - 1);
            }
        }
        Ok(Self { reader: ports.tap(RING, start)?, me, words: [[0; WORDS_64]; BATCH] })
    }

    /// Reads what is new.
    ///
    /// # Errors
    /// A lap, or a message that is none.
    pub fn poll(&mut self) -> anyhow::Result<Polled> {
        let count = self.reader.read_batch(&mut self.words)?;
        let mut polled = Polled { count, ..Polled::default() };
        for words in &self.words[..count] {
            let message = Control::decode(words)?;
            if message.is_for(self.me.role, self.me.index) {
                polled.stop |= message.kind() == ControlKind::Stop;
                polled.allocate_once |= message.kind() == ControlKind::AllocateOnce;
            }
        }
        Ok(polled)
    }

    /// Sequence that will be read next.
    pub const fn next_sequence(&self) -> u64 {
        self.reader.next_sequence()
    }

    /// Where it is, for the status region.
    pub const fn position(&self) -> ReaderPosition {
        ReaderPosition { ring: RING, next_sequence: self.reader.next_sequence(), laps: 0, missed: 0 }
    }
}
