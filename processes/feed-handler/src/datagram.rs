//! A received datagram, and the check that it is whole before anything of it is used.

use protocols::itch;
use protocols::moldudp64::Packet;
use shm_layout::types::Nanos;

/// Bytes that a datagram can have: an Ethernet frame's payload, with room for tunnels.
pub const DATAGRAM_MAX: usize = 2048;

/// Where a datagram came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Line {
    /// First multicast line.
    #[default]
    A,
    /// Second multicast line: the same messages by another way.
    B,
    /// Reply to a request, unicast. It cannot begin a session.
    Reply,
}

impl Line {
    /// Every line, in order of its index.
    pub const ALL: [Self; 3] = [Self::A, Self::B, Self::Reply];

    /// Index among the lines, as in [`crate::Counters`] and in the wire tap: 0 A, 1 B, 2 reply.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// One datagram as the shell received it; the shell reuses one for all.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Datagram {
    /// Where it came from.
    pub line: Line,
    /// Kernel receive stamp, on the instance's time line.
    pub receive_ns: Nanos,
    /// Bytes received; more than [`DATAGRAM_MAX`] means that the kernel cut it.
    pub length: u16,
    /// The bytes, of which `length` are used.
    pub bytes: [u8; DATAGRAM_MAX],
}

impl Default for Datagram {
    fn default() -> Self {
        Self { line: Line::A, receive_ns: Nanos(0), length: 0, bytes: [0; DATAGRAM_MAX] }
    }
}

/// Why a datagram is dropped whole.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Malformed {
    /// Longer than [`DATAGRAM_MAX`].
    Oversize,
    /// Header, length blocks or end do not agree (MoldUDP64).
    Packet,
    /// Sequence 0: MoldUDP64 numbers from 1.
    Sequence,
    /// A message shorter than its type's table (ITCH).
    Message,
}

impl Malformed {
    /// Number of reasons.
    pub const COUNT: usize = 4;

    /// Index in [`crate::Counters::malformed`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl Datagram {
    /// A datagram with a copy of `bytes`; what is over [`DATAGRAM_MAX`] is cut, and the length tells.
    #[must_use]
    pub fn new(line: Line, receive_ns: Nanos, bytes: &[u8]) -> Self {
        let mut datagram = Self { line, receive_ns, ..Self::default() };
        let kept = bytes.len().min(DATAGRAM_MAX);
        datagram.bytes[..kept].copy_from_slice(&bytes[..kept]);
        datagram.length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
        datagram
    }

    /// The packet, every message of which has the length that its type asks for. A message of length zero is legal; an
    /// unknown type has any length.
    ///
    /// # Errors
    /// Why nothing of it may be used.
    pub fn packet(&self) -> Result<Packet<'_>, Malformed> {
        let bytes = self.bytes.get(..usize::from(self.length)).ok_or(Malformed::Oversize)?;
        let packet = Packet::new_checked(bytes).map_err(|_| Malformed::Packet)?;
        if packet.sequence() == 0 {
            return Err(Malformed::Sequence);
        }
        let short = |message: &[u8]| {
            message.first().is_some_and(|kind| itch::min_length(*kind).is_some_and(|least| message.len() < least))
        };
        if packet.messages().any(|(_, message)| short(message)) {
            return Err(Malformed::Message);
        }
        Ok(packet)
    }
}
