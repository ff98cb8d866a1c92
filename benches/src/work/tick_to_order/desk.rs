//! The four machines and what carries their outputs to each other.

use super::INSTRUMENTS;
use super::venue::{stock, symbol};
use crate::work::risk::settings as risk_settings;
use execution_gateway::config::{Capital, Durability, Settings};
use execution_gateway::{Gateway, Received, SendTag};
use feed_handler::{Config, Datagram, FeedHandler, Line};
use journal::Record;
use machine::Machine;
use protocols::Alpha;
use protocols::ouch::{AccountQueryResponseRepr, OrderRejectedRepr, OutboundRepr};
use protocols::soupbintcp::{Password, Timing};
use risk::machine::{RingStart, Risk};
use shm_layout::image::ImageEntry;
use shm_layout::message::control::{Control, ControlKind};
use shm_layout::message::execution::Execution;
use shm_layout::message::step::Reference;
use shm_layout::types::{BookValidity, InstrumentId, Nanos, Notional, Qty, Role, TradingStatus, UNITS};
use strategy::config::{Instrument, Kind, StrategyConfig};
use strategy::machine::StrategyMachine;

/// Time between two samples of the strategy.
pub const SAMPLE_NS: u64 = 1_000_000;
/// More than the strategy's pause after a refusal.
pub const BACKOFF_NS: u64 = 2_000_000;
/// Orders that each table has room for.
const ORDERS_MAX: usize = 1024;

/// The machines, and what is under way between them.
#[derive(Debug)]
pub struct Desk {
    feed: FeedHandler,
    strategy: StrategyMachine,
    risk: Risk,
    gateway: Gateway,
    images: Vec<Reference>,
    intents: u64,
    venue_sequence: u64,
    /// Executions that the way back still has to deliver.
    executions: Vec<Execution>,
    /// Orders handed to the socket, not yet answered.
    pub sent: Vec<u32>,
    /// The gateway's journal records, when they are kept.
    pub records: Vec<Record>,
    /// Whether to keep them.
    keep: bool,
}

/// A datagram of line A.
pub fn datagram(receive_ns: Nanos, bytes: &[u8]) -> feed_handler::Input {
    feed_handler::Input::Datagram(Datagram::new(Line::A, receive_ns, bytes))
}

fn strategy_machine() -> StrategyMachine {
    let table: Vec<_> = (0..INSTRUMENTS).map(|row| Instrument { symbol: symbol(row), lot_size: Qty(UNITS) }).collect();
    let config = StrategyConfig {
        kind: Kind::MeanReversion,
        account_id: 1,
        instruments: table.iter().map(|row| row.symbol.clone()).collect(),
        venue_id: 0,
        orders_max: ORDERS_MAX,
        sample_interval_ms: 1,
        window: 32,
        entry_milli_sigma: 2000,
        aggressive_milli_sigma: 3000,
        exit_milli_sigma: 200,
        order_qty: "10".to_owned(),
        position_max: "100".to_owned(),
        order_timeout_ms: 60_000,
        reprice_ms: 10_000,
        cooldown_ms: 1,
        reject_backoff_ms: 1,
    };
    let settings = config.resolve(0, &table).expect("a valid configuration");
    let state = StrategyMachine::orders_state(&settings);
    StrategyMachine::restore(settings, state, 0, 1)
}

fn gateway_settings() -> Settings {
    Settings {
        gateway: 0,
        username: Alpha::padded(b"TICK01").expect("short"),
        password: Password(Alpha::padded(b"SECRET").expect("short")),
        firm: Alpha::padded(b"TICK").expect("short"),
        symbols: (0..INSTRUMENTS).map(stock).collect(),
        strategies: 1,
        durability: Durability::L0,
        capital: Capital { orders_max: Some(u64::MAX), notional_max: Some(Notional(i128::MAX)) },
        orders_max: ORDERS_MAX,
        checkpoint_ns: u64::MAX / 2,
        reconnect_ns: 500_000_000,
        timing: Timing::default(),
    }
}

impl Desk {
    /// Machines as their processes start them.
    pub fn new(keep: bool) -> Self {
        let instruments: Vec<_> = (0..INSTRUMENTS).map(|row| (stock(row), InstrumentId(row))).collect();
        let symbols: Vec<_> = (0..INSTRUMENTS).map(symbol).collect();
        let settings = risk_settings(&symbols, ORDERS_MAX);
        let state = Risk::orders_state(&settings);
        let unknown = |row| Reference {
            instrument_id: InstrumentId(row),
            validity: BookValidity::Unknown,
            trading_status: TradingStatus::Unknown,
            bid: shm_layout::types::Price::ZERO,
            ask: shm_layout::types::Price::ZERO,
            receive_ns: Nanos(0),
            channel_sequence: 0,
        };
        Self {
            feed: FeedHandler::new(&Config::default(), &instruments).expect("a valid configuration"),
            strategy: strategy_machine(),
            risk: Risk::restore(settings, state, 1, &[RingStart::default()], Nanos(0)),
            gateway: Gateway::new(gateway_settings(), 0),
            images: (0..INSTRUMENTS).map(unknown).collect(),
            intents: 0,
            venue_sequence: 1,
            executions: Vec::with_capacity(4 * INSTRUMENTS as usize),
            sent: Vec::with_capacity(INSTRUMENTS as usize),
            records: Vec::new(),
            keep,
        }
    }

    /// One datagram through all four; `carry` is told what the gateway asks of its shell, in order.
    pub fn tick(&mut self, now: Nanos, tick: &feed_handler::Input, carry: &mut impl FnMut(&execution_gateway::Output)) {
        let Self { feed, strategy, risk, gateway, images, intents, executions, sent, records, keep, .. } = self;
        let mut on_gateway = |output: execution_gateway::Output| {
            carry(&output);
            note(&output, executions, sent, *keep, records);
        };
        let mut on_intent = |risk: &mut Risk, output| {
            let strategy::machine::Output::Intent { request, .. } = output else { return };
            *intents += 1;
            let input = risk::machine::Input::Intent { strategy: 0, sequence: *intents, request: Ok(request) };
            risk.on_input(now, &input, &mut |risk::machine::Output::Entry { request, .. }| {
                let entry = execution_gateway::Input::Entry { sequence: *intents, request: Ok(request) };
                gateway.on_input(now, &entry, &mut on_gateway);
            });
        };
        feed.on_input(now, tick, &mut |output| match output {
            feed_handler::Output::MarketData(message) => {
                let input = strategy::machine::Input::MarketData(message);
                strategy.on_input(now, &input, &mut |output| on_intent(risk, output));
            }
            feed_handler::Output::Image(entry) => {
                let reference = reference(&entry, now);
                images[reference.instrument_id.index()] = reference;
                risk.on_input(now, &risk::machine::Input::Reference(reference), &mut |_| {});
            }
            feed_handler::Output::Channel { .. } | feed_handler::Output::Request { .. } => {}
        });
    }

    /// The executions under way reach strategy and risk.
    pub fn deliver(&mut self, now: Nanos) {
        let mut executions = std::mem::take(&mut self.executions);
        for execution in executions.drain(..) {
            self.risk.on_input(now, &risk::machine::Input::Execution(execution), &mut |_| {});
            self.strategy.on_input(now, &strategy::machine::Input::Execution(execution), &mut |_| {});
        }
        // The room is kept: what is measured does not allocate.
        self.executions = executions;
        assert!(self.risk.void().is_none() && self.strategy.void().is_none(), "the folds follow");
    }

    /// Epochs, leases, login and query: the session opens.
    pub fn log_in(&mut self, now: Nanos) {
        use execution_gateway::Input;
        let epoch = |role| Control { kind: ControlKind::Epoch as u8, role: role as u8, epoch: 1, ..Control::default() };
        for role in [Role::Risk, Role::Strategy] {
            self.gateway_input(now, &Input::Control(epoch(role)));
            self.gateway_input(now, &Input::Lease { role, index: 0, held: true });
        }
        self.gateway_timer(now);
        self.gateway_input(now, &Input::Connected);
        self.venue_frame(now, b'A', format!("{:>10}{:>20}", "SESSION001", 1).as_bytes());
        let answer = AccountQueryResponseRepr { timestamp_ns: 1, next_user_ref_num: 1 };
        self.venue_says(now, &OutboundRepr::AccountQueryResponse(answer));
        // What concerns many orders is done by timers, the reconciliation after the answer too.
        self.gateway_timer(now);
        assert!(self.gateway.session_open(), "the session opens");
    }

    /// The strategy reads the image and is armed.
    pub fn arm(&mut self, now: Nanos) {
        self.strategy.on_timer(now, &mut |_| {});
        for reference in &self.images {
            self.strategy.on_input(now, &strategy::machine::Input::Reference(*reference), &mut |_| {});
        }
        let arm = Control { kind: ControlKind::Arm as u8, ..Control::default() };
        self.strategy.on_input(now, &strategy::machine::Input::Control(arm), &mut |_| {});
        assert!(self.strategy.is_armed());
    }

    /// The strategy samples its mids.
    pub fn sample(&mut self, now: Nanos) {
        self.strategy.on_timer(now, &mut |_| {});
    }

    /// The socket took an order, and the venue refuses it.
    pub fn acknowledge(&mut self, now: Nanos, user_ref_num: u32) {
        self.gateway_input(now, &execution_gateway::Input::Sent { user_ref_num, send_ns: now, write_ns: 1 });
        let refused = OrderRejectedRepr { timestamp_ns: 1, user_ref_num, reason: 1, cl_ord_id: Alpha::BLANK };
        self.venue_says(now, &OutboundRepr::OrderRejected(refused));
    }

    fn venue_says(&mut self, now: Nanos, message: &OutboundRepr) {
        self.venue_sequence += 1;
        let mut payload = [0; 128];
        let length = message.encode_into(&mut payload).expect("an answer fits");
        self.venue_frame(now, b'S', &payload[..length]);
    }

    fn venue_frame(&mut self, now: Nanos, packet_type: u8, payload: &[u8]) {
        let mut received = Received { receive_ns: now, length: payload.len() + 3, ..Received::default() };
        received.bytes[..2].copy_from_slice(&(payload.len() as u16 + 1).to_be_bytes());
        received.bytes[2] = packet_type;
        received.bytes[3..payload.len() + 3].copy_from_slice(payload);
        self.gateway_input(now, &execution_gateway::Input::Received(received));
    }

    fn gateway_input(&mut self, now: Nanos, input: &execution_gateway::Input) {
        let Self { gateway, executions, sent, records, keep, .. } = self;
        gateway.on_input(now, input, &mut |output| note(&output, executions, sent, *keep, records));
    }

    fn gateway_timer(&mut self, now: Nanos) {
        let Self { gateway, executions, sent, records, keep, .. } = self;
        gateway.on_timer(now, &mut |output| note(&output, executions, sent, *keep, records));
    }
}

/// Keeps what the way back needs.
fn note(
    output: &execution_gateway::Output,
    executions: &mut Vec<Execution>,
    sent: &mut Vec<u32>,
    keep: bool,
    records: &mut Vec<Record>,
) {
    match output {
        execution_gateway::Output::Publish(execution) => executions.push(*execution),
        execution_gateway::Output::Send(sending) => {
            if let SendTag::Opening { user_ref_num, .. } = sending.tag {
                sent.push(user_ref_num);
            }
        }
        execution_gateway::Output::Journal { record, .. } if keep => records.push(*record),
        _ => {}
    }
}

/// What risk and a strategy read of an image's entry.
fn reference(entry: &ImageEntry, receive_ns: Nanos) -> Reference {
    Reference {
        instrument_id: entry.instrument_id,
        validity: entry.validity(),
        trading_status: TradingStatus::from_u8(entry.trading_status).unwrap_or(TradingStatus::Unknown),
        bid: entry.bids[0].price,
        ask: entry.asks[0].price,
        receive_ns,
        channel_sequence: entry.channel_sequence,
    }
}
