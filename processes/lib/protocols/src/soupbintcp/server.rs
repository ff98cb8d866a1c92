//! The server's side of a session: takes the login, counts what it sends, sends heartbeats.
//!
//! ```text
//!  new                L                    accept            O, Z sent, violation, silence
//!  ──▶ AwaitingLogin ────▶ LoginRequested ────────▶ LoggedIn ──────────────────────────────▶ Closed
//!            └──────────── reject, violation, silence ────────────────────────────────────────▶
//! ```
//!
//! It never judges a login and never stores a message: whoever owns it answers the request and resends what the
//! client asked for, in order, from the sequence it accepted with.

use super::buffer::{SendBuffer, Unsent};
use super::liveness::{Liveness, Timing};
use super::packet::{
    LoginAcceptedRepr, LoginRejectedRepr, LoginRequestRepr, Packet, SequenceText, SessionName, packet_type,
};
use crate::{Alpha, Malformed};

/// What a frame or a timer meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// Nothing for the application.
    Nothing,
    /// A login request, to be answered with [`Session::accept`] or [`Session::reject`].
    LoginRequested {
        /// Its fields.
        request: LoginRequestRepr,
        /// First sequence wanted; 0 for new messages only.
        sequence: u64,
    },
    /// A message of the client.
    Message {
        /// Its bytes.
        payload: &'a [u8],
    },
    /// The client left; close the connection.
    LoggedOut,
    /// The client did what the protocol does not allow; close the connection.
    Violation(Malformed),
    /// Nothing was heard for too long; close the connection.
    Dead,
}

/// Where the session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing received yet.
    AwaitingLogin,
    /// The request waits for its answer.
    LoginRequested,
    /// Messages flow.
    LoggedIn,
    /// Over: nothing is sent and what is received is ignored.
    Closed,
}

/// One connection, from its opening on.
#[derive(Clone, Debug)]
pub struct Session {
    state: State,
    liveness: Liveness,
    next_sequence: u64,
}

const OUT_OF_PLACE: Malformed = Malformed::Content { offset: 0, what: "a packet that has no place here" };

impl Session {
    /// A connection was opened.
    #[must_use]
    pub const fn new(timing: Timing, now_ns: u64) -> Self {
        Self { state: State::AwaitingLogin, liveness: Liveness::new(timing, now_ns), next_sequence: 0 }
    }

    /// Takes one frame, from its type byte on.
    pub fn on_frame<'a>(&mut self, now_ns: u64, frame: &'a [u8]) -> Event<'a> {
        if self.state == State::Closed {
            return Event::Nothing;
        }
        self.liveness.received(now_ns);
        match Packet::parse(frame) {
            Ok(packet) => self.on_packet(packet),
            Err(malformed) => self.violation(malformed),
        }
    }

    fn on_packet<'a>(&mut self, packet: Packet<'a>) -> Event<'a> {
        match (self.state, packet) {
            (_, Packet::ClientHeartbeat | Packet::Debug(_)) => Event::Nothing,
            (State::AwaitingLogin, Packet::LoginRequest(view, sequence)) => {
                self.state = State::LoginRequested;
                Event::LoginRequested { request: view.repr(), sequence }
            }
            (State::LoggedIn, Packet::Unsequenced(payload)) => Event::Message { payload },
            (State::LoginRequested | State::LoggedIn, Packet::Logout) => {
                self.state = State::Closed;
                Event::LoggedOut
            }
            _ => self.violation(OUT_OF_PLACE),
        }
    }

    const fn violation(&mut self, malformed: Malformed) -> Event<'static> {
        self.state = State::Closed;
        Event::Violation(malformed)
    }

    /// Accepts the login: the next [`Session::send`] will have `sequence`.
    ///
    /// # Errors
    /// No login waits for an answer, or no room.
    pub fn accept(
        &mut self,
        now_ns: u64,
        session: SessionName,
        sequence: u64,
        out: &mut SendBuffer,
    ) -> Result<(), Unsent> {
        if self.state != State::LoginRequested {
            return Err(Unsent::NotLoggedIn);
        }
        // 20 digits hold every u64.
        let accepted = LoginAcceptedRepr { session, sequence: SequenceText::number(sequence).unwrap_or(Alpha::BLANK) };
        let mut bytes = [0; LoginAcceptedRepr::LENGTH];
        accepted.encode_into(&mut bytes).map_err(|_| Unsent::TooLong)?;
        self.liveness.send(now_ns, bytes[0], &bytes[1..], out)?;
        self.state = State::LoggedIn;
        self.next_sequence = sequence;
        Ok(())
    }

    /// Rejects the login: A not authorised, S session not available. The connection is to be closed once it is sent.
    ///
    /// # Errors
    /// No login waits for an answer, or no room.
    pub fn reject(&mut self, now_ns: u64, reason: u8, out: &mut SendBuffer) -> Result<(), Unsent> {
        if self.state != State::LoginRequested {
            return Err(Unsent::NotLoggedIn);
        }
        self.liveness.send(now_ns, LoginRejectedRepr::TYPE, &[reason], out)?;
        self.state = State::Closed;
        Ok(())
    }

    /// The deadline was reached: appends a heartbeat when due, or gives the client up.
    pub fn on_timer(&mut self, now_ns: u64, out: &mut SendBuffer) -> Event<'static> {
        if self.state == State::Closed {
            return Event::Nothing;
        }
        let beat = (self.state == State::LoggedIn).then_some(packet_type::SERVER_HEARTBEAT);
        if !self.liveness.on_timer(now_ns, beat, out) {
            self.state = State::Closed;
            return Event::Dead;
        }
        Event::Nothing
    }

    /// When it next wants [`Session::on_timer`]; `None` once closed.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        (self.state != State::Closed).then(|| self.liveness.deadline(self.state == State::LoggedIn))
    }

    /// Appends a sequenced message and returns its sequence.
    ///
    /// # Errors
    /// Not logged in, no room, longer than a frame, or no sequence left; the sequence is then not used up.
    pub fn send(&mut self, now_ns: u64, payload: &[u8], out: &mut SendBuffer) -> Result<u64, Unsent> {
        if self.state != State::LoggedIn {
            return Err(Unsent::NotLoggedIn);
        }
        // Only a client that asked for such a sequence, and was believed, gets here.
        let next = self.next_sequence.checked_add(1).ok_or(Unsent::Exhausted)?;
        self.liveness.send(now_ns, packet_type::SEQUENCED, payload, out)?;
        Ok(std::mem::replace(&mut self.next_sequence, next))
    }

    /// Appends the end of the session: there will never be another message in it.
    ///
    /// # Errors
    /// Not logged in, or no room.
    pub fn end(&mut self, now_ns: u64, out: &mut SendBuffer) -> Result<(), Unsent> {
        if self.state != State::LoggedIn {
            return Err(Unsent::NotLoggedIn);
        }
        self.liveness.send(now_ns, packet_type::END_OF_SESSION, &[], out)?;
        self.state = State::Closed;
        Ok(())
    }

    /// Where the session stands.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// Sequence of the next message sent; 0 before the login was accepted.
    #[must_use]
    pub const fn next_sequence(&self) -> u64 {
        self.next_sequence
    }
}
