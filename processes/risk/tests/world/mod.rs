//! A tiny world around risk: strategies that ask at random, a gateway that drives `orders::Order`, a venue that keeps
//! nothing but quantities, and queues between them that are emptied at random moments. Every input goes to the machine
//! and to its naive twin.

#![allow(dead_code, reason = "each test file uses its part")]

use machine::Machine;
use orders::{Event, LiveState, Order, Stamps, report};
use proptest::prelude::*;
use risk::config::{Instrument, LimitRow, Restriction, RiskConfig};
use risk::limits::Settings;
use risk::machine::{Input, Output, RingStart, Risk};
use risk::naive::Naive;
use shm_layout::message::control::{Control, ControlKind};
use shm_layout::message::execution::Execution;
use shm_layout::message::order::*;
use shm_layout::message::step::Reference;
use shm_layout::types::*;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub const ONE: i64 = UNITS;
pub const CENT: i64 = UNITS / 100;
pub const STRATEGIES: u16 = 2;
/// Instrument 2 has no limits, instrument 1 is restricted to strategy 1, instrument 3 does not exist.
pub const INSTRUMENTS: u32 = 3;
pub const STALE_MS: u64 = 3;
pub const ORDERS_MAX: usize = 6;

pub fn instruments() -> Vec<Instrument> {
    (["AAAA", "BBBB", "CCCC"].iter())
        .map(|symbol| Instrument {
            symbol: (*symbol).to_owned(),
            tick_size: Price(CENT),
            lot_size: Qty(ONE),
            price_max: Price(200 * ONE),
            order_qty_max: Qty(80 * ONE),
        })
        .collect()
}

pub fn limit_row(strategy: u16, symbol: &str) -> LimitRow {
    LimitRow {
        strategy,
        symbol: symbol.to_owned(),
        order_qty_max: "50".to_owned(),
        order_notional_max: "4500".to_owned(),
        position_max: "100".to_owned(),
        price_collar_pct: "5".to_owned(),
        messages_per_second: 3000,
        burst: 8,
        cancel_reserve: Some(2),
    }
}

pub fn config() -> RiskConfig {
    let pairs = [(0, "AAAA"), (0, "BBBB"), (1, "AAAA"), (1, "BBBB")];
    RiskConfig {
        lease_ms: 100,
        channel_stale_ms: STALE_MS,
        limit_version: 7,
        orders_max: ORDERS_MAX,
        limits: pairs.iter().map(|(strategy, symbol)| limit_row(*strategy, symbol)).collect(),
        restrictions: vec![Restriction { strategy: Some(0), symbol: "BBBB".to_owned() }],
    }
}

pub fn settings() -> Settings {
    config().resolve(&instruments(), usize::from(STRATEGIES), 1).unwrap()
}

/// A machine that starts with empty books and full buckets.
pub fn fresh(settings: Settings, now: Nanos) -> Risk {
    let rings = vec![RingStart::default(); settings.throttles.len()];
    let state = Risk::orders_state(&settings);
    Risk::restore(settings, state, 5, &rings, Nanos(now.0.saturating_sub(1_000_000_000)))
}

pub fn reference(instrument: u32, bid: i64, ask: i64, receive_ns: Nanos) -> Reference {
    Reference {
        instrument_id: InstrumentId(instrument),
        validity: BookValidity::Trusted,
        trading_status: TradingStatus::Trading,
        bid: Price(bid),
        ask: Price(ask),
        receive_ns,
        channel_sequence: 1,
    }
}

pub fn header(kind: OrderKind, strategy: u16, counter: u32, instrument: u32, side: Side) -> OrderHeader {
    let cancel = kind == OrderKind::OrderCancelRequest;
    OrderHeader {
        kind: kind as u8,
        side: side as u8,
        ord_type: if cancel { 0 } else { OrdType::Limit as u8 },
        time_in_force: if cancel { 0 } else { TimeInForce::Day as u8 },
        strategy_id: strategy,
        cl_ord_id: ClOrdId::new(0, 1, strategy, counter).unwrap(),
        instrument_id: InstrumentId(instrument),
        ..OrderHeader::default()
    }
}

pub fn new_order(strategy: u16, counter: u32, instrument: u32, side: Side, qty: i64, price: i64) -> OrderRequest {
    let header = header(OrderKind::NewOrderSingle, strategy, counter, instrument, side);
    OrderRequest::NewOrderSingle(NewOrderSingle {
        header,
        price: Price(price),
        order_qty: Qty(qty),
        ..NewOrderSingle::default()
    })
}

pub fn ask(risk: &mut Risk, now: Nanos, sequence: u64, request: OrderRequest) -> Option<OrderRequest> {
    let strategy = request.header().strategy_id as u8;
    let mut out = Vec::new();
    risk.on_input(now, &Input::Intent { strategy, sequence, request: Ok(request) }, &mut |output| out.push(output));
    assert!(out.len() <= Risk::OUTPUTS_MAX);
    out.pop().map(|Output::Entry { gateway, request }| {
        assert_eq!(gateway, 0);
        request
    })
}

/// What happens next.
#[derive(Clone, Debug)]
pub enum Action {
    New { strategy: u16, instrument: u32, buy: bool, qty: i64, cents: i64, market: bool },
    Replace { pick: usize, qty: i64, cents: i64, flip: bool },
    Cancel { pick: usize, foreign: bool },
    Gateway,
    Venue { refuse: bool },
    Report,
    Deliver,
    Fill { pick: usize, qty: i64 },
    Bust { pick: usize, reinstate: bool },
    SessionLost,
    Reference { instrument: u32, cents: i64, spread: i64, trading: bool, trusted: bool },
    Kill(bool),
    Disarm(u16, bool),
    Advance(u64),
}

pub fn actions(count: usize) -> impl Strategy<Value = Vec<Action>> {
    let qty =
        prop_oneof![8 => (1..=50_i64).prop_map(|q| q * ONE), 1 => Just(51 * ONE), 1 => Just(ONE / 2), 1 => -1..=0_i64];
    let cents = prop_oneof![8 => 9_900..=10_100_i64, 1 => 9_300..=10_700_i64, 1 => -1..=0_i64];
    let new = (0..STRATEGIES, 0..=INSTRUMENTS, any::<bool>(), qty.clone(), cents.clone(), 0..30_u8).prop_map(
        |(strategy, instrument, buy, qty, cents, odd)| {
            // Mostly the instruments that may be traded.
            let instrument = if odd < 24 { u32::from(strategy) * (instrument % 2) } else { instrument };
            Action::New { strategy, instrument, buy, qty, cents, market: odd == 29 }
        },
    );
    let replace = (any::<usize>(), qty, cents, 0..20_u8).prop_map(|(pick, qty, cents, odd)| Action::Replace {
        pick,
        qty,
        cents,
        flip: odd == 0,
    });
    let cancel = (any::<usize>(), 0..10_u8).prop_map(|(pick, odd)| Action::Cancel { pick, foreign: odd == 0 });
    let reference =
        (0..=INSTRUMENTS, 9_950..10_050_i64, -1..20_i64, 0..12_u8).prop_map(|(instrument, cents, spread, odd)| {
            Action::Reference { instrument, cents, spread, trading: odd != 0, trusted: odd != 1 }
        });
    let action = prop_oneof![
        6 => new,
        2 => replace,
        2 => cancel,
        6 => Just(Action::Gateway),
        6 => (0..8_u8).prop_map(|odd| Action::Venue { refuse: odd == 0 }),
        8 => Just(Action::Report),
        8 => Just(Action::Deliver),
        4 => (any::<usize>(), (1..=20_i64).prop_map(|q| q * ONE)).prop_map(|(pick, qty)| Action::Fill { pick, qty }),
        1 => (any::<usize>(), any::<bool>()).prop_map(|(pick, reinstate)| Action::Bust { pick, reinstate }),
        1 => Just(Action::SessionLost),
        3 => reference,
        1 => (0..8_u8).prop_map(|odd| Action::Kill(odd == 0)),
        1 => (0..STRATEGIES, (0..8_u8)).prop_map(|(strategy, odd)| Action::Disarm(strategy, odd == 0)),
        5 => (1..600_000_u64).prop_map(Action::Advance),
    ];
    prop::collection::vec(action, 1..count)
}

/// An order as the venue has it: nothing but quantities.
#[derive(Clone, Debug, Default)]
pub struct VenueOrder {
    pub leaves: i64,
    /// Executed, net of broken trades.
    pub cum: i64,
    /// What counts against a replace's total: broken trades stay in it unless they were reinstated.
    pub used: i64,
    pub canceled: bool,
    pub fills: Vec<(i64, i64)>,
}

/// One order seen by the gateway and by the venue.
#[derive(Clone, Debug)]
pub struct Pair {
    pub order: Order,
    pub venue: VenueOrder,
}

pub struct World {
    pub risk: Risk,
    pub naive: Naive,
    pub now: Nanos,
    counter: u32,
    sequences: [u64; STRATEGIES as usize],
    /// Risk to gateway.
    pub entries: VecDeque<OrderRequest>,
    /// Gateway to venue: the pair's index.
    pub wire: VecDeque<(usize, OrderRequest)>,
    /// Venue to gateway.
    pub replies: VecDeque<(usize, Event)>,
    /// Gateway to risk.
    pub executions: VecDeque<Execution>,
    pub pairs: Vec<Pair>,
    by_id: BTreeMap<ClOrdId, usize>,
    journal_sequence: u64,
    /// Journal sequences of broken trades that work again.
    reinstated: BTreeSet<u64>,
}

impl World {
    /// A world where everything is in order: every instrument trades and has a reference.
    pub fn new() -> Self {
        let now = Nanos(1_000_000_000_000);
        let rows = config().limits;
        let id = |symbol: &str| instruments().iter().position(|i| i.symbol == symbol).unwrap() as u32;
        let limits: BTreeMap<_, _> = rows.into_iter().map(|row| ((row.strategy, id(&row.symbol)), row)).collect();
        let mut world = Self {
            risk: fresh(settings(), now),
            naive: Naive::new(instruments(), limits, vec![(0, 1)], STALE_MS * 1_000_000, ORDERS_MAX),
            now,
            counter: 0,
            sequences: [0; STRATEGIES as usize],
            entries: VecDeque::new(),
            wire: VecDeque::new(),
            replies: VecDeque::new(),
            executions: VecDeque::new(),
            pairs: Vec::new(),
            by_id: BTreeMap::new(),
            journal_sequence: 0,
            reinstated: BTreeSet::new(),
        };
        for instrument in 0..INSTRUMENTS {
            world.step(&Action::Reference { instrument, cents: 10_000, spread: 2, trading: true, trusted: true });
        }
        world
    }

    /// Does one thing, and compares the two engines.
    pub fn step(&mut self, action: &Action) {
        match *action {
            Action::New { strategy, instrument, buy, qty, cents, market } => {
                self.counter += 1;
                let side = if buy { Side::Buy } else { Side::Sell };
                let mut request = new_order(strategy, self.counter, instrument, side, qty, cents * CENT);
                if market {
                    request.header_mut().ord_type = OrdType::Market as u8;
                }
                self.intent(request);
            }
            Action::Replace { pick, qty, cents, flip } => self.replace(pick, qty, cents, flip),
            Action::Cancel { pick, foreign } => self.cancel(pick, foreign),
            Action::Gateway => self.gateway(),
            Action::Venue { refuse } => self.venue(refuse),
            Action::Report => self.report(),
            Action::Deliver => self.deliver(),
            Action::Fill { pick, qty } => self.fill(pick, qty),
            Action::Bust { pick, reinstate } => self.bust(pick, reinstate),
            Action::SessionLost => {
                for index in 0..self.pairs.len() {
                    self.gateway_event(index, &Event::SessionLost);
                }
            }
            Action::Reference { instrument, cents, spread, trading, trusted } => {
                let mut reference = reference(instrument, cents * CENT, (cents + spread) * CENT, self.now);
                reference.trading_status = if trading { TradingStatus::Trading } else { TradingStatus::Paused };
                reference.validity = if trusted { BookValidity::Trusted } else { BookValidity::Recovering };
                self.input(&Input::Reference(reference));
                self.naive.reference(reference);
            }
            Action::Kill(killed) => {
                self.input(&Input::Kill { generation_sum: u64::from(killed) });
                self.naive.killed = killed;
            }
            Action::Disarm(strategy, disarmed) => {
                let kind = if disarmed { ControlKind::Disarm } else { ControlKind::Arm };
                let (role, index) = (Role::Strategy as u8, strategy as u8);
                self.input(&Input::Control(Control { kind: kind as u8, role, index, ..Control::default() }));
                self.naive.disarm(strategy, disarmed);
            }
            Action::Advance(ns) => self.now = self.now.plus(ns),
        }
        self.compare();
    }

    fn input(&mut self, input: &Input) {
        self.risk.on_input(self.now, input, &mut |_| panic!("only an intent is answered"));
    }

    fn intent(&mut self, request: OrderRequest) {
        let strategy = request.header().strategy_id;
        let sequence = &mut self.sequences[usize::from(strategy)];
        *sequence += 1;
        let instrument = request.header().instrument_id.0;
        let worst = self.naive.worst_case(strategy, instrument, request.header().side());
        let expected = self.naive.judge(self.now, strategy, *sequence, &request);
        let entry = ask(&mut self.risk, self.now, *sequence, request).expect("every well-formed request is answered");
        assert_eq!(entry.header().reject_reason(), expected, "{request:?}");
        if instrument < INSTRUMENTS {
            assert_eq!(i128::from(entry.header().exposure_before.0), worst);
        }
        assert_eq!(entry.intent_sequence(), *sequence);
        self.entries.push_back(entry);
    }

    fn pick(&self, pick: usize) -> Option<usize> {
        (!self.pairs.is_empty()).then(|| pick % self.pairs.len())
    }

    fn replace(&mut self, pick: usize, qty: i64, cents: i64, flip: bool) {
        let Some(index) = self.pick(pick) else { return };
        let order = self.pairs[index].order;
        self.counter += 1;
        let side = if flip { order.side.opposite() } else { order.side };
        let kind = OrderKind::OrderCancelReplaceRequest;
        self.intent(OrderRequest::OrderCancelReplaceRequest(OrderCancelReplaceRequest {
            header: header(kind, order.strategy_id, self.counter, order.instrument_id.0, side),
            price: Price(cents * CENT),
            order_qty: Qty(qty),
            orig_cl_ord_id: order.cl_ord_id,
            ..OrderCancelReplaceRequest::default()
        }));
    }

    fn cancel(&mut self, pick: usize, foreign: bool) {
        let Some(index) = self.pick(pick) else { return };
        let order = self.pairs[index].order;
        self.counter += 1;
        let strategy = if foreign { 1 - order.strategy_id } else { order.strategy_id };
        let kind = OrderKind::OrderCancelRequest;
        self.intent(OrderRequest::OrderCancelRequest(OrderCancelRequest {
            header: header(kind, strategy, self.counter, order.instrument_id.0, order.side),
            orig_cl_ord_id: order.cl_ord_id,
            ..OrderCancelRequest::default()
        }));
    }

    fn stamps(&mut self, reason: RejectReason) -> Stamps {
        self.journal_sequence += 1;
        Stamps { journal_sequence: self.journal_sequence, receive_ns: Nanos(0), gateway_delta_ns: 0, reason }
    }

    /// The gateway takes the next entry: journals it and writes it to the wire, or answers that it was refused.
    fn gateway(&mut self) {
        let Some(request) = self.entries.pop_front() else { return };
        let reason = request.header().reject_reason();
        let id = request.header().cl_ord_id;
        let index = self.by_id.get(&request.orig_cl_ord_id()).copied();
        let event = match request {
            OrderRequest::NewOrderSingle(new) if reason == RejectReason::None => {
                let order = Order::new(&new);
                let stamps = self.stamps(reason);
                self.executions.extend(order.execution(&order.pending_new(), &stamps));
                let index = self.pairs.len();
                self.by_id.insert(id, index);
                self.pairs.push(Pair { order, venue: VenueOrder::default() });
                self.wire.push_back((index, request));
                return;
            }
            OrderRequest::OrderCancelRequest(_) => Event::CancelRequested { cl_ord_id: id },
            OrderRequest::OrderCancelReplaceRequest(m) => {
                Event::ReplaceRequested { cl_ord_id: id, order_qty: m.order_qty, price: m.price }
            }
            OrderRequest::NewOrderSingle(_) => Event::SessionLost,
        };
        let taken = reason == RejectReason::None && index.is_some_and(|index| self.gateway_event(index, &event));
        if taken {
            let index = index.unwrap();
            self.by_id.insert(id, index);
            self.wire.push_back((index, request));
            return;
        }
        let stamps = self.stamps(if reason == RejectReason::None { RejectReason::RequestInFlight } else { reason });
        let order = index.map(|index| &self.pairs[index].order);
        self.executions.push_back(report::refusal(&request, order, &stamps));
    }

    /// Applies an event to the gateway's order and publishes what came of it; false when it was illegal.
    fn gateway_event(&mut self, index: usize, event: &Event) -> bool {
        let Ok(outcome) = self.pairs[index].order.apply(event) else { return false };
        let stamps = self.stamps(RejectReason::None);
        match self.pairs[index].order.execution(&outcome, &stamps) {
            Some(execution) => self.executions.push_back(execution),
            None => self.journal_sequence -= 1,
        }
        true
    }

    /// The venue takes the next request from the wire.
    fn venue(&mut self, refuse: bool) {
        let Some((index, request)) = self.wire.pop_front() else { return };
        let venue = &mut self.pairs[index].venue;
        let dead = venue.leaves == 0;
        let event = match request {
            OrderRequest::NewOrderSingle(_) if refuse => Event::Rejected,
            OrderRequest::NewOrderSingle(new) => {
                venue.leaves = new.order_qty.0;
                Event::Accepted { order_qty: new.order_qty, price: new.price, dead: false }
            }
            OrderRequest::OrderCancelRequest(_) if dead || refuse => {
                Event::CancelRejected(OrderKind::OrderCancelRequest)
            }
            OrderRequest::OrderCancelRequest(_) => {
                venue.canceled = true;
                Event::Canceled { decrement: Qty(std::mem::take(&mut venue.leaves)) }
            }
            OrderRequest::OrderCancelReplaceRequest(_) if dead || refuse => {
                Event::CancelRejected(OrderKind::OrderCancelReplaceRequest)
            }
            OrderRequest::OrderCancelReplaceRequest(replace) => {
                venue.leaves = (replace.order_qty.0 - venue.used).max(0);
                venue.canceled |= venue.leaves == 0;
                Event::Replaced { leaves_qty: Qty(venue.leaves), price: replace.price, dead: false }
            }
        };
        self.replies.push_back((index, event));
    }

    fn fill(&mut self, pick: usize, qty: i64) {
        let Some(index) = self.pick(pick) else { return };
        let px = self.pairs[index].order.price;
        let venue = &mut self.pairs[index].venue;
        let qty = qty.min(venue.leaves);
        if qty > 0 {
            venue.leaves -= qty;
            venue.cum += qty;
            venue.used += qty;
            venue.fills.push((qty, px.0));
            self.replies.push_back((index, Event::Executed { qty: Qty(qty), px }));
        }
    }

    fn bust(&mut self, pick: usize, reinstate: bool) {
        let Some(index) = self.pick(pick) else { return };
        let venue = &mut self.pairs[index].venue;
        if let Some((qty, px)) = venue.fills.pop() {
            let reinstated = reinstate && venue.leaves > 0;
            venue.cum -= qty;
            if reinstated {
                venue.leaves += qty;
                venue.used -= qty;
            }
            self.replies.push_back((index, Event::Broken { qty: Qty(qty), px: Price(px), reinstated }));
        }
    }

    /// The gateway reads the venue's next reply.
    fn report(&mut self) {
        let Some((index, event)) = self.replies.pop_front() else { return };
        assert!(self.gateway_event(index, &event), "{event:?} of {:?}", self.pairs[index]);
        if matches!(event, Event::Broken { reinstated: true, .. }) {
            self.reinstated.insert(self.journal_sequence);
        }
    }

    /// Both engines read the next execution.
    fn deliver(&mut self) {
        let Some(execution) = self.executions.pop_front() else { return };
        self.input(&Input::Execution(execution));
        self.naive.execution(&execution);
    }

    /// Lets everything in flight arrive.
    pub fn settle(&mut self) {
        for _ in 0..4 {
            while !self.entries.is_empty() {
                self.gateway();
            }
            while !self.wire.is_empty() {
                self.venue(false);
            }
            while !self.replies.is_empty() {
                self.report();
            }
            while !self.executions.is_empty() {
                self.deliver();
            }
        }
        self.compare();
    }

    fn compare(&self) {
        assert_eq!(self.risk.void(), None);
        for strategy in 0..STRATEGIES {
            for instrument in 0..INSTRUMENTS {
                let row = self.risk.exposures().row(usize::from(strategy), instrument as usize).unwrap();
                let fast = self.risk.exposures().exposure(row);
                assert_eq!(fast.position, self.naive.position(strategy, instrument));
                assert_eq!(fast.open_buy, self.naive.open(strategy, instrument, Side::Buy));
                assert_eq!(fast.open_sell, self.naive.open(strategy, instrument, Side::Sell));
                let folded = self.risk.orders().position(strategy, InstrumentId(instrument)).qty.0;
                assert_eq!(fast.position, i128::from(folded));
            }
        }
        assert_eq!(self.risk.exposures().reservations().count(), self.naive.orders.len());
    }

    /// What the venue holds or may yet take on a side: its live quantity, and what is approved and on the way to it.
    pub fn may_hold(&self, strategy: u16, instrument: u32, side: Side) -> i64 {
        let is = |s: u16, i: InstrumentId, b: Side| (s, i.0, b) == (strategy, instrument, side);
        let mut sum = 0;
        for pair in &self.pairs {
            if is(pair.order.strategy_id, pair.order.instrument_id, pair.order.side) {
                sum += pair.venue.leaves;
            }
        }
        // A reinstated trade is the venue's own doing; until its report arrives nobody can have reserved it.
        for (index, event) in &self.replies {
            let order = &self.pairs[*index].order;
            if let Event::Broken { qty, reinstated: true, .. } = event
                && is(order.strategy_id, order.instrument_id, order.side)
            {
                sum -= qty.0;
            }
        }
        for execution in &self.executions {
            if let Execution::Report(report) = execution
                && self.reinstated.contains(&report.journal_sequence)
                && is(report.strategy_id, report.instrument_id, report.side())
            {
                sum -= report.last_qty.0;
            }
        }
        for request in self.entries.iter().chain(self.wire.iter().map(|(_, request)| request)) {
            let header = request.header();
            if header.reject_reason != 0 || !is(header.strategy_id, header.instrument_id, header.side()) {
                continue;
            }
            match request {
                OrderRequest::NewOrderSingle(new) => sum += new.order_qty.0,
                OrderRequest::OrderCancelReplaceRequest(replace) => {
                    if let Some(index) = self.by_id.get(&replace.orig_cl_ord_id) {
                        let venue = &self.pairs[*index].venue;
                        let live = venue.leaves > 0;
                        sum += if live { (replace.order_qty.0 - venue.used - venue.leaves).max(0) } else { 0 };
                    }
                }
                OrderRequest::OrderCancelRequest(_) => {}
            }
        }
        sum
    }

    /// True while the gateway has an order in doubt.
    pub fn in_doubt(&self) -> bool {
        self.pairs.iter().any(|pair| pair.order.state == LiveState::Unknown)
    }
}
