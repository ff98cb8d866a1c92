//! The venue's socket: what is to be sent, message by message, and what came of it.
//!
//! A message whose first byte was not written has never left; one whose last byte the kernel took may reach the venue
//! whatever happens next. Between the two only the venue knows, so nothing is said of it.

use super::leases::Guards;
use crate::io::{Input, RECEIVE_BYTES, SEND_BYTES, SendTag, Sending};
use crate::machine::Gateway;
use runtime::clock::Clock;
use runtime::process::WireTap;
use runtime::socket::{ConnectState, Received, TcpConnection};
use shm_layout::failpoint::Failpoint;
use shm_layout::message::wire::WireKind;
use shm_layout::types::{Nanos, RejectReason};
use std::collections::VecDeque;
use std::net::SocketAddr;

/// Messages that may wait for the kernel: 64 KiB of them.
const OUTBOUND_MAX: usize = (64 << 10) / SEND_BYTES;
/// Room that one timer can need.
const TIMER_ROOM: usize = Gateway::TIMER_SENDS_MAX;
/// Answers that may be due at once: everything that waits is lost, and what one step sends beside.
const ANSWERS_MAX: usize = OUTBOUND_MAX + 2 * TIMER_ROOM;
// A sweep that had to wait for an empty queue would go at the pace of the venue's acknowledgements.
const _: () = assert!(OUTBOUND_MAX >= 4 * TIMER_ROOM);
/// How long a congested venue may take nothing before it is given up, in nanoseconds. Timers rest meanwhile.
const STALL_NS: u64 = 1_000_000_000;
/// The line of the `wire` ring: a gateway has one session.
const LINE: u32 = 0;

/// An order is journaled and may go, and the kernel has no byte of it.
pub(super) static BEFORE_WRITE: Failpoint = Failpoint::new("gateway.order.before_write");
/// The kernel has an order whole, and nobody was told.
pub(super) static AFTER_WRITE: Failpoint = Failpoint::new("gateway.order.after_write");

/// What the shell tells the machine of its own accord.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Answer {
    Connected,
    Disconnected,
    Sent { user_ref_num: u32, send_ns: Nanos, write_ns: u32 },
    CancelSent { user_ref_num: u32, send_ns: Nanos },
    NotSent { user_ref_num: u32, reason: RejectReason },
}

impl Answer {
    pub(super) const fn into_input(self) -> Input {
        match self {
            Self::Connected => Input::Connected,
            Self::Disconnected => Input::Disconnected,
            Self::Sent { user_ref_num, send_ns, write_ns } => Input::Sent { user_ref_num, send_ns, write_ns },
            Self::CancelSent { user_ref_num, send_ns } => Input::CancelSent { user_ref_num, send_ns },
            Self::NotSent { user_ref_num, reason } => Input::NotSent { user_ref_num, reason },
        }
    }
}

/// The connection, what waits in it, and what the machine is still to be told.
#[derive(Debug)]
pub(super) struct Connection {
    server: SocketAddr,
    socket: Option<TcpConnection>,
    connected: bool,
    /// What the kernel has not taken, in order.
    outbound: VecDeque<Sending>,
    /// Bytes of the first of them that it has taken.
    taken: usize,
    /// The last look before the write that took the first of those.
    began: Nanos,
    /// When the kernel last took something.
    moved_at: Nanos,
    pub(super) answers: VecDeque<Answer>,
    pub(super) wire: WireTap,
    clock: Clock,
}

impl Connection {
    /// No connection yet.
    pub(super) fn new(server: SocketAddr, wire: WireTap, clock: Clock) -> Self {
        let outbound = VecDeque::with_capacity(OUTBOUND_MAX);
        let answers = VecDeque::with_capacity(ANSWERS_MAX);
        Self {
            server,
            socket: None,
            connected: false,
            outbound,
            taken: 0,
            began: Nanos(0),
            moved_at: Nanos(0),
            answers,
            wire,
            clock,
        }
    }

    /// The time, on the instance's line.
    pub(super) fn now(&self) -> Nanos {
        self.clock.now()
    }

    /// Begins to connect.
    pub(super) fn connect(&mut self) {
        self.outbound.clear();
        (self.taken, self.connected) = (0, false);
        self.socket = TcpConnection::start(self.server).ok();
        if self.socket.is_none() {
            self.answers.push_back(Answer::Disconnected);
        }
    }

    /// Looks whether a connection under way stands or failed; true when it did either.
    pub(super) fn poll_connect(&mut self) -> bool {
        let Some(socket) = self.socket.as_mut().filter(|_| !self.connected) else { return false };
        match socket.poll_connect() {
            ConnectState::Connecting => return false,
            ConnectState::Connected => {
                self.connected = true;
                self.tap(WireKind::Connected, &[]);
                self.answers.push_back(Answer::Connected);
            }
            ConnectState::Failed(_) => {
                self.socket = None;
                self.answers.push_back(Answer::Disconnected);
            }
        }
        true
    }

    /// Reads what there is, at most `limit` bytes, and when; 0 bytes = nothing. An end is answered with `Disconnected`.
    pub(super) fn read(&mut self, bytes: &mut [u8; RECEIVE_BYTES], limit: usize) -> (usize, Nanos) {
        let nothing = (0, Nanos(0));
        let Some(socket) = self.socket.as_mut().filter(|_| self.connected) else { return nothing };
        match socket.read(&mut bytes[..limit]) {
            Ok(Received::Empty) => nothing,
            Ok(Received::Bytes(length)) => (length, self.clock.now()),
            Ok(Received::Closed) | Err(_) => {
                self.lose();
                nothing
            }
        }
    }

    /// Hands a message to the kernel, or lets it wait behind those that do.
    pub(super) fn send(&mut self, sending: &Sending, guards: &Guards) {
        if self.socket.is_none() || !self.connected {
            self.void(sending.tag);
            return;
        }
        if self.outbound.len() == OUTBOUND_MAX {
            // The venue has not read for 64 KiB: what it is told next may as well wait for another session.
            self.drop_connection();
            self.void(sending.tag);
            self.answers.push_back(Answer::Disconnected);
            return;
        }
        self.outbound.push_back(*sending);
        if self.outbound.len() == 1 {
            self.drain(guards);
        }
    }

    /// Hands to the kernel what it takes; returns the messages that it took whole or that were refused.
    pub(super) fn drain(&mut self, guards: &Guards) -> usize {
        let mut done = 0;
        while let (Some(first), Some(socket)) = (self.outbound.front().copied(), self.socket.as_mut()) {
            if let (0, SendTag::Opening { user_ref_num, strategy }) = (self.taken, first.tag) {
                self.began = self.clock.now();
                if let Some(reason) = guards.refused(strategy, self.began) {
                    self.answers.push_back(Answer::NotSent { user_ref_num, reason });
                    self.drop_first();
                    done += 1;
                    continue;
                }
                BEFORE_WRITE.hit();
            }
            let rest = self.taken..first.length;
            let Ok(written) = socket.write(&first.bytes[rest.clone()]) else {
                self.lose();
                return done;
            };
            if written == 0 {
                if self.is_congested() && self.clock.now().0.saturating_sub(self.moved_at.0) > STALL_NS {
                    self.lose();
                }
                return done;
            }
            self.moved_at = self.clock.now();
            self.tap(WireKind::StreamSent, &first.bytes[rest.start..rest.start + written]);
            self.taken += written;
            if self.taken == first.length {
                self.drop_first();
                self.taken = 0;
                done += 1;
                self.sent(first.tag);
            }
        }
        done
    }

    /// Takes the first message out. An empty queue goes back to its first place: the next message is written where the last
    /// one was, which the cache still has.
    fn drop_first(&mut self) {
        self.outbound.pop_front();
        if self.outbound.is_empty() {
            self.outbound.clear();
        }
    }

    fn sent(&mut self, tag: SendTag) {
        let send_ns = self.clock.now();
        self.answers.push_back(match tag {
            SendTag::Session => return,
            SendTag::Opening { user_ref_num, .. } => {
                AFTER_WRITE.hit();
                Answer::Sent { user_ref_num, send_ns, write_ns: send_ns.delta_from(self.began) }
            }
            SendTag::Closing { user_ref_num } => Answer::CancelSent { user_ref_num, send_ns },
        });
    }

    /// True while there is no room for what a timer may send: a sweep does not break the session that carries it.
    pub(super) fn is_congested(&self) -> bool {
        self.outbound.len() + TIMER_ROOM > OUTBOUND_MAX
    }

    /// True when the kernel has everything, or there is nobody to send it to.
    pub(super) fn is_drained(&self) -> bool {
        self.outbound.is_empty() || self.socket.is_none()
    }

    /// The connection is gone: what had not begun to leave never will.
    fn lose(&mut self) {
        self.drop_connection();
        self.answers.push_back(Answer::Disconnected);
    }

    /// Drops the connection because the machine says so.
    pub(super) fn drop_connection(&mut self) {
        if self.socket.take().is_some() && self.connected {
            self.tap(WireKind::Disconnected, &[]);
        }
        self.connected = false;
        let begun = usize::from(self.taken > 0);
        self.taken = 0;
        for _ in 0..begun.min(self.outbound.len()) {
            self.outbound.pop_front();
        }
        while let Some(waiting) = self.outbound.pop_front() {
            self.void(waiting.tag);
        }
    }

    /// Closes the sending side: the venue reads to the end of what the kernel took.
    pub(super) fn finish(&mut self) {
        if let Some(socket) = self.socket.as_ref().filter(|_| self.connected) {
            // A venue that has closed already needs no end.
            let _ = socket.finish();
        }
        self.drop_connection();
    }

    fn void(&mut self, tag: SendTag) {
        if let SendTag::Opening { user_ref_num, .. } = tag {
            self.answers.push_back(Answer::NotSent { user_ref_num, reason: RejectReason::SessionDown });
        }
    }

    fn tap(&mut self, kind: WireKind, bytes: &[u8]) {
        let now = self.clock.now();
        self.wire.record(kind, LINE, now, now, bytes);
    }

    /// Records bytes read, as the machine is about to be given them at `now`; returns the chunks.
    pub(super) fn tap_received(&mut self, receive_ns: Nanos, now: Nanos, bytes: &[u8]) -> usize {
        self.wire.record(WireKind::StreamReceived, LINE, receive_ns, now, bytes);
        bytes.len().div_ceil(shm_layout::message::wire::WIRE_DATA_LEN)
    }
}
