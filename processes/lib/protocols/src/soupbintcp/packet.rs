//! The packet types. Offsets count from the type byte: the frame's length stands before it.

use crate::{Alpha, Malformed, Wire};
use std::fmt;

/// Bytes of the length before each packet.
pub const PREFIX_LENGTH: usize = 2;
/// Longest packet, type included.
pub const PACKET_LENGTH_MAX: usize = u16::MAX as usize;

/// Type bytes of the packets that are a type and a payload, or a type alone.
pub mod packet_type {
    /// Debug text, either way; ignored.
    pub const DEBUG: u8 = b'+';
    /// Sequenced data, from the server.
    pub const SEQUENCED: u8 = b'S';
    /// Unsequenced data, from the client.
    pub const UNSEQUENCED: u8 = b'U';
    /// Heartbeat of the server.
    pub const SERVER_HEARTBEAT: u8 = b'H';
    /// Heartbeat of the client.
    pub const CLIENT_HEARTBEAT: u8 = b'R';
    /// The session is over, from the server.
    pub const END_OF_SESSION: u8 = b'Z';
    /// The client leaves.
    pub const LOGOUT: u8 = b'O';
}

/// Name of a session; blank in a login request asks for the current one.
pub type SessionName = Alpha<10>;
/// A sequence as text: digits, padded on the left.
pub type SequenceText = Alpha<20>;

/// A password: its digits never reach a log.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Password(pub Alpha<10>);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

impl Wire for Password {
    const WIDTH_MIN: usize = 10;
    const WIDTH_MAX: usize = 10;

    fn read(bytes: &[u8]) -> Self {
        Self(Alpha::read(bytes))
    }

    fn write(self, out: &mut [u8]) -> bool {
        self.0.write(out)
    }
}

fixed_message! {
    /// `A`, login accepted.
    login_accepted: LoginAccepted, LoginAcceptedRepr = b'A', 31 {
        /// Session that the client is logged in to.
        SESSION 1..11 => session: SessionName,
        /// Sequence of the next `S` packet, as text.
        SEQUENCE 11..31 => sequence: SequenceText,
    }
}

fixed_message! {
    /// `J`, login rejected; the server closes.
    login_rejected: LoginRejected, LoginRejectedRepr = b'J', 2 {
        /// A not authorised, S session not available.
        REASON 1..2 => reason: u8,
    }
}

fixed_message! {
    /// `L`, login request: the client's first packet.
    login_request: LoginRequest, LoginRequestRepr = b'L', 47 {
        /// User name.
        USERNAME 1..7 => username: Alpha<6>,
        /// Password.
        PASSWORD 7..17 => password: Password,
        /// Session, blank for the current one.
        REQUESTED_SESSION 17..27 => requested_session: SessionName,
        /// Sequence of the first message wanted, as text; 0 for new ones only.
        REQUESTED_SEQUENCE 27..47 => requested_sequence: SequenceText,
    }
}

/// One packet of either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// `A`, with its sequence as a number.
    LoginAccepted(LoginAccepted<'a>, u64),
    /// `J`.
    LoginRejected(LoginRejected<'a>),
    /// `L`, with its requested sequence as a number.
    LoginRequest(LoginRequest<'a>, u64),
    /// `S`: the payload.
    Sequenced(&'a [u8]),
    /// `U`: the payload.
    Unsequenced(&'a [u8]),
    /// `H`.
    ServerHeartbeat,
    /// `R`.
    ClientHeartbeat,
    /// `Z`.
    EndOfSession,
    /// `O`.
    Logout,
    /// `+`: the text.
    Debug(&'a [u8]),
}

impl<'a> Packet<'a> {
    /// Reads a packet from its type byte on (a frame without its length).
    ///
    /// # Errors
    /// Empty, an unknown type, shorter than its table, or a sequence that is no number.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (packet_type, payload) = bytes.split_first().ok_or(Malformed::Empty)?;
        let not_a_number = |offset| Malformed::Content { offset, what: "the sequence is not a number" };
        match *packet_type {
            LoginAccepted::TYPE => {
                let view = LoginAccepted::new_checked(bytes)?;
                let number = view.sequence().to_number().ok_or(not_a_number(login_accepted::field::SEQUENCE.start))?;
                Ok(Self::LoginAccepted(view, number))
            }
            LoginRequest::TYPE => {
                let view = LoginRequest::new_checked(bytes)?;
                let offset = login_request::field::REQUESTED_SEQUENCE.start;
                let number = view.requested_sequence().to_number().ok_or(not_a_number(offset))?;
                Ok(Self::LoginRequest(view, number))
            }
            LoginRejected::TYPE => LoginRejected::new_checked(bytes).map(Self::LoginRejected),
            packet_type::SEQUENCED => Ok(Self::Sequenced(payload)),
            packet_type::UNSEQUENCED => Ok(Self::Unsequenced(payload)),
            packet_type::SERVER_HEARTBEAT => Ok(Self::ServerHeartbeat),
            packet_type::CLIENT_HEARTBEAT => Ok(Self::ClientHeartbeat),
            packet_type::END_OF_SESSION => Ok(Self::EndOfSession),
            packet_type::LOGOUT => Ok(Self::Logout),
            packet_type::DEBUG => Ok(Self::Debug(payload)),
            _ => Err(Malformed::Content { offset: 0, what: "unknown packet type" }),
        }
    }
}
