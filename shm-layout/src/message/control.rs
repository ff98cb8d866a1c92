//! Messages of `control`, 56 bytes each. The supervisor alone writes them.
//!
//! ```text
//! 0     kind        u8   ControlKind
//! 1     role        u8   Role it is about, 0 = all
//! 2     index       u8   index of that role
//! 3     reserved    u8
//! 4     epoch       u32  Epoch: the new epoch of (role, index)
//! 8     request_id  u64  id of the operator's command, 0 = the supervisor's own
//! 16    now_ns      u64  when it was published
//! 24    value       [u64; 2]  meaning by kind
//! 40    reserved    [u64; 2]
//! ```

use super::{BadMessage, Words64, kind_of};
use crate::types::{Nanos, Role, byte_code};
use std::mem::{offset_of, size_of};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, transmute};

byte_code! {
    /// Kind of a control message.
    ControlKind {
        /// (role, index) restarts with `epoch`: gateways journal a Fence and refuse what is older.
        Epoch = 1,
        /// Strategy `index` may trade.
        Arm = 2,
        /// Strategy `index` may not open orders; it may cancel.
        Disarm = 3,
        /// The gateway cancels every open order.
        CancelAll = 4,
        /// Finish: flush, publish what is left, exit 0.
        Stop = 5,
        /// Allocate once on purpose, to show that the counter counts (debug).
        AllocateOnce = 6,
    }
}

/// A control message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Control {
    /// [`ControlKind`].
    pub kind: u8,
    /// [`Role`] it is about; 0 = all.
    pub role: u8,
    /// Index of that role.
    pub index: u8,
    /// Zero.
    pub reserved: u8,
    /// `Epoch`: the new epoch of (role, index). Else 0.
    pub epoch: u32,
    /// Id of the operator's command; 0 = the supervisor's own.
    pub request_id: u64,
    /// When it was published.
    pub now_ns: Nanos,
    /// `Epoch` of a risk process: per-ring fences are in its snapshot; here zero. Else zero.
    pub value: [u64; 2],
    /// Zero.
    pub reserved_tail: [u64; 2],
}

const _: () = {
    assert!(size_of::<Control>() == 56);
    assert!(offset_of!(Control, epoch) == 4);
    assert!(offset_of!(Control, request_id) == 8);
    assert!(offset_of!(Control, value) == 24);
};

impl Control {
    /// Checks the words of a slot.
    ///
    /// # Errors
    /// [`BadMessage`] when a kind, a code or a reserved word is wrong.
    pub fn decode(words: &Words64) -> Result<Self, BadMessage> {
        let byte = kind_of(words[0]);
        if ControlKind::from_u8(byte).is_none() {
            return Err(BadMessage::Kind(byte));
        }
        let message: Self = transmute!(*words);
        if message.role != 0 && Role::from_u8(message.role).is_none() {
            return Err(BadMessage::Code("role", message.role));
        }
        if message.reserved != 0 || message.reserved_tail != [0; 2] {
            return Err(BadMessage::Reserved);
        }
        Ok(message)
    }

    /// The words of a slot.
    #[must_use]
    pub fn encode(&self) -> Words64 {
        transmute!(*self)
    }

    /// The kind.
    ///
    /// # Panics
    /// On a message that did not come out of [`Control::decode`].
    #[must_use]
    pub fn kind(&self) -> ControlKind {
        ControlKind::from_u8(self.kind).expect("decode checked the kind")
    }

    /// True when the message is about this process: its role is named (or all), and its index.
    #[must_use]
    pub const fn is_for(&self, role: Role, index: u8) -> bool {
        self.role == 0 || (self.role == role as u8 && self.index == index)
    }
}
