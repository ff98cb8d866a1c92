//! The venue session: connect, log in, find out what the venue has of ours, and only then open.
//!
//! ```text
//!   Down ─ timer ─▶ Connecting ─ Connected ─▶ LoginSent ─ A ─▶ Querying ─ Q ─▶ Open            (nothing in doubt)
//!    ▲                                                            │
//!    │                                                            └── Q ─▶ Probing ─ K ─▶ Open  (orders in doubt)
//!    └────────────── Disconnected, silence, violation, J ───────────┴──────────┴──────────┘
//! ```
//! Querying and Probing are cancel-only. What is replayed between `A` and `Q` is evidence. After it, an order in doubt
//! whose number the venue says is still to come was never taken; the reply to the probe, which has a higher number, proves
//! that nothing of the old connection can still arrive (the venue ignores lower numbers).

use crate::io::{Output, Received, SendTag};
use crate::machine::Gateway;
use crate::user_refs::RefKind;
use journal::Record;
use journal::record::SessionEvent;
use machine::Nanos;
use orders::order::{Event, LiveState};
use orders::table::Row;
use protocols::Alpha;
use protocols::ouch::{AccountQueryRepr, EnableOrderEntryRepr, InboundRepr};
use protocols::soupbintcp::{FrameBuffer, SendBuffer, SessionName, Unsent, client};
use shm_layout::message::order::OrderKind;
use shm_layout::types::RejectReason;

/// Longest frame of the venue: its OUCH messages are far shorter.
const FRAME_BYTES: usize = 1024;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Down,
    Connecting,
    LoginSent,
    Querying,
    /// The number of the probe.
    Probing(u32),
    Open,
}

/// The session.
#[derive(Debug)]
pub(crate) struct Session {
    phase: Phase,
    client: Option<client::Session>,
    frames: FrameBuffer,
    pub out: SendBuffer,
    retry_at: Nanos,
    name: SessionName,
    /// Next sequence that we have not received, across connections.
    next_sequence: u64,
}

impl Session {
    pub fn new() -> Self {
        Self {
            phase: Phase::Down,
            client: None,
            frames: FrameBuffer::new(2 * crate::io::RECEIVE_BYTES),
            out: SendBuffer::new(4096),
            retry_at: Nanos(0),
            name: Alpha::BLANK,
            next_sequence: 1,
        }
    }

    pub const fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open)
    }

    pub const fn is_logged_in(&self) -> bool {
        matches!(self.phase, Phase::Querying | Phase::Probing(_) | Phase::Open)
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
            (_, Some(client)) => client.deadline().map(Nanos),
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
            if now >= self.session.retry_at && !self.stopping {
                self.session.phase = Phase::Connecting;
                emit(Output::Connect);
            } else if self.stopping {
                self.session.retry_at = now.plus(self.settings.reconnect_ns);
            }
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
        self.session.retry_at = now.plus(self.settings.reconnect_ns);
        if !was_up {
            return;
        }
        self.counters.disconnects += 1;
        self.session_event(now, SessionEvent::LOST, 0, 0, emit);
        self.void_waiting(now, RejectReason::SessionDown, emit);
        // What was in flight is in doubt; what works, works on until the venue says otherwise (cancel-on-disconnect may
        // have acted: the replay will tell).
        let mut next = self.orders.next_live(None);
        while let Some(row) = next {
            next = self.orders.next_live(Some(row));
            let stamps = self.stamps(RejectReason::None);
            if let Some(orders::order::Outcome::Report { .. }) =
                self.apply_counted(now, row, &Event::SessionLost, &stamps, 0, emit)
            {
                self.counters.in_doubt += 1;
            }
        }
    }

    /// Gives the connection up.
    fn drop_session(&mut self, now: Nanos, emit: &mut impl FnMut(Output)) {
        emit(Output::Disconnect);
        self.on_disconnected(now, emit);
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
                self.drop_session(now, emit);
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
        let other_session = !self.session.name.is_blank() && session != self.session.name;
        if other_session || sequence > self.session.next_sequence {
            // The past cannot be replayed: what is in doubt stays so, and no new order is sent.
            self.counters.unreconcilable += 1;
            self.drop_session(now, emit);
            return false;
        }
        self.counters.logins += 1;
        self.session.name = session;
        self.session.phase = Phase::Querying;
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

    /// The answer to the query: everything sent before it on this session has been answered.
    pub(crate) fn on_query_answer(&mut self, now: Nanos, venue_next: u32, emit: &mut impl FnMut(Output)) {
        if self.session.phase != Phase::Querying {
            return;
        }
        self.refs.advance(venue_next);
        let mut doubts = false;
        for (row, order) in self.orders.live() {
            let chain = &mut self.chains[row.index()];
            // What the venue said first stands: a later query also counts the probes of sessions that were lost again.
            if in_doubt(order) && chain.venue_next == 0 {
                chain.venue_next = venue_next;
            }
            doubts |= in_doubt(order);
        }
        if !doubts {
            self.open(now, emit);
            return;
        }
        let Ok(probe) = self.next_user_ref_num() else { return };
        self.refs.take_session(probe);
        self.session.phase = Phase::Probing(probe);
        let message = EnableOrderEntryRepr { user_ref_num: probe, firm: self.settings.firm };
        self.send(now, &InboundRepr::EnableOrderEntry(message), SendTag::Session, emit);
    }

    /// The answer to a request with a higher number: what the venue had not taken before it, it never will.
    pub(crate) fn on_probe_answer(&mut self, now: Nanos, user_ref_num: u32, emit: &mut impl FnMut(Output)) {
        if self.session.phase != Phase::Probing(user_ref_num) {
            return;
        }
        let mut next = self.orders.next_live(None);
        while let Some(row) = next {
            next = self.orders.next_live(Some(row));
            self.resolve(now, row, emit);
        }
        self.open(now, emit);
    }

    /// Voids what of an order the venue never took: its number is not below the one that the venue expected.
    fn resolve(&mut self, now: Nanos, row: Row, emit: &mut impl FnMut(Output)) {
        let chain = self.chains[row.index()];
        let order = *self.orders.order(row);
        let venue_next = chain.venue_next;
        let stamps = self.stamps(RejectReason::SessionDown);
        if order.state == LiveState::Unknown {
            if chain.root >= venue_next {
                self.counters.voided += 1;
                self.apply_counted(now, row, &Event::NotSent(OrderKind::NewOrderSingle), &stamps, 0, emit);
            } else {
                self.counters.unresolved += 1;
            }
            return;
        }
        if order.replace.is_some() && chain.replacing >= venue_next {
            self.counters.voided += 1;
            self.chains[row.index()].replacing = 0;
            self.apply_counted(now, row, &Event::NotSent(OrderKind::OrderCancelReplaceRequest), &stamps, 0, emit);
        }
        if order.cancel.is_some() {
            // A cancel has no number of its own: sending it again is harmless, and its answer ends the doubt.
            self.send_cancels(now, row, emit);
        }
    }

    fn open(&mut self, now: Nanos, emit: &mut impl FnMut(Output)) {
        self.session.phase = Phase::Open;
        for (row, order) in self.orders.live() {
            if order.state != LiveState::Unknown {
                self.chains[row.index()].venue_next = 0;
            }
        }
        self.session_event(now, SessionEvent::RECONCILED, 0, 0, emit);
    }

    /// After a stop: logs out once nothing is live, or time is up, and says so.
    pub(crate) fn try_finish(&mut self, now: Nanos, emit: &mut impl FnMut(Output)) {
        if !self.stopping || self.finished {
            return;
        }
        let live = self.orders.live_count();
        if live > 0 && now < self.sweeps.stop_by && !self.session.is_down() {
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

const fn in_doubt(order: &orders::order::Order) -> bool {
    matches!(order.state, LiveState::Unknown) || order.replace.is_some() || order.cancel.is_some()
}
