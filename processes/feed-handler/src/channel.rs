//! The state of one channel: which session, which sequence comes next, what is missing, when to ask for it.
//!
//! ```text
//!            first packet = 1                      missing
//! Unknown ──────────────────────▶ Synchronized ◀────────────▶ GapFill
//!    │  first packet > 1               ▲    │ end of session,    whole
//!    └────────────▶ Backfill ──────────┘    ▼ nothing missing
//!                              whole      Ended ──▶ another session: Synchronized or Backfill
//! ```
//!
//! It holds no messages and emits nothing: the machine asks and acts.

use crate::config::Config;
use crate::datagram::Line;
use crate::requests::Requests;
use protocols::moldudp64::{COUNT_END_OF_SESSION, Packet, Session};
use shm_layout::types::{ChannelState, Nanos};

/// Most doublings of a request's time-out.
const BACK_OFF_MAX: u32 = 5;

/// What a datagram's session means for the channel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Admission {
    /// Of the current session.
    Current,
    /// A session begins with it: everything known is void.
    Begins,
    /// As `Begins`, under the current name: the venue's sequence went back.
    Rewinds,
    /// Of another session while the current one lives.
    Foreign,
    /// Of the current session, which has ended, and beyond its end.
    AfterEnd,
}

/// Session, sequence, gap and request timers.
#[derive(Debug)]
pub struct Channel {
    /// State, as published.
    pub state: ChannelState,
    /// The session; meaningless while `Unknown`.
    pub session: Session,
    /// The next sequence to deliver.
    pub expected: u64,
    /// One after the highest sequence heard of: with `expected` equal to it, nothing is missing.
    pub known_next: u64,
    /// One after the highest sequence heard of on each line, 0 before the line's first datagram of the session.
    line_next: [u64; 2],
    /// The venue has announced the end of the session.
    pub ending: bool,
    /// Receive stamp of the last line datagram that was not behind the channel: the session lives.
    alive_ns: Nanos,
    /// When to ask for `expected`; `None` while nothing is missing.
    pub request_at: Option<Nanos>,
    /// Requests of a long past, side by side.
    pub requests: Requests,
    /// Requests since the last progress.
    attempts: u32,
    gap_wait_ns: u64,
    request_timeout_ns: u64,
    session_timeout_ns: u64,
}

impl Channel {
    /// Before the first packet.
    pub fn new(config: &Config) -> Self {
        Self {
            state: ChannelState::Unknown,
            session: Session::BLANK,
            expected: 1,
            known_next: 1,
            line_next: [0; 2],
            ending: false,
            alive_ns: Nanos(0),
            request_at: None,
            requests: Requests::default(),
            attempts: 0,
            gap_wait_ns: config.gap_wait_us * 1_000,
            request_timeout_ns: config.request_timeout_ms * 1_000_000,
            session_timeout_ns: config.session_timeout_ms * 1_000_000,
        }
    }

    /// Judges a packet's session. Silence is measured between receive stamps, so that a feed handler that was itself
    /// stopped, and now reads what its sockets held, does not take its own pause for the venue's.
    pub fn admit(&mut self, packet: &Packet<'_>, receive_ns: Nanos, is_reply: bool) -> Admission {
        if self.state == ChannelState::Unknown {
            return if is_reply { Admission::Foreign } else { Admission::Begins };
        }
        let silent = receive_ns.0.saturating_sub(self.alive_ns.0) > self.session_timeout_ns;
        let ended = self.state == ChannelState::Ended;
        if packet.session() != self.session {
            return if !is_reply && (silent || ended) { Admission::Begins } else { Admission::Foreign };
        }
        if ended && packet.next_sequence() > self.expected {
            return Admission::AfterEnd;
        }
        if is_reply {
            return Admission::Current;
        }
        if packet.next_sequence() < self.expected {
            return if silent { Admission::Rewinds } else { Admission::Current };
        }
        self.alive_ns = self.alive_ns.max(receive_ns);
        Admission::Current
    }

    /// Begins the session of `packet`: at its first message, or in the middle.
    pub fn begin(&mut self, packet: &Packet<'_>, receive_ns: Nanos) {
        self.session = packet.session();
        self.state = if packet.sequence() > 1 { ChannelState::Backfill } else { ChannelState::Synchronized };
        (self.expected, self.known_next) = (1, 1);
        (self.ending, self.alive_ns, self.line_next) = (false, receive_ns, [0; 2]);
        self.requests.clear();
        self.stop_requests();
    }

    /// Takes note of how far the venue is; returns how many messages the line skipped.
    pub fn hear(&mut self, packet: &Packet<'_>, line: Line) -> u64 {
        let mut missed = 0;
        if let Some(line_next) = self.line_next.get_mut(line.index()) {
            missed = if *line_next == 0 { 0 } else { packet.sequence().saturating_sub(*line_next) };
            *line_next = packet.next_sequence().max(*line_next);
        }
        self.known_next = self.known_next.max(packet.next_sequence());
        self.ending |= packet.is_end_of_session();
        missed
    }

    /// Every sequence heard of was delivered.
    pub const fn is_whole(&self) -> bool {
        self.expected == self.known_next
    }

    /// Books are built, but nothing is published.
    pub const fn is_silent(&self) -> bool {
        matches!(self.state, ChannelState::Backfill | ChannelState::Unknown)
    }

    /// Nothing is missing, or what is held continues it.
    pub const fn stop_requests(&mut self) {
        self.request_at = None;
        self.attempts = 0;
    }

    /// `expected` is missing and not held: sees to it that a request is due some time.
    pub fn want(&mut self, now: Nanos) {
        // A gap may yet be closed by the other line; the past before the join cannot.
        let wait_ns = match self.state {
            _ if self.requests.covers(self.expected) => self.request_timeout_ns,
            ChannelState::Backfill => 0,
            _ => self.gap_wait_ns,
        };
        self.request_at.get_or_insert(now.plus(wait_ns));
    }

    /// A reply brought messages, and more are missing: ask at once, unless the next reply is on its way.
    pub fn want_more(&mut self, now: Nanos) {
        let wait_ns = if self.requests.covers(self.expected) { self.request_timeout_ns } else { 0 };
        self.request_at = Some(now.plus(wait_ns));
        self.attempts = 0;
    }

    /// The request is made at `now`: `(first sequence, count)` up to `held_from`; the next try waits longer each time.
    /// True when it repeats one.
    pub fn request(&mut self, now: Nanos, held_from: Option<u64>) -> (u64, u16, bool) {
        self.requests.clear();
        let until = held_from.unwrap_or(self.known_next).min(self.known_next);
        let count = (until - self.expected).min(u64::from(COUNT_END_OF_SESSION - 1)) as u16;
        let repeats = self.attempts > 0;
        self.request_at = Some(now.plus(self.request_timeout_ns << self.attempts.min(BACK_OFF_MAX)));
        self.attempts = self.attempts.saturating_add(1);
        (self.expected, count, repeats)
    }
}
