//! The two streams that no process may miss a message of, read as the shells read them: from the oldest message on.

use crate::bus::Ring;
use shm_layout::message::control::Control;
use shm_layout::message::execution::Execution;
use shm_layout::message::{WORDS_64, WORDS_128};
use shm_layout::ring::{RingReader, Start};

/// A message is lost, or the stream does not join the snapshot: the reader's state is void, it ends and is rebuilt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Void;

/// `control`.
#[derive(Debug)]
pub struct ControlTap(RingReader<WORDS_64>);

impl ControlTap {
    /// From the oldest message: a process that restarts learns every epoch and arm again.
    #[must_use]
    pub fn attach(ring: &Ring<WORDS_64>) -> Self {
        Self(ring.tap(Start::Oldest))
    }

    /// The next message.
    ///
    /// # Errors
    /// [`Void`].
    ///
    /// # Panics
    /// When the supervisor's message is none.
    pub fn poll(&mut self) -> Result<Option<Control>, Void> {
        let mut words = [[0; WORDS_64]; 1];
        let count = self.0.read_batch(&mut words).map_err(|_| Void)?;
        Ok((count == 1).then(|| Control::decode(&words[0]).expect("the supervisor's message")))
    }
}

/// `execution`, joined to a snapshot.
#[derive(Debug)]
pub struct ExecutionTap {
    reader: RingReader<WORDS_128>,
    through: u64,
    joined: bool,
}

impl ExecutionTap {
    /// From the oldest message, for a state rebuilt through journal sequence `through` (0: from nothing).
    #[must_use]
    pub fn attach(ring: &Ring<WORDS_128>, through: u64) -> Self {
        Self { reader: ring.tap(Start::Oldest), through, joined: false }
    }

    /// The next message.
    ///
    /// # Errors
    /// [`Void`] when messages are lost, or the ring begins after the end of the snapshot.
    ///
    /// # Panics
    /// When the gateway's message is none.
    pub fn poll(&mut self) -> Result<Option<Execution>, Void> {
        let mut words = [[0; WORDS_128]; 1];
        if self.reader.read_batch(&mut words).map_err(|_| Void)? == 0 {
            return Ok(None);
        }
        let message = Execution::decode(&words[0]).expect("the gateway's message");
        if !self.joined {
            let first_of_all = self.reader.next_sequence() == 2;
            if !first_of_all && message.journal_sequence() > self.through {
                return Err(Void);
            }
            self.joined = true;
        }
        Ok(Some(message))
    }
}
