//! Level L2: an order waits for the journal, and what happens to it while it waits.
#![forbid(unsafe_code)]

use execution_gateway::config::{Capital, Durability, Settings};
use execution_gateway::{Gateway, Input, Output, Received};
use journal::Record;
use machine::{Machine, Nanos};
use protocols::Alpha;
use protocols::ouch::{AccountQueryResponseRepr, Inbound, OutboundRepr};
use protocols::soupbintcp::{LoginAcceptedRepr, Password, SequenceText, Timing};
use shm_layout::message::control::{Control, ControlKind};
use shm_layout::message::order::{NewOrderSingle, OrderCancelRequest, OrderHeader, OrderKind, OrderRequest};
use shm_layout::types::*;

/// A gateway at L2 whose session is open, and what it has put out.
struct World {
    gateway: Gateway,
    outputs: Vec<Output>,
    risk_sequence: u64,
}

impl World {
    fn new() -> Self {
        let settings = Settings {
            gateway: 0,
            username: Alpha::padded(b"USER").unwrap(),
            password: Password(Alpha::padded(b"SECRET").unwrap()),
            firm: Alpha::padded(b"FIRM").unwrap(),
            symbols: vec![Alpha::padded(b"AAAA").unwrap()],
            strategies: 1,
            durability: Durability::L2,
            capital: Capital { orders_max: Some(100), notional_max: Some(Notional(i128::MAX)) },
            orders_max: 16,
            checkpoint_ns: 1_000_000_000,
            reconnect_ns: 1_000_000,
            timing: Timing::default(),
        };
        let mut world = Self { gateway: Gateway::new(settings, 0), outputs: Vec::new(), risk_sequence: 0 };
        for (role, index) in [(Role::Risk, 0), (Role::Strategy, 0)] {
            let control =
                Control { kind: ControlKind::Epoch as u8, role: role as u8, index, epoch: 1, ..Control::default() };
            world.give(&Input::Control(control));
            world.give(&Input::Lease { role, index, held: true });
        }
        world.give(&Input::Connected);
        let mut bytes = [0; LoginAcceptedRepr::LENGTH];
        let session = Alpha::padded(b"DAY").unwrap();
        LoginAcceptedRepr { session, sequence: SequenceText::number(1).unwrap() }.encode_into(&mut bytes).unwrap();
        world.receive(&bytes);
        let answer = AccountQueryResponseRepr { timestamp_ns: 1, next_user_ref_num: 1 };
        let mut payload = [b'S'; 64];
        let length = OutboundRepr::AccountQueryResponse(answer).encode_into(&mut payload[1..]).unwrap();
        world.receive(&payload[..=length]);
        assert!(world.gateway.session_open());
        world.outputs.clear();
        world
    }

    fn give(&mut self, input: &Input) {
        self.gateway.on_input(Nanos(1_000_000), input, &mut |output| self.outputs.push(output));
        while self.gateway.deadline().is_some_and(|deadline| deadline <= Nanos(1_000_000)) {
            self.timer();
        }
    }

    fn timer(&mut self) {
        self.gateway.on_timer(Nanos(1_000_000), &mut |output| self.outputs.push(output));
    }

    fn receive(&mut self, packet: &[u8]) {
        let mut received = Received { length: packet.len() + 2, ..Received::default() };
        received.bytes[..2].copy_from_slice(&(packet.len() as u16).to_be_bytes());
        received.bytes[2..packet.len() + 2].copy_from_slice(packet);
        self.give(&Input::Received(received));
    }

    fn header(&mut self, kind: OrderKind, counter: u32) -> OrderHeader {
        self.risk_sequence += 1;
        let terms = |code: u8| if kind == OrderKind::OrderCancelRequest { 0 } else { code };
        OrderHeader {
            kind: kind as u8,
            side: Side::Buy as u8,
            ord_type: terms(OrdType::Limit as u8),
            time_in_force: terms(TimeInForce::Day as u8),
            cl_ord_id: ClOrdId::new(0, 1, 0, counter).unwrap(),
            risk_epoch: 1,
            risk_sequence: self.risk_sequence,
            ..OrderHeader::default()
        }
    }

    fn enter(&mut self, counter: u32) {
        let header = self.header(OrderKind::NewOrderSingle, counter);
        let (price, order_qty) = (Price(100 * UNITS), Qty(10 * UNITS));
        let order = NewOrderSingle { header, price, order_qty, ..NewOrderSingle::default() };
        self.give(&Input::Entry { sequence: u64::from(counter), request: Ok(OrderRequest::NewOrderSingle(order)) });
    }

    fn cancel(&mut self, counter: u32, orig: u32) {
        let header = self.header(OrderKind::OrderCancelRequest, counter);
        let orig_cl_ord_id = ClOrdId::new(0, 1, 0, orig).unwrap();
        let cancel = OrderCancelRequest { header, orig_cl_ord_id, ..OrderCancelRequest::default() };
        let request = Ok(OrderRequest::OrderCancelRequest(cancel));
        self.give(&Input::Entry { sequence: u64::from(counter), request });
    }

    fn durable(&mut self) {
        let journal_sequence = self.gateway.journal_sequence();
        self.give(&Input::Durable { journal_sequence });
    }

    /// Types of the OUCH messages handed to the socket.
    fn sent(&self) -> Vec<u8> {
        let frames = self.outputs.iter().filter_map(|output| match output {
            Output::Send(sending) => Some(&sending.bytes[2..sending.length]),
            _ => None,
        });
        let types = frames.filter(|frame| frame[0] == b'U').map(|frame| {
            assert!(Inbound::parse(&frame[1..]).is_ok());
            frame[1]
        });
        types.collect()
    }

    /// Reasons of the NotSent records.
    fn not_sent(&self) -> Vec<u32> {
        let records = self.outputs.iter().filter_map(|output| match output {
            Output::Journal { record: Record::NotSent(record), .. } => Some(record.reason),
            _ => None,
        });
        records.collect()
    }
}

#[test]
fn an_order_leaves_when_its_intent_is_durable() {
    let mut world = World::new();
    world.enter(1);
    assert_eq!(world.sent(), b"");
    world.give(&Input::Durable { journal_sequence: 1 });
    assert_eq!(world.sent(), b"", "durable up to what came before it");
    world.durable();
    world.durable();
    assert_eq!(world.sent(), b"O", "once");
}

/// The cancel does not wait: the venue ignores it, because it knows no such order, and the order would live for ever.
#[test]
fn an_order_that_was_cancelled_while_it_waited_never_leaves() {
    let mut world = World::new();
    world.enter(1);
    world.cancel(2, 1);
    world.durable();
    assert!(!world.sent().contains(&b'O'), "{:?}", world.sent());
    assert_eq!(world.not_sent(), [RejectReason::RequestInFlight as u32]);
    assert_eq!(world.gateway.orders().live_count(), 0);
}

/// Nothing would ever become durable: an order that waits is void, and nobody holds risk for it.
#[test]
fn a_journal_that_fails_voids_what_waits_for_it() {
    let mut world = World::new();
    world.enter(1);
    world.give(&Input::Journal { available: false });
    assert_eq!(world.not_sent(), [RejectReason::JournalUnavailable as u32]);
    assert_eq!(world.gateway.orders().live_count(), 0);
    world.enter(2);
    world.durable();
    assert_eq!(world.sent(), b"", "nothing new while it is out of order");
}
