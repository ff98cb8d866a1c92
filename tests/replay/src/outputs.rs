//! Compares outputs with captured rings, each ring in its order.

use crate::capture::Capture;
use shm_layout::message::wire::WireKind;
use shm_layout::topology::{RingId, RingKind};
use std::collections::BTreeMap;

/// An output as its shell publishes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Published {
    /// Ring.
    pub ring: RingId,
    /// Payload words.
    pub words: Vec<u64>,
}

/// What the comparison of one output came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Compared {
    /// It is the captured one.
    Equal,
    /// The capture of the ring is at its end.
    Beyond {
        /// Sequence that the message would have.
        sequence: u64,
    },
    /// It is another one.
    Different {
        /// Sequence of the captured one.
        sequence: u64,
        /// Its words.
        captured: Vec<u64>,
    },
    /// The capture misses the message.
    Gap {
        /// Sequence missed.
        sequence: u64,
    },
}

/// Where the comparison stands in each ring.
#[derive(Debug)]
pub struct Outputs<'a> {
    capture: &'a Capture,
    next: BTreeMap<RingId, u64>,
}

impl<'a> Outputs<'a> {
    /// At the beginning of every ring.
    #[must_use]
    pub const fn new(capture: &'a Capture) -> Self {
        Self { capture, next: BTreeMap::new() }
    }

    /// Compares the next output of a ring; goes on only when it is equal.
    pub fn compare(&mut self, output: &Published) -> Compared {
        let (sequence, captured) = match self.peek(output.ring) {
            Ok(found) => found,
            Err(compared) => return compared,
        };
        if captured != output.words {
            return Compared::Different { sequence, captured: captured.to_vec() };
        }
        self.next.insert(output.ring, sequence + 1);
        Compared::Equal
    }

    /// The next captured output of a ring.
    ///
    /// # Errors
    /// The end of the capture, or a gap in it.
    pub fn peek(&self, ring: RingId) -> Result<(u64, &'a [u64]), Compared> {
        let from = self.next.get(&ring).copied().unwrap_or(1);
        let mut expected = from;
        let messages = self.capture.ring(ring).into_iter().flat_map(|captured| captured.from(from));
        for (sequence, words) in messages {
            if sequence != expected {
                return Err(Compared::Gap { sequence: expected });
            }
            if is_output(ring, words) {
                return Ok((sequence, words));
            }
            expected += 1;
        }
        Err(Compared::Beyond { sequence: expected })
    }
}

/// A wire ring holds inputs too.
fn is_output(ring: RingId, words: &[u64]) -> bool {
    let kind = words.first().and_then(|word| WireKind::from_u8(word.to_le_bytes()[0]));
    ring.kind != RingKind::Wire || matches!(kind, Some(WireKind::DatagramSent | WireKind::StreamSent))
}
