//! A small world around the machine: a venue with a naive book that says what must be published, and a run of the machine
//! that collects what is.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub mod venue;

use feed_handler::{Config, Datagram, FeedHandler, Input, Line, Output};
use machine::{Machine, Stepper};
use protocols::moldudp64::{Header, PacketBuilder, Session};
use shm_layout::image::ImageEntry;
use shm_layout::message::market_data::{MarketData, MarketDataKind};
use shm_layout::types::{ChannelState, InstrumentId, Nanos};
use std::collections::BTreeMap;
use std::net::{SocketAddr, SocketAddrV4};
use venue::{Event, SYMBOLS};

pub const SESSION: Session = Session::padded(b"S1").unwrap();
pub const MS: u64 = 1_000_000;

/// SplitMix64: a seeded stream without a dependency.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ z >> 31) % bound
    }

    pub fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }
}

/// A packet of `messages`, the first of which has `sequence`.
pub fn packet(session: Session, sequence: u64, messages: &[Vec<u8>]) -> Vec<u8> {
    let mut out = vec![0; 2048];
    let mut builder = PacketBuilder::new(&mut out, session, sequence).unwrap();
    for message in messages {
        assert!(builder.push(message), "the test's packet is too long");
    }
    builder.finish().to_vec()
}

/// A heartbeat (count 0) or an end of session (count 0xFFFF).
pub fn control(session: Session, sequence: u64, count: u16) -> Vec<u8> {
    let mut out = vec![0; 20];
    Header { session, sequence, count }.encode_into(&mut out).unwrap();
    out
}

/// The two symbols of the scripted venue stand in rows 7 and 3, among others.
pub fn host_text(group: SocketAddrV4, server: SocketAddr) -> String {
    let text = include_str!("../../../../tuning/demo.toml");
    let rows: String = ["R0", "R1", "R2", "MSFT", "R4", "R5", "R6", "AAPL"]
        .iter()
        .map(|symbol| {
            format!(
                "[[instruments]]\nsymbol = \"{symbol}\"\ntick_size = \"0.01\"\nlot_size = \"1\"\n\
                 price_max = \"10000\"\norder_qty_max = \"999999\"\n\n"
            )
        })
        .collect();
    let (before, rest) = text.split_once("[[instruments]]").unwrap();
    let (_, after) = rest.split_once("[[venues]]").unwrap();
    format!("{before}{rows}[[venues]]{after}")
        .replacen("239.255.0.1", &group.ip().to_string(), 1)
        .replacen("group_port = 0", &format!("group_port = {}", group.port()), 1)
        .replacen("request_address = \"127.0.0.1:0\"", &format!("request_address = \"{server}\""), 1)
}

/// The machine, everything it has put out, and what its readers would see.
pub struct World {
    pub stepper: Stepper<FeedHandler>,
    pub published: Vec<MarketData>,
    pub images: BTreeMap<u32, ImageEntry>,
    pub channel: (ChannelState, u64, Nanos),
    pub requests: Vec<(Session, u64, u16)>,
}

impl World {
    pub fn new(config: Config) -> Self {
        let instruments = SYMBOLS.map(|(symbol, id)| (venue::stock(symbol), InstrumentId(id)));
        let machine = FeedHandler::new(&config, &instruments[..2]).unwrap();
        let mut world = Self {
            stepper: Stepper::new(machine, Nanos(0)),
            published: Vec::new(),
            images: BTreeMap::new(),
            channel: (ChannelState::Ended, u64::MAX, Nanos(0)),
            requests: Vec::new(),
        };
        world.timers(Nanos(1));
        assert_eq!(world.channel.0, ChannelState::Unknown, "told to a predecessor's readers at once");
        world
    }

    pub fn machine(&self) -> &FeedHandler {
        &self.stepper.machine
    }

    fn take(&mut self, outputs: Vec<Output>) {
        assert!(outputs.len() <= FeedHandler::OUTPUTS_MAX, "{} outputs of one step", outputs.len());
        for output in outputs {
            match output {
                Output::MarketData(message) => {
                    assert_eq!(MarketData::decode(&message.encode()), Ok(message), "what is published can be read");
                    self.published.push(message);
                }
                Output::Image(entry) => {
                    self.images.insert(entry.instrument_id.0, entry);
                }
                Output::Channel { state, channel_sequence, receive_ns } => {
                    self.channel = (state, channel_sequence, receive_ns);
                }
                Output::Request { session, sequence, count } => {
                    self.requests.push((protocols::Alpha(session), sequence, count));
                }
            }
        }
    }

    /// Fires every timer due by `now`.
    pub fn timers(&mut self, now: Nanos) {
        for _ in 0..100_000 {
            let mut outputs = Vec::new();
            if self.stepper.timer(now, &mut |output| outputs.push(output)).is_none() {
                return;
            }
            self.take(outputs);
        }
        panic!("timers never end");
    }

    /// Fires what is due, then takes one datagram that was received 1 µs before `now`; returns what its step published.
    pub fn receive(&mut self, now: u64, line: Line, bytes: &[u8]) -> Vec<MarketData> {
        self.timers(Nanos(now));
        let before = self.published.len();
        let mut outputs = Vec::new();
        let input = Input::Datagram(Datagram::new(line, Nanos(now - 1_000), bytes));
        self.stepper.input(Nanos(now), &input, &mut |output| outputs.push(output));
        self.take(outputs);
        let step = self.published[before..].to_vec();
        self.timers(Nanos(now));
        step
    }

    /// What was published about books and trades, in a form that a naive model can predict.
    pub fn events(&self) -> Vec<Event> {
        self.published.iter().filter_map(Event::of).collect()
    }

    pub fn states(&self) -> Vec<ChannelState> {
        let statuses = self.published.iter().filter(|m| matches!(m, MarketData::ChannelStatus(_)));
        statuses.map(|m| m.header().channel_state()).collect()
    }

    pub fn count(&self, kind: MarketDataKind) -> usize {
        self.published.iter().filter(|m| m.header().kind == kind as u8).count()
    }

    /// Every message of an accepted datagram is accounted for, and each delivered sequence was counted once.
    pub fn assert_conserved(&self) {
        let c = self.machine().counters();
        let held = self.machine().held_messages();
        assert_eq!(c.received, c.in_order + c.recovered + c.duplicate + c.overflowed + c.discarded + held);
        assert_eq!(c.delivered(), c.first_by_line.iter().sum::<u64>());
        assert_eq!(c.delivered(), c.by_type.iter().sum::<u64>() + c.empty_messages);
    }
}
