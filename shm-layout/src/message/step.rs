//! Messages of `step`, 56 bytes each: what a pure machine was given, in what order, at what time. Together with the
//! rings it names, a step log replays a machine to the byte.
//!
//! ```text
//! 0     kind              u8   StepKind
//! 1     code              u8   meaning by kind
//! 2     index             u16  meaning by kind
//! 4     ring              u32  RingId of the inputs (Poll)
//! 8     through_sequence  u64  last ring sequence consumed (Poll)
//! 16    now_ns            u64  the machine's `now` for this step
//! 24    count             u32  inputs consumed (Poll), 0 for a timer
//! 28    instrument_id     u32  Reference, else 0
//! 32    value             [i64; 3]  meaning by kind
//! ```

use super::{BadMessage, Words64, kind_of};
use crate::types::{InstrumentId, Nanos, byte_code};
use std::mem::{offset_of, size_of};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, transmute};

byte_code! {
    /// Kind of a step.
    StepKind {
        /// A batch of `count` messages of `ring`, ending at `through_sequence`.
        Poll = 1,
        /// The machine's deadline was reached.
        Timer = 2,
        /// The kill page changed: value[0] is the newest latched generation, 0 = released.
        Kill = 3,
        /// A lease changed: code = Role, index = its index, value[0] = 1 held, 0 lost.
        Lease = 4,
        /// Risk read a reference: code = BookValidity, index = TradingStatus, value = bid, ask, image's receive_ns.
        Reference = 5,
        /// The machine was constructed: value[0] = epoch, value[1] = snapshot's through_journal_sequence.
        Start = 6,
        /// The shell reloaded state from a page or a snapshot that the log does not hold: replay ends here.
        Opaque = 7,
        /// The shell's answer to an output (gateway): code and values are the gateway's own, see its README.
        Effect = 8,
    }
}

/// One step of a machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Step {
    /// [`StepKind`].
    pub kind: u8,
    /// Meaning by kind.
    pub code: u8,
    /// Meaning by kind.
    pub index: u16,
    /// [`crate::topology::RingId`] of the inputs (`Poll`).
    pub ring: u32,
    /// Last ring sequence consumed (`Poll`).
    pub through_sequence: u64,
    /// The machine's `now` for this step.
    pub now_ns: Nanos,
    /// Inputs consumed (`Poll`); 0 for a timer.
    pub count: u32,
    /// `Reference`, else 0.
    pub instrument_id: InstrumentId,
    /// Meaning by kind.
    pub value: [i64; 3],
}

const _: () = {
    assert!(size_of::<Step>() == 56);
    assert!(offset_of!(Step, through_sequence) == 8);
    assert!(offset_of!(Step, now_ns) == 16);
    assert!(offset_of!(Step, value) == 32);
};

impl Step {
    /// Checks the words of a slot.
    ///
    /// # Errors
    /// [`BadMessage`] when the kind is wrong.
    pub fn decode(words: &Words64) -> Result<Self, BadMessage> {
        let byte = kind_of(words[0]);
        if StepKind::from_u8(byte).is_none() { Err(BadMessage::Kind(byte)) } else { Ok(transmute!(*words)) }
    }

    /// The words of a slot.
    #[must_use]
    pub fn encode(&self) -> Words64 {
        transmute!(*self)
    }

    /// The kind.
    ///
    /// # Panics
    /// On a message that did not come out of [`Step::decode`].
    #[must_use]
    pub fn kind(&self) -> StepKind {
        StepKind::from_u8(self.kind).expect("decode checked the kind")
    }
}
