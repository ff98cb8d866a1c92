//! The client's side of a session: logs in, counts what it receives, sends heartbeats.
//!
//! ```text
//!  connect: L sent        A                  Z, O sent, violation, silence
//!  ───────▶ LoginSent ───────▶ LoggedIn ────────────────────────────────────▶ Closed
//!               └───────── J, violation, silence ─────────────────────────────▶
//! ```
//!
//! It never reconnects and never remembers a session: whoever owns it decides with which sequence to come back.

use super::buffer::{SendBuffer, Unsent};
use super::liveness::{Liveness, Timing};
use super::packet::{LoginRequestRepr, Packet, Password, SequenceText, SessionName, packet_type};
use crate::Alpha;
use crate::Malformed;

/// What to log in with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// User name.
    pub username: Alpha<6>,
    /// Password.
    pub password: Password,
    /// Session; blank for the current one.
    pub session: SessionName,
    /// First sequence wanted; 0 for new messages only.
    pub sequence: u64,
    /// Heartbeat and death.
    pub timing: Timing,
}

/// What a frame or a timer meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// Nothing for the application.
    Nothing,
    /// The login was accepted; the next message has `sequence`.
    LoggedIn {
        /// Session.
        session: SessionName,
        /// Sequence of the next message.
        sequence: u64,
    },
    /// The login was rejected: A not authorised, S session not available.
    LoginRejected {
        /// Reason code.
        reason: u8,
    },
    /// A sequenced message.
    Message {
        /// Its sequence.
        sequence: u64,
        /// Its bytes.
        payload: &'a [u8],
    },
    /// A message without a sequence: it will not be repeated after a reconnect.
    Unsequenced {
        /// Its bytes.
        payload: &'a [u8],
    },
    /// The session is over for good.
    EndOfSession,
    /// The server did what the protocol does not allow; close the connection.
    Violation(Malformed),
    /// Nothing was heard for too long; close the connection.
    Dead,
}

/// Where the session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The login request is out.
    LoginSent,
    /// Messages flow.
    LoggedIn,
    /// Over: nothing is sent and what is received is ignored.
    Closed,
}

/// One connection, from its login request on.
#[derive(Clone, Debug)]
pub struct Session {
    state: State,
    liveness: Liveness,
    next_sequence: u64,
}

const OUT_OF_PLACE: Malformed = Malformed::Content { offset: 0, what: "a packet that has no place here" };

impl Session {
    /// The connection stands: appends the login request.
    ///
    /// # Errors
    /// No room for it.
    pub fn connect(config: &Config, now_ns: u64, out: &mut SendBuffer) -> Result<Self, Unsent> {
        let request = LoginRequestRepr {
            username: config.username,
            password: config.password,
            requested_session: config.session,
            // 20 digits hold every u64.
            requested_sequence: SequenceText::number(config.sequence).unwrap_or(Alpha::BLANK),
        };
        let mut bytes = [0; LoginRequestRepr::LENGTH];
        request.encode_into(&mut bytes).map_err(|_| Unsent::TooLong)?;
        let mut liveness = Liveness::new(config.timing, now_ns);
        liveness.send(now_ns, bytes[0], &bytes[1..], out)?;
        Ok(Self { state: State::LoginSent, liveness, next_sequence: 0 })
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
            (_, Packet::ServerHeartbeat | Packet::Debug(_)) => Event::Nothing,
            (State::LoginSent, Packet::LoginAccepted(view, sequence)) => {
                self.state = State::LoggedIn;
                self.next_sequence = sequence;
                Event::LoggedIn { session: view.session(), sequence }
            }
            (State::LoginSent, Packet::LoginRejected(view)) => {
                self.state = State::Closed;
                Event::LoginRejected { reason: view.reason() }
            }
            (State::LoggedIn, Packet::Sequenced(payload)) => match self.next_sequence.checked_add(1) {
                Some(next) => {
                    let sequence = std::mem::replace(&mut self.next_sequence, next);
                    Event::Message { sequence, payload }
                }
                None => self.violation(Malformed::Content { offset: 0, what: "sequence overflows" }),
            },
            (State::LoggedIn, Packet::Unsequenced(payload)) => Event::Unsequenced { payload },
            (State::LoggedIn, Packet::EndOfSession) => {
                self.state = State::Closed;
                Event::EndOfSession
            }
            _ => self.violation(OUT_OF_PLACE),
        }
    }

    const fn violation(&mut self, malformed: Malformed) -> Event<'static> {
        self.state = State::Closed;
        Event::Violation(malformed)
    }

    /// The deadline was reached: appends a heartbeat when due, or gives the server up.
    pub fn on_timer(&mut self, now_ns: u64, out: &mut SendBuffer) -> Event<'static> {
        if self.state == State::Closed {
            return Event::Nothing;
        }
        // Before its login is accepted a client has nothing to say.
        let beat = (self.state == State::LoggedIn).then_some(packet_type::CLIENT_HEARTBEAT);
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

    /// Appends an application message. It is unsequenced: only the application's reply proves that it arrived.
    ///
    /// # Errors
    /// Not logged in, no room, or longer than a frame.
    pub fn send(&mut self, now_ns: u64, payload: &[u8], out: &mut SendBuffer) -> Result<(), Unsent> {
        if self.state != State::LoggedIn {
            return Err(Unsent::NotLoggedIn);
        }
        self.liveness.send(now_ns, packet_type::UNSEQUENCED, payload, out)
    }

    /// Appends a logout; the server closes the connection.
    ///
    /// # Errors
    /// Not logged in, or no room.
    pub fn logout(&mut self, now_ns: u64, out: &mut SendBuffer) -> Result<(), Unsent> {
        if self.state != State::LoggedIn {
            return Err(Unsent::NotLoggedIn);
        }
        self.liveness.send(now_ns, packet_type::LOGOUT, &[], out)?;
        self.state = State::Closed;
        Ok(())
    }

    /// Where the session stands.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// Sequence of the next message: what to ask for after a reconnect. 0 before the login was accepted.
    #[must_use]
    pub const fn next_sequence(&self) -> u64 {
        self.next_sequence
    }
}
