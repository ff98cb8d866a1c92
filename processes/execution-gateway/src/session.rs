//! The venue session: connect, log in, find out what the venue has of ours, and only then open.
//!
//! ```text
//!   Down ─ timer ─▶ Connecting ─ Connected ─▶ LoginSent ─ A ─▶ Querying ─ Q ─▶ Surveying ─▶ Open   (nothing in doubt)
//!    ▲                                                            │               │
//!    │                                                            │               └─▶ Probing ─ K ─▶ Resolving ─▶ Open
//!    └── Disconnected, silence, violation, J, no answer ──────────┴───────────────────┴──────────────┘
//! ```
//! Everything from Querying to Resolving is cancel-only. What is replayed between `A` and `Q` is evidence. After it, an
//! order in doubt whose number the venue says is still to come was never taken; the reply to the probe, which has a higher
//! number, proves that nothing of the old connection can still arrive (the venue ignores lower numbers). Surveying and
//! Resolving go over the orders, some a step.
//!
//! A venue that gives no answer to the query or to the probe for as long as a silent venue is given (`Timing::dead_ns`) is
//! left, and the orders stay in doubt. Each login in a row that the venue refuses, cannot be reconciled, or leaves without
//! an answer doubles the time to the next: 500 ms at first, 32 s at most, until a session opens again.

use crate::backlog::Walk;
use crate::io::{Output, Received, SendTag};
use crate::machine::Gateway;
use crate::user_refs::RefKind;
use journal::Record;
use journal::record::SessionEvent;
use machine::Nanos;
use protocols::Alpha;
use protocols::ouch::{AccountQueryRepr, InboundRepr};
use protocols::soupbintcp::{FrameBuffer, SendBuffer, SessionName, Timing, Unsent, client};
use shm_layout::types::RejectReason;

/// Reason of a refused login: the session asked for is not available, or not so far.
const NO_SESSION: u8 = b'S';

/// Longest frame of the venue: its OUCH messages are far shorter.
const FRAME_BYTES: usize = 1024;

/// Most doublings of the time between two logins: from 500 ms to 32 s.
const BACKOFF_DOUBLINGS: u32 = 6;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    Down,
    Connecting,
    LoginSent,
    Querying,
    Surveying,
    /// The number of the probe.
    Probing(u32),
    Resolving,
    Open,
}

/// The session.
#[derive(Debug)]
pub(crate) struct Session {
    pub phase: Phase,
    /// Logins accepted: which session of this life it is; 0 = none yet.
    number: u32,
    client: Option<client::Session>,
    frames: FrameBuffer,
    pub out: SendBuffer,
    retry_at: Nanos,
    /// When the venue must have answered the query or the probe.
    answer_by: Nanos,
    /// Logins in a row that came to nothing.
    refusals: u32,
    name: SessionName,
    /// Next sequence that we have not received, across connections.
    next_sequence: u64,
    /// Name and sequence are the journal's, and the venue has not confirmed them yet.
    remembered: bool,
}

impl Session {
    pub fn new() -> Self {
        Self {
            phase: Phase::Down,
            number: 0,
            client: None,
            frames: FrameBuffer::new(2 * crate::io::RECEIVE_BYTES),
            out: SendBuffer::new(4096),
            retry_at: Nanos(0),
            answer_by: Nanos(0),
            refusals: 0,
            name: Alpha::BLANK,
            next_sequence: 1,
            remembered: false,
        }
    }

    /// Where the journal says that the session stands.
    pub fn remember(&mut self, name: SessionName, next_sequence: u64) {
        (self.name, self.next_sequence, self.remembered) = (name, next_sequence, !name.is_blank());
    }

    /// The next login asks for whatever session there is, from its beginning.
    pub fn forget(&mut self) {
        (self.name, self.next_sequence, self.remembered) = (Alpha::BLANK, 1, false);
    }

    pub const fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open)
    }

    pub const fn is_logged_in(&self) -> bool {
        !matches!(self.phase, Phase::Down | Phase::Connecting | Phase::LoginSent)
    }

    pub const fn number(&self) -> u32 {
        self.number
    }

    /// Enters a phase that an answer of the venue ends.
    pub const fn await_answer(&mut self, now: Nanos, timing: Timing, phase: Phase) {
        (self.phase, self.answer_by) = (phase, now.plus(timing.dead_ns));
    }

    pub const fn opened(&mut self) {
        (self.phase, self.refusals) = (Phase::Open, 0);
    }

    const fn awaits_answer(&self) -> bool {
        matches!(self.phase, Phase::Querying | Phase::Probing(_))
    }

    pub const fn is_down(&self) -> bool {
        matches!(self.phase, Phase::Down)
    }

    pub fn send(&mut self, now: Nanos, payload: &[u8]) -> Result<(), Unsent> {
        let client = self.client.as_mut().ok_or(Unsent::NotLoggedIn)?;
        client.send(now.0, payload, &mut self.out)
    }

    pub fn deadline(&self) -> Option<Nanos> {
        match (self.phase, &self.client) {
            (Phase::Down, _) => Some(self.retry_at),
            (_, Some(client)) => {
                let answer_by = self.awaits_answer().then_some(self.answer_by);
                client.deadline().map(Nanos).into_iter().chain(answer_by).min()
            }
            _ => None,
        }
    }
}

/// What a frame meant, free of the frame's bytes.
enum Step {
    Nothing,
    LoggedIn(SessionName, u64),
    Rejected(u8),
    Message(u64, usize),
    Lost,
}

impl Gateway {
    pub(crate) fn session_timer(&mut self, now: Nanos, emit: &mut impl FnMut(Output)) {
        if self.session.phase == Phase::Down {
            if now >= self.session.retry_at && !self.stopping && self.backlog.is_idle() {
                self.session.phase = Phase::Connecting;
                emit(Output::Connect);
            } else if self.stopping {
                self.session.retry_at = now.plus(self.settings.reconnect_ns);
            }
            return;
        }
        if self.session.awaits_answer() && now >= self.session.answer_by {
            self.counters.unanswered += 1;
            self.refuse_session(now, emit);
            return;
        }
        let Some(client) = self.session.client.as_mut() else { return };
        if client.deadline().is_none_or(|deadline| now.0 < deadline) {
            return;
        }
        let event = client.on_timer(now.0, &mut self.session.out);
        if event == client::Event::Dead {
            self.counters.silences += 1;
            self.drop_session(now, emit);
            return;
        }
        self.flush(SendTag::Session, emit);
    }

    pub(crate) fn on_connected(&mut self, now: Nanos, emit: &mut impl FnMut(Output)) {
        self.session.frames.clear();
        self.session.out.clear();
        let config = client::Config {
            username: self.settings.username,
            password: self.settings.password,
            session: self.session.name,
            sequence: self.session.next_sequence,
            timing: self.settings.timing,
        };
        match client::Session::connect(&config, now.0, &mut self.session.out) {
            Ok(client) => {
                self.session.client = Some(client);
                self.session.phase = Phase::LoginSent;
                self.flush(SendTag::Session, emit);
            }
            Err(_) => self.drop_session(now, emit),
        }
    }

    pub(crate) fn on_disconnected(&mut self, now: Nanos, emit: &mut impl FnMut(Output)) {
        let was_up = self.session.is_logged_in();
        self.session.phase = Phase::Down;
        self.session.client = None;
        self.session.frames.clear();
        self.session.out.clear();
        let doublings = self.session.refusals.saturating_sub(1).min(BACKOFF_DOUBLINGS);
        self.session.retry_at = now.plus(self.settings.reconnect_ns << doublings);
        if !was_up {
            return;
        }
        self.counters.disconnects += 1;
        self.session_event(now, SessionEvent::LOST, 0, 0, emit);
        self.void_waiting(now, RejectReason::SessionDown);
        self.backlog.begin(now, Walk::Doubt);
    }

    /// Gives the connection up.
    fn drop_session(&mut self, now: Nanos, emit: &mut impl FnMut(Output)) {
        emit(Output::Disconnect);
        self.on_disconnected(now, emit);
    }

    /// Gives the connection up because the venue will not have, or cannot be given, a session: the next comes later.
    pub(crate) fn refuse_session(&mut self, now: Nanos, emit: &mut impl FnMut(Output)) {
        self.session.refusals = self.session.refusals.saturating_add(1);
        self.drop_session(now, emit);
    }

    /// `index` is that of the role of a lease, else 0.
    pub(crate) fn session_event(
        &mut self,
        now: Nanos,
        kind: u8,
        reason: u8,
        index: u64,
        emit: &mut impl FnMut(Output),
    ) {
        let event = SessionEvent {
            kind,
            reason,
            session: self.session.name.0,
            next_user_ref_num: self.refs.next(),
            next_sequence: self.session.next_sequence,
            next_outbound_sequence: index,
            now_ns: now,
        };
        self.journal(Record::SessionEvent(event), emit);
    }

    pub(crate) fn on_received(&mut self, now: Nanos, received: &Received, emit: &mut impl FnMut(Output)) {
        let bytes = &received.bytes[..received.length.min(received.bytes.len())];
        let mut taken = 0;
        while taken < bytes.len() {
            let pushed = self.session.frames.push(&bytes[taken..]);
            taken += pushed;
            if !self.take_frames(now, received.receive_ns, emit) {
                return;
            }
            if pushed == 0 {
                self.counters.violations += 1;
                self.drop_session(now, emit);
                return;
            }
        }
    }

    /// Takes every whole frame; false when the session ended.
    fn take_frames(&mut self, now: Nanos, receive_ns: Nanos, emit: &mut impl FnMut(Output)) -> bool {
        let mut frame = [0; FRAME_BYTES];
        loop {
            let length = match self.session.frames.next_frame() {
                Ok(None) => return true,
                Ok(Some(bytes)) if bytes.len() <= FRAME_BYTES => {
                    frame[..bytes.len()].copy_from_slice(bytes);
                    bytes.len()
                }
                Ok(Some(_)) | Err(_) => {
                    self.counters.violations += 1;
                    self.drop_session(now, emit);
                    return false;
                }
            };
            if !self.take_frame(now, receive_ns, &frame[..length], emit) {
                return false;
            }
        }
    }

    fn take_frame(&mut self, now: Nanos, receive_ns: Nanos, frame: &[u8], emit: &mut impl FnMut(Output)) -> bool {
        let Some(client) = self.session.client.as_mut() else { return false };
        let step = match client.on_frame(now.0, frame) {
            client::Event::Nothing | client::Event::Unsequenced { .. } => Step::Nothing,
            client::Event::LoggedIn { session, sequence } => Step::LoggedIn(session, sequence),
            client::Event::LoginRejected { reason } => Step::Rejected(reason),
            client::Event::Message { sequence, payload } => Step::Message(sequence, payload.len()),
            client::Event::EndOfSession => Step::Lost,
            client::Event::Violation(_) | client::Event::Dead => {
                self.counters.violations += 1;
                Step::Lost
            }
        };
        match step {
            Step::Nothing => true,
            Step::LoggedIn(session, sequence) => self.on_logged_in(now, session, sequence, emit),
            Step::Rejected(reason) => {
                self.counters.logins_refused += 1;
                self.session_event(now, SessionEvent::REFUSED, reason, 0, emit);
                if reason == NO_SESSION && self.session.remembered {
                    // The next one asks for another session.
                    self.forget_session();
                    self.drop_session(now, emit);
                } else {
                    self.refuse_session(now, emit);
                }
                false
            }
            Step::Message(sequence, length) => {
                // A sequenced frame is its type byte and the payload.
                self.on_message(now, receive_ns, sequence, &frame[frame.len() - length..], emit);
                true
            }
            Step::Lost => {
                self.drop_session(now, emit);
                false
            }
        }
    }

    fn on_logged_in(&mut self, now: Nanos, session: SessionName, sequence: u64, emit: &mut impl FnMut(Output)) -> bool {
        if self.session.remembered && (session != self.session.name || sequence < self.session.next_sequence) {
            self.forget_session();
            self.drop_session(now, emit);
            return false;
        }
        self.session.remembered = false;
        let other_session = !self.session.name.is_blank() && session != self.session.name;
        if other_session || sequence > self.session.next_sequence {
            // The past cannot be replayed: what is in doubt stays so, and no new order is sent.
            self.counters.unreconcilable += 1;
            self.refuse_session(now, emit);
            return false;
        }
        self.counters.logins += 1;
        self.session.name = session;
        self.session.number += 1;
        self.session.await_answer(now, self.settings.timing, Phase::Querying);
        self.sweeps.wake(now);
        self.session_event(now, SessionEvent::LOGIN, 0, 0, emit);
        self.send(now, &InboundRepr::AccountQuery(AccountQueryRepr {}), SendTag::Session, emit);
        true
    }

    fn on_message(
        &mut self,
        now: Nanos,
        receive_ns: Nanos,
        sequence: u64,
        payload: &[u8],
        emit: &mut impl FnMut(Output),
    ) {
        if sequence < self.session.next_sequence {
            self.counters.repeated_messages += 1;
            return;
        }
        self.session.next_sequence = sequence + 1;
        self.on_venue(now, receive_ns, sequence, payload, emit);
    }

    /// After a stop: logs out once nothing is live, or time is up, and says so.
    pub(crate) fn try_finish(&mut self, now: Nanos, emit: &mut impl FnMut(Output)) {
        if !self.stopping || self.finished {
            return;
        }
        let live = self.orders.live_count();
        let untold = !self.backlog.is_idle();
        let waits = untold || (live > 0 && !self.session.is_down());
        if waits && now < self.sweeps.stop_by {
            return;
        }
        self.counters.stopped_with_live = live as u64;
        if let Some(client) = self.session.client.as_mut() {
            let _ = client.logout(now.0, &mut self.session.out);
            self.flush(SendTag::Session, emit);
        }
        self.finished = true;
        emit(Output::Finished);
    }

    /// Whether a number was used for the session itself.
    pub(crate) fn is_session_number(&self, user_ref_num: u32) -> bool {
        self.refs.get(user_ref_num).is_some_and(|used| used.kind == RefKind::Session)
    }
}
