//! The venue as a pure machine: what happened and when goes in, bytes come out.
//!
//! It reads no clock, opens no socket and throws no dice but seeded ones: the same configuration and the same
//! `(time, input)` log give the same bytes. Datagrams, faults and re-requests are made of its ITCH output by
//! [`crate::mold`] and [`crate::fault`].
//!
//! ```text
//!            Open                 End
//!  Waiting ───────▶ Open ───────────────▶ Ended
//!  (logins work)    (flow, orders)        (logins and queries work, orders are rejected)
//! ```

use crate::account::Account;
use crate::instrument::Instrument;
use crate::itch_market::ItchMarket;
use crate::itch_out;
use crate::market::{MarketEvent, MarketOut};
use crate::ouch_session::{Credentials, OuchSessions, SessionEvent};
use crate::seeded_market::SeededMarket;
use crate::venue_market::Market;
use protocols::soupbintcp::SessionName;
use std::collections::BTreeMap;

/// A connection of order entry, numbered by the shell and never reused.
pub type ConnectionId = u64;

/// Which market a venue runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarketKind {
    /// Background agents from a seed; `rate` in ITCH messages per second over all instruments.
    Seeded {
        /// Seed of the agents.
        seed: u64,
        /// Messages per second.
        rate: u32,
    },
    /// The messages of a file, given as [`Input::FileMessage`].
    File,
}

/// What a venue is made of.
#[derive(Debug, Clone)]
pub struct VenueConfig {
    /// Name of the session, for the feed and for order entry.
    pub session: SessionName,
    /// Who may enter orders.
    pub credentials: Credentials,
    /// The market.
    pub market: MarketKind,
    /// What is traded.
    pub instruments: Vec<Instrument>,
}

/// Something that happened outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input<'a> {
    /// A client connected to order entry.
    Connected(ConnectionId),
    /// A client sent bytes.
    Received(ConnectionId, &'a [u8]),
    /// A client's connection ended.
    Disconnected(ConnectionId),
    /// The market opens.
    Open,
    /// One message of the ITCH file is due.
    FileMessage(&'a [u8]),
    /// Time passed.
    Timer,
    /// The market closes.
    End,
}

/// What the venue wants sent. The shell empties it after every step.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct VenueOut {
    /// ITCH messages, in order.
    pub itch: Vec<Vec<u8>>,
    /// Bytes to order entry's connections, in order.
    pub ouch: Vec<(ConnectionId, Vec<u8>)>,
    /// Connections to close once their bytes are sent.
    pub close: Vec<ConnectionId>,
}

impl VenueOut {
    pub(crate) fn send(&mut self, id: ConnectionId, bytes: &[u8]) {
        match self.ouch.last_mut() {
            Some((last, pending)) if *last == id => pending.extend_from_slice(bytes),
            _ => self.ouch.push((id, bytes.to_vec())),
        }
    }
}

/// Where the market stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Not yet open.
    Waiting,
    /// Trading since this time.
    Open {
        /// When it opened.
        since_ns: u64,
    },
    /// Closed for good.
    Ended,
}

/// The venue.
#[derive(Debug)]
pub struct Venue {
    pub(crate) instruments: Vec<Instrument>,
    pub(crate) market: Market,
    pub(crate) account: Account,
    pub(crate) sessions: OuchSessions,
    pub(crate) phase: Phase,
    /// Highest UserRefNum used up.
    pub(crate) last_user_ref_num: u32,
    /// Firms that may not enter orders.
    pub(crate) disabled: Vec<[u8; 4]>,
    pub(crate) scratch: MarketOut,
    by_type: BTreeMap<u8, u64>,
    itch_messages: u64,
}

impl Venue {
    /// A venue that waits for its opening.
    #[must_use]
    pub fn new(config: VenueConfig) -> Self {
        let VenueConfig { session, credentials, market, instruments } = config;
        let market = match market {
            MarketKind::Seeded { seed, rate } => Market::Seeded(Box::new(SeededMarket::new(&instruments, seed, rate))),
            MarketKind::File => Market::File(Box::new(ItchMarket::new(&instruments))),
        };
        Self {
            instruments,
            market,
            account: Account::default(),
            sessions: OuchSessions::new(session, credentials),
            phase: Phase::Waiting,
            last_user_ref_num: 0,
            disabled: Vec::new(),
            scratch: MarketOut::default(),
            by_type: BTreeMap::new(),
            itch_messages: 0,
        }
    }

    /// Takes one input at `now_ns` (nanoseconds of the shell's clock; its time of day stamps the messages).
    pub fn step(&mut self, now_ns: u64, input: Input<'_>, out: &mut VenueOut) {
        match input {
            Input::Connected(id) => self.sessions.connected(now_ns, id, out),
            Input::Disconnected(id) => {
                let event = self.sessions.disconnected(id);
                self.on_session_event(now_ns, event, out);
            }
            Input::Received(id, bytes) => self.on_received(now_ns, id, bytes, out),
            Input::Open => self.open(now_ns, out),
            Input::FileMessage(message) => self.on_file_message(now_ns, message, out),
            Input::Timer => self.on_timer(now_ns, out),
            Input::End => self.end(now_ns, out),
        }
    }

    /// What is traded.
    #[must_use]
    pub fn instruments(&self) -> &[Instrument] {
        &self.instruments
    }

    /// The market, to read its books.
    #[must_use]
    pub const fn market(&self) -> &Market {
        &self.market
    }

    /// The account.
    #[must_use]
    pub const fn account(&self) -> &Account {
        &self.account
    }

    /// The sessions of order entry.
    #[must_use]
    pub const fn sessions(&self) -> &OuchSessions {
        &self.sessions
    }

    /// Where the market stands.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// ITCH messages so far.
    #[must_use]
    pub const fn itch_messages(&self) -> u64 {
        self.itch_messages
    }

    /// ITCH messages by type byte.
    #[must_use]
    pub const fn by_type(&self) -> &BTreeMap<u8, u64> {
        &self.by_type
    }

    fn open(&mut self, now_ns: u64, out: &mut VenueOut) {
        if self.phase != Phase::Waiting {
            return;
        }
        self.phase = Phase::Open { since_ns: now_ns };
        self.send_system_event(now_ns, b'S', out);
        if let Market::Seeded(market) = &mut self.market {
            let events = &mut self.scratch.events;
            events.push(MarketEvent::System(b'O'));
            events.extend((0..self.instruments.len()).map(MarketEvent::Directory));
            events.extend([MarketEvent::System(b'S'), MarketEvent::System(b'Q')]);
            market.fill_books(&mut self.scratch);
        }
        self.settle(now_ns, out);
    }

    fn end(&mut self, now_ns: u64, out: &mut VenueOut) {
        if !matches!(self.phase, Phase::Open { .. }) {
            self.phase = Phase::Ended;
            return;
        }
        self.say(now_ns, b'M', out);
        // Day orders end with the day.
        self.cancel_all(now_ns, b'E', out);
        self.say(now_ns, b'E', out);
        self.say(now_ns, b'C', out);
        self.phase = Phase::Ended;
        self.send_system_event(now_ns, b'E', out);
    }

    /// A system event on the feed; a file's feed has only its own.
    fn say(&mut self, now_ns: u64, code: u8, out: &mut VenueOut) {
        if matches!(self.market, Market::Seeded(_)) {
            self.scratch.events.push(MarketEvent::System(code));
        }
        self.settle(now_ns, out);
    }

    fn on_timer(&mut self, now_ns: u64, out: &mut VenueOut) {
        if let (Phase::Open { since_ns }, Market::Seeded(market)) = (self.phase, &mut self.market) {
            market.flow(now_ns.saturating_sub(since_ns), &mut self.scratch);
            self.settle(now_ns, out);
        }
        let event = self.sessions.on_timer(now_ns, out);
        self.on_session_event(now_ns, event, out);
    }

    fn on_file_message(&mut self, now_ns: u64, message: &[u8], out: &mut VenueOut) {
        if let (Phase::Open { .. }, Market::File(market)) = (self.phase, &mut self.market) {
            market.on_message(message, &mut self.scratch);
            self.publish(message, out);
            self.settle(now_ns, out);
        }
    }

    fn on_received(&mut self, now_ns: u64, id: ConnectionId, bytes: &[u8], out: &mut VenueOut) {
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = &rest[self.sessions.push(id, rest)..];
            while let Some(event) = self.sessions.next_event(now_ns, id, out) {
                self.on_session_event(now_ns, Some(event), out);
            }
        }
    }

    fn on_session_event(&mut self, now_ns: u64, event: Option<SessionEvent>, out: &mut VenueOut) {
        match event {
            Some(SessionEvent::Message(message)) => self.on_ouch(now_ns, &message, out),
            Some(SessionEvent::Ended | SessionEvent::LoggedIn { is_takeover: true }) => {
                let canceled = self.cancel_all(now_ns, b'S', out);
                self.account.counts.canceled_on_disconnect += canceled;
            }
            Some(SessionEvent::LoggedIn { is_takeover: false }) | None => {}
        }
    }

    /// Sends what the market said: executions to the account, events to the feed.
    pub(crate) fn settle(&mut self, now_ns: u64, out: &mut VenueOut) {
        let MarketOut { events, mut executions } = std::mem::take(&mut self.scratch);
        for execution in executions.drain(..) {
            self.send_execution(now_ns, &execution, out);
        }
        let (by_type, itch_messages) = (&mut self.by_type, &mut self.itch_messages);
        for event in &events {
            itch_out::encode(event, &self.instruments, now_ns, &mut |message| {
                *by_type.entry(message[0]).or_default() += 1;
                *itch_messages += 1;
                out.itch.push(message.to_vec());
            });
        }
    }

    fn publish(&mut self, message: &[u8], out: &mut VenueOut) {
        *self.by_type.entry(message[0]).or_default() += 1;
        self.itch_messages += 1;
        out.itch.push(message.to_vec());
    }
}
