//! The venue of the simulation: `exchange-sim`'s pure venue, its feed over two lossy lines, its re-request server, and its
//! end of the streams.

use crate::env::Env;
use crate::net::{Connection, Event};
use exchange_sim::instrument::{Instrument, seeded_instruments};
use exchange_sim::mold::{DATAGRAM_MAX, MoldStore, Packetiser};
use exchange_sim::ouch_session::Credentials;
use exchange_sim::venue::{Input, MarketKind, Phase, Venue, VenueConfig, VenueOut};
use feed_handler::Line;
use protocols::Alpha;
use protocols::soupbintcp::Password;

/// User of the venue's order entry.
pub const USERNAME: &[u8] = b"TICK01";
/// Its password.
pub const PASSWORD: &[u8] = b"TICKWAY";
/// Name of the session, of the feed and of order entry.
pub const SESSION: &[u8] = b"SIM0000001";
/// Time between two ticks of the venue's clock.
const TICK_NS: u64 = 250_000;

/// The venue and its sockets.
#[derive(Debug)]
pub struct Exchange {
    venue: Venue,
    out: VenueOut,
    store: MoldStore,
    packetiser: Packetiser,
}

impl Exchange {
    /// A venue of `instruments` instruments that makes `rate` market-data messages a second.
    ///
    /// # Panics
    /// Never: its constants fit their fields.
    #[must_use]
    pub fn new(seed: u64, rate: u32, instruments: u16) -> Self {
        let alpha = "fits its field";
        let venue = Venue::new(VenueConfig {
            session: Alpha::padded(SESSION).expect(alpha),
            credentials: Credentials {
                username: Alpha::padded(USERNAME).expect(alpha),
                password: Password(Alpha::padded(PASSWORD).expect(alpha)),
            },
            market: MarketKind::Seeded { seed, rate },
            instruments: seeded_instruments(instruments),
        });
        let store = MoldStore::new(Alpha::padded(SESSION).expect(alpha));
        Self { venue, out: VenueOut::default(), store, packetiser: Packetiser::new() }
    }

    /// The venue, to read its account.
    #[must_use]
    pub const fn venue(&self) -> &Venue {
        &self.venue
    }

    /// What is traded.
    #[must_use]
    pub fn instruments(&self) -> &[Instrument] {
        self.venue.instruments()
    }

    /// The next sequence of its feed.
    #[must_use]
    pub fn next_sequence(&self) -> u64 {
        self.store.next_sequence()
    }

    /// Opens the market.
    pub fn open(&mut self, env: &mut Env) {
        self.step(env, Input::Open);
        env.agenda.at(env.now.plus(TICK_NS), Event::VenueTimer);
    }

    /// Its clock ticks.
    pub fn on_timer(&mut self, env: &mut Env) {
        self.step(env, Input::Timer);
        env.agenda.at(env.now.plus(TICK_NS), Event::VenueTimer);
    }

    /// A connection is accepted.
    pub fn on_accepted(&mut self, env: &mut Env, connection: Connection) {
        if env.net.arrives(env.now, connection, true) {
            self.step(env, Input::Connected(connection));
        }
    }

    /// Bytes arrive.
    pub fn on_bytes(&mut self, env: &mut Env, connection: Connection, bytes: &[u8]) {
        if env.net.arrives(env.now, connection, true) {
            self.step(env, Input::Received(connection, bytes));
        }
    }

    /// A connection's end is seen.
    pub fn on_closed(&mut self, env: &mut Env, connection: Connection) {
        self.step(env, Input::Disconnected(connection));
    }

    /// A request packet arrives; the reply is a datagram like any other.
    pub fn on_request(&mut self, env: &mut Env, request: &[u8]) {
        let mut buffer = [0; DATAGRAM_MAX];
        if let Some(reply) = self.store.answer(request, &mut buffer) {
            env.net.datagram(env.now, &mut env.agenda, reply, |bytes| Event::Datagram(Line::Reply, bytes));
        }
    }

    fn step(&mut self, env: &mut Env, input: Input<'_>) {
        self.venue.step(env.now.0, input, &mut self.out);
        for message in self.out.itch.drain(..) {
            self.store.push(&message);
        }
        for (connection, bytes) in self.out.ouch.drain(..) {
            env.trace.bytes(env.now, "venue", &bytes);
            env.net.to_gateway(env.now, &mut env.agenda, connection, &bytes);
        }
        for connection in self.out.close.drain(..) {
            env.net.close(env.now, &mut env.agenda, connection);
        }
        self.send_feed(env);
    }

    fn send_feed(&mut self, env: &mut Env) {
        let mut buffer = [0; DATAGRAM_MAX];
        let now = env.now;
        let lines = |env: &mut Env, bytes: &[u8]| {
            for line in [Line::A, Line::B] {
                env.net.datagram(now, &mut env.agenda, bytes, |bytes| Event::Datagram(line, bytes));
            }
        };
        while let Some(packet) = self.packetiser.next(now.0, &self.store, false, &mut buffer) {
            lines(env, packet);
        }
        let ended = self.venue.phase() == Phase::Ended;
        if let Some(bare) = self.packetiser.bare(now.0, &self.store, ended) {
            lines(env, &bare);
        }
    }
}
