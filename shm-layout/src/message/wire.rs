//! Messages of `wire`, 120 bytes each: the bytes that a process received from or sent to a venue, in chunks of 96, so that
//! the feed handler and the gateway replay too.
//!
//! ```text
//! 0     kind         u8   WireKind
//! 1     flags        u8   FIRST = 1, LAST = 2 chunk of a datagram or read
//! 2     length       u16  bytes used in `data`
//! 4     line         u32  feed line, request socket or venue session
//! 8     receive_ns   u64  kernel receive stamp, else the read's or write's own
//! 16    read_ns      u64  the machine's `now` when it was given the bytes
//! 24    data         [u8; 96]  the rest zero
//! ```

use super::{BadMessage, Words128, kind_of};
use crate::types::{Nanos, byte_code};
use std::mem::{offset_of, size_of};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, transmute};

byte_code! {
    /// Kind of a wire chunk.
    WireKind {
        /// A datagram received.
        DatagramReceived = 1,
        /// Bytes read from a stream.
        StreamReceived = 2,
        /// Bytes handed to a stream's socket.
        StreamSent = 3,
        /// The stream connected.
        Connected = 4,
        /// The stream ended.
        Disconnected = 5,
        /// A datagram sent.
        DatagramSent = 6,
    }
}

/// Bytes of one chunk.
pub const WIRE_DATA_LEN: usize = 96;
/// First chunk of a datagram or read.
pub const WIRE_FIRST: u8 = 1;
/// Last chunk of a datagram or read.
pub const WIRE_LAST: u8 = 2;

/// One chunk of received or sent bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct WireChunk {
    /// [`WireKind`].
    pub kind: u8,
    /// [`WIRE_FIRST`] | [`WIRE_LAST`].
    pub flags: u8,
    /// Bytes used in `data`.
    pub length: u16,
    /// Feed line, request socket or venue session.
    pub line: u32,
    /// Kernel receive stamp, else the read's or write's own.
    pub receive_ns: Nanos,
    /// The machine's `now` when it was given the bytes.
    pub read_ns: Nanos,
    /// The bytes; the rest is zero.
    pub data: [u8; WIRE_DATA_LEN],
}

const _: () = {
    assert!(size_of::<WireChunk>() == 120);
    assert!(offset_of!(WireChunk, receive_ns) == 8);
    assert!(offset_of!(WireChunk, data) == 24);
};

impl WireChunk {
    /// Checks the words of a slot.
    ///
    /// # Errors
    /// [`BadMessage`] when the kind, the flags or the length is wrong.
    pub fn decode(words: &Words128) -> Result<Self, BadMessage> {
        let byte = kind_of(words[0]);
        if WireKind::from_u8(byte).is_none() {
            return Err(BadMessage::Kind(byte));
        }
        let chunk: Self = transmute!(*words);
        if chunk.flags & !(WIRE_FIRST | WIRE_LAST) != 0 {
            return Err(BadMessage::Code("flags", chunk.flags));
        }
        if usize::from(chunk.length) > WIRE_DATA_LEN {
            return Err(BadMessage::Code("length", chunk.length.min(255) as u8));
        }
        Ok(chunk)
    }

    /// The words of a slot.
    #[must_use]
    pub fn encode(&self) -> Words128 {
        transmute!(*self)
    }

    /// The bytes of this chunk.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.data[..usize::from(self.length).min(WIRE_DATA_LEN)]
    }

    /// The chunks of a byte string, in order; one empty chunk for an empty string.
    pub fn split(
        kind: WireKind,
        line: u32,
        receive_ns: Nanos,
        read_ns: Nanos,
        bytes: &[u8],
    ) -> impl Iterator<Item = Self> {
        let count = bytes.len().div_ceil(WIRE_DATA_LEN).max(1);
        (0..count).map(move |index| {
            let part = &bytes[(index * WIRE_DATA_LEN).min(bytes.len())..((index + 1) * WIRE_DATA_LEN).min(bytes.len())];
            let mut data = [0; WIRE_DATA_LEN];
            data[..part.len()].copy_from_slice(part);
            let first = if index == 0 { WIRE_FIRST } else { 0 };
            let last = if index + 1 == count { WIRE_LAST } else { 0 };
            Self { kind: kind as u8, flags: first | last, length: part.len() as u16, line, receive_ns, read_ns, data }
        })
    }
}
