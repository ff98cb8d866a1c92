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
use crate::types::{BookValidity, InstrumentId, Nanos, Price, TradingStatus, byte_code};
use std::mem::{offset_of, size_of};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, transmute};

byte_code! {
    /// Kind of a step.
    StepKind {
        /// A batch of `count` messages of `ring`, ending at `through_sequence`. Of count 0: the reader was lapped, and goes
        /// on after `through_sequence`; value[0] messages are lost.
        Poll = 1,
        /// The machine's deadline was reached.
        Timer = 2,
        /// The kill page changed: value[0] is the newest latched generation, 0 = released.
        Kill = 3,
        /// A lease changed: code = Role, index = its index, value[0] = 1 held, 0 lost.
        Lease = 4,
        /// Risk or a strategy read a [`Reference`]: code = BookValidity, index = TradingStatus, value = bid, ask,
        /// receive_ns, through_sequence = channel_sequence.
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

/// An instrument's state as a shell read it from the market image: given to risk and to strategies as an input, recorded
/// when it changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reference {
    /// Row of the instrument table.
    pub instrument_id: InstrumentId,
    /// Whether its book may be traded on.
    pub validity: BookValidity,
    /// Its trading status.
    pub trading_status: TradingStatus,
    /// Best bid, in 1e-8 of the quote currency; 0 = none.
    pub bid: Price,
    /// Best ask; 0 = none.
    pub ask: Price,
    /// Last kernel receive stamp of the **channel**, for staleness: a quiet instrument is not stale.
    pub receive_ns: Nanos,
    /// Channel sequence that the entry stood at.
    pub channel_sequence: u64,
}

impl Reference {
    /// The step that records it.
    #[must_use]
    pub const fn to_step(&self, now: Nanos) -> Step {
        Step {
            kind: StepKind::Reference as u8,
            code: self.validity as u8,
            index: self.trading_status as u16,
            ring: 0,
            through_sequence: self.channel_sequence,
            now_ns: now,
            count: 1,
            instrument_id: self.instrument_id,
            value: [self.bid.0, self.ask.0, self.receive_ns.0 as i64],
        }
    }

    /// The reference of a step; `None` when the step is of another kind or holds an unknown code.
    #[must_use]
    pub fn from_step(step: &Step) -> Option<Self> {
        if step.kind != StepKind::Reference as u8 {
            return None;
        }
        let [bid, ask, receive_ns] = step.value;
        Some(Self {
            instrument_id: step.instrument_id,
            validity: BookValidity::from_u8(step.code)?,
            trading_status: TradingStatus::from_u8(u8::try_from(step.index).ok()?)?,
            bid: Price(bid),
            ask: Price(ask),
            receive_ns: Nanos(receive_ns as u64),
            channel_sequence: step.through_sequence,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_returns_from_its_step_and_unknown_codes_do_not() {
        let reference = Reference {
            instrument_id: InstrumentId(7),
            validity: BookValidity::Recovering,
            trading_status: TradingStatus::Paused,
            bid: Price(1),
            ask: Price(i64::MAX),
            receive_ns: Nanos(u64::MAX),
            channel_sequence: 99,
        };
        let step = Step::decode(&reference.to_step(Nanos(5)).encode()).unwrap();
        assert_eq!((step.kind(), step.now_ns), (StepKind::Reference, Nanos(5)));
        assert_eq!(Reference::from_step(&step), Some(reference));
        assert_eq!(Reference::from_step(&Step { code: 9, ..step }), None);
        assert_eq!(Reference::from_step(&Step { index: 0x104, ..step }), None);
        assert_eq!(Reference::from_step(&Step { kind: StepKind::Kill as u8, ..step }), None);
    }
}
