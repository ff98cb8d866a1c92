//! What the tests share: a venue, and a client that speaks OUCH over SoupBinTCP in memory.
#![allow(dead_code, reason = "each test binary uses its own part")]

use exchange_sim::instrument::{Instrument, seeded_instruments, symbol_of};
use exchange_sim::ouch_session::Credentials;
use exchange_sim::venue::{Input, MarketKind, Venue, VenueConfig, VenueOut};
use protocols::Alpha;
use protocols::ouch::{
    CancelOrderRepr, EnterOrderRepr, InboundRepr, MassCancelRepr, Outbound, OutboundRepr, ReplaceOrderRepr,
};
use protocols::soupbintcp::{LoginRequestRepr, Password, SequenceText};

pub const MS: u64 = 1_000_000;
pub const START: u64 = 34_200_000 * MS;

pub fn credentials() -> Credentials {
    Credentials { username: Alpha::padded(b"tick").unwrap(), password: Password(Alpha::padded(b"way").unwrap()) }
}

pub fn seeded_venue(seed: u64, rate: u32, symbols: u16) -> Venue {
    venue(MarketKind::Seeded { seed, rate }, seeded_instruments(symbols))
}

pub fn venue(market: MarketKind, instruments: Vec<Instrument>) -> Venue {
    let session = Alpha::padded(b"TEST000001").unwrap();
    Venue::new(VenueConfig { session, credentials: credentials(), market, instruments })
}

fn frame(packet: &[u8]) -> Vec<u8> {
    let mut bytes = (packet.len() as u16).to_be_bytes().to_vec();
    bytes.extend_from_slice(packet);
    bytes
}

pub fn login(username: &[u8], password: &[u8], session: &[u8], sequence: u64) -> Vec<u8> {
    let request = LoginRequestRepr {
        username: Alpha::padded(username).unwrap(),
        password: Password(Alpha::padded(password).unwrap()),
        requested_session: Alpha::padded(session).unwrap(),
        requested_sequence: SequenceText::number(sequence).unwrap(),
    };
    let mut bytes = [0; LoginRequestRepr::LENGTH];
    request.encode_into(&mut bytes).unwrap();
    frame(&bytes)
}

pub fn unsequenced(message: &InboundRepr) -> Vec<u8> {
    let mut bytes = [0; 128];
    bytes[0] = b'U';
    let length = message.encode_into(&mut bytes[1..]).unwrap();
    frame(&bytes[..=length])
}

pub fn enter(user_ref_num: u32, side: u8, quantity: u32, symbol: &str, price: u64, time_in_force: u8) -> InboundRepr {
    InboundRepr::EnterOrder(EnterOrderRepr {
        user_ref_num,
        side,
        quantity,
        symbol: Alpha(symbol_of(symbol).unwrap()),
        price,
        time_in_force,
        display: b'Y',
        capacity: b'P',
        intermarket_sweep: b'N',
        cross_type: b'N',
        cl_ord_id: Alpha::padded(format!("C{user_ref_num}").as_bytes()).unwrap(),
    })
}

pub fn replace(orig_user_ref_num: u32, user_ref_num: u32, quantity: u32, price: u64) -> InboundRepr {
    InboundRepr::ReplaceOrder(ReplaceOrderRepr {
        orig_user_ref_num,
        user_ref_num,
        quantity,
        price,
        time_in_force: b'0',
        display: b'Y',
        intermarket_sweep: b'N',
        cl_ord_id: Alpha::padded(format!("C{user_ref_num}").as_bytes()).unwrap(),
    })
}

pub fn cancel(user_ref_num: u32, quantity: u32) -> InboundRepr {
    InboundRepr::CancelOrder(CancelOrderRepr { user_ref_num, quantity })
}

pub fn mass_cancel(user_ref_num: u32, symbol: &str) -> InboundRepr {
    let symbol = Alpha(symbol_of(symbol).unwrap());
    InboundRepr::MassCancel(MassCancelRepr { user_ref_num, firm: Alpha::BLANK, symbol })
}

/// Packets of a byte stream from the venue: type and payload.
pub fn packets(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut found = Vec::new();
    while let Some((prefix, rest)) = bytes.split_first_chunk::<2>() {
        let (packet, rest) = rest.split_at(usize::from(u16::from_be_bytes(*prefix)));
        found.push((packet[0], packet[1..].to_vec()));
        bytes = rest;
    }
    found
}

/// One client connection, and all that the venue said.
pub struct Desk {
    pub venue: Venue,
    pub out: VenueOut,
    pub now_ns: u64,
    pub itch: Vec<Vec<u8>>,
}

impl Desk {
    pub fn new(venue: Venue) -> Self {
        Self { venue, out: VenueOut::default(), now_ns: START, itch: Vec::new() }
    }

    /// A venue that is open, with connection 1 logged in.
    pub fn open(venue: Venue) -> Self {
        let mut desk = Self::new(venue);
        desk.step(Input::Open);
        desk.log_in(1, 1);
        desk
    }

    pub fn step(&mut self, input: Input<'_>) -> Vec<(u64, Vec<u8>)> {
        self.now_ns += 1_000;
        self.venue.step(self.now_ns, input, &mut self.out);
        self.itch.append(&mut self.out.itch);
        std::mem::take(&mut self.out.ouch)
    }

    pub fn log_in(&mut self, id: u64, sequence: u64) -> Vec<(u8, Vec<u8>)> {
        self.step(Input::Connected(id));
        let bytes = login(b"tick", b"way", b"", sequence);
        let sent = self.step(Input::Received(id, &bytes));
        packets(&sent.iter().filter(|(to, _)| *to == id).flat_map(|(_, bytes)| bytes.clone()).collect::<Vec<_>>())
    }

    /// Sends a request on connection 1 and returns the OUCH messages that came back.
    pub fn request(&mut self, message: &InboundRepr) -> Vec<OutboundRepr> {
        let bytes = unsequenced(message);
        replies(&self.step(Input::Received(1, &bytes)))
    }

    /// Lets time pass in steps of a millisecond; returns the OUCH messages that came.
    pub fn run_ms(&mut self, count: u64) -> Vec<OutboundRepr> {
        let mut found = Vec::new();
        for _ in 0..count {
            self.now_ns += MS;
            found.extend(replies(&self.step(Input::Timer)));
        }
        found
    }
}

/// The OUCH messages in what was sent to any connection.
pub fn replies(sent: &[(u64, Vec<u8>)]) -> Vec<OutboundRepr> {
    let packets = sent.iter().flat_map(|(_, bytes)| packets(bytes));
    packets
        .filter(|(packet_type, _)| *packet_type == b'S')
        .map(|(_, payload)| Outbound::parse(&payload).unwrap().repr().unwrap())
        .collect()
}
