//! The venue's side of order entry's sessions: logins, the stored stream, and its replay after a new login.
//!
//! One account, so one stream: every message to the client is stored first and is replayed to whoever logs in and asks
//! for it. At most one connection is logged in; a new login with the right password takes the place of an old one,
//! which is closed (a client that comes back before its dead connection was noticed must not be locked out).

use crate::venue::{ConnectionId, VenueOut};
use protocols::Alpha;
use protocols::soupbintcp::server::{Event, Session};
use protocols::soupbintcp::{FrameBuffer, Password, SendBuffer, SessionName, Timing};
use std::collections::BTreeMap;

/// Longest frame accepted from a client, in bytes: OUCH's longest message with its appendage is far below.
const FRAME_MAX: usize = 4_096;
/// Send room of one connection. It is emptied into the shell after each message, so one message must fit.
const SEND_ROOM: usize = 4_096;
/// Most connections at a time: what comes after is closed at once.
const CONNECTIONS_MAX: usize = 64;

/// Who may log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credentials {
    /// User name.
    pub username: Alpha<6>,
    /// Password.
    pub password: Password,
}

/// What a connection's bytes meant for order entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionEvent {
    /// Somebody logged in; `is_takeover` when another connection lost its login to it.
    LoggedIn {
        /// True when another connection was logged in.
        is_takeover: bool,
    },
    /// An OUCH message of the logged-in client.
    Message(Vec<u8>),
    /// The logged-in connection is over.
    Ended,
}

#[derive(Debug)]
struct Connection {
    session: Session,
    frames: FrameBuffer,
    send: SendBuffer,
}

impl Connection {
    /// Hands what waits to be sent to the shell.
    fn drain(&mut self, id: ConnectionId, out: &mut VenueOut) {
        let pending = self.send.pending();
        if !pending.is_empty() {
            out.send(id, pending);
            let length = pending.len();
            self.send.consume(length);
        }
    }
}

/// Every connection, and the account's stored stream.
#[derive(Debug)]
pub struct OuchSessions {
    name: SessionName,
    credentials: Credentials,
    connections: BTreeMap<ConnectionId, Connection>,
    logged_in: Option<ConnectionId>,
    /// Message `n` of the stream has sequence `n + 1`.
    stream: Vec<Vec<u8>>,
    logins: u64,
}

impl OuchSessions {
    /// No connection, an empty stream.
    #[must_use]
    pub const fn new(name: SessionName, credentials: Credentials) -> Self {
        Self { name, credentials, connections: BTreeMap::new(), logged_in: None, stream: Vec::new(), logins: 0 }
    }

    /// Every message sent to the account so far, in order.
    #[must_use]
    pub fn stream(&self) -> &[Vec<u8>] {
        &self.stream
    }

    /// Logins accepted so far.
    #[must_use]
    pub const fn logins(&self) -> u64 {
        self.logins
    }

    /// A connection was opened.
    pub fn connected(&mut self, now_ns: u64, id: ConnectionId, out: &mut VenueOut) {
        if self.connections.len() >= CONNECTIONS_MAX {
            out.close.push(id);
            return;
        }
        let session = Session::new(Timing::default(), now_ns);
        let connection = Connection { session, frames: FrameBuffer::new(FRAME_MAX), send: SendBuffer::new(SEND_ROOM) };
        self.connections.insert(id, connection);
    }

    /// A connection was closed by the peer.
    pub fn disconnected(&mut self, id: ConnectionId) -> Option<SessionEvent> {
        self.connections.remove(&id);
        self.logged_out(id)
    }

    /// Takes received bytes, as many as there is room for; returns how many. Call [`OuchSessions::next_event`] until
    /// it is `None` before the next call.
    pub fn push(&mut self, id: ConnectionId, bytes: &[u8]) -> usize {
        // Bytes of a connection that was closed meanwhile are dropped.
        self.connections.get_mut(&id).map_or(bytes.len(), |connection| connection.frames.push(bytes))
    }

    /// The next thing that a connection's bytes meant, or `None` until more come.
    pub fn next_event(&mut self, now_ns: u64, id: ConnectionId, out: &mut VenueOut) -> Option<SessionEvent> {
        loop {
            let connection = self.connections.get_mut(&id)?;
            let Ok(frame) = connection.frames.next_frame() else { return self.close(id, out) };
            match connection.session.on_frame(now_ns, frame?) {
                Event::Nothing => {}
                Event::Message { payload } => return Some(SessionEvent::Message(payload.to_vec())),
                Event::LoginRequested { request, sequence } => {
                    let given = Credentials { username: request.username, password: request.password };
                    let event = self.login(now_ns, id, given, request.requested_session, sequence, out);
                    if event.is_some() {
                        return event;
                    }
                }
                Event::LoggedOut | Event::Violation(_) | Event::Dead => return self.close(id, out),
            }
        }
    }

    /// Stores a message of the stream and sends it to whoever is logged in.
    pub fn send(&mut self, now_ns: u64, message: &[u8], out: &mut VenueOut) {
        self.stream.push(message.to_vec());
        let Some(id) = self.logged_in else { return };
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection
            .session
            .send(now_ns, message, &mut connection.send)
            .expect("the send room is empty before each send");
        connection.drain(id, out);
    }

    /// Sends heartbeats and gives up dead connections; `Ended` when the logged-in one was among them.
    pub fn on_timer(&mut self, now_ns: u64, out: &mut VenueOut) -> Option<SessionEvent> {
        let mut dead = Vec::new();
        for (&id, connection) in &mut self.connections {
            if connection.session.deadline().is_none_or(|deadline| deadline > now_ns) {
                continue;
            }
            if connection.session.on_timer(now_ns, &mut connection.send) == Event::Dead {
                dead.push(id);
            }
            connection.drain(id, out);
        }
        let mut ended = None;
        for id in dead {
            ended = self.close(id, out).or(ended);
        }
        ended
    }

    fn login(
        &mut self,
        now_ns: u64,
        id: ConnectionId,
        given: Credentials,
        session: SessionName,
        requested: u64,
        out: &mut VenueOut,
    ) -> Option<SessionEvent> {
        let next = self.stream.len() as u64 + 1;
        let sequence = if requested == 0 { next } else { requested };
        let refusal = if given != self.credentials {
            Some(b'A')
        } else if (!session.is_blank() && session != self.name) || sequence > next {
            Some(b'S')
        } else {
            None
        };
        let connection = self.connections.get_mut(&id)?;
        if let Some(reason) = refusal {
            connection.session.reject(now_ns, reason, &mut connection.send).expect("an empty send room takes a reject");
            connection.drain(id, out);
            return self.close(id, out);
        }
        let room = &mut connection.send;
        connection.session.accept(now_ns, self.name, sequence, room).expect("an empty send room takes an accept");
        connection.drain(id, out);
        for message in &self.stream[(sequence - 1) as usize..] {
            let room = &mut connection.send;
            connection.session.send(now_ns, message, room).expect("the send room is empty before each send");
            connection.drain(id, out);
        }
        self.logins += 1;
        let previous = self.logged_in.replace(id);
        if let Some(previous) = previous {
            self.connections.remove(&previous);
            out.close.push(previous);
        }
        Some(SessionEvent::LoggedIn { is_takeover: previous.is_some() })
    }

    fn close(&mut self, id: ConnectionId, out: &mut VenueOut) -> Option<SessionEvent> {
        self.connections.remove(&id);
        out.close.push(id);
        self.logged_out(id)
    }

    fn logged_out(&mut self, id: ConnectionId) -> Option<SessionEvent> {
        let was_logged_in = self.logged_in == Some(id);
        if was_logged_in {
            self.logged_in = None;
        }
        was_logged_in.then_some(SessionEvent::Ended)
    }
}
