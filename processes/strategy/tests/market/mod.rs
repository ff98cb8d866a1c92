//! A market for one strategy: books whose mids are told to it, a gateway that drives `orders::Order`, and a venue that
//! keeps quantities. Every input is recorded, so that a run can be repeated.
#![allow(dead_code, reason = "each test file uses its part")]

use machine::Stepper;
use orders::{Event, Order, Stamps, report};
use shm_layout::message::control::{Control, ControlKind};
use shm_layout::message::execution::Execution;
use shm_layout::message::market_data::{MarketData, MarketDataHeader, MarketDataKind, StatusChange, TopOfBook};
use shm_layout::message::order::{OrderKind, OrderRequest};
use shm_layout::message::step::Reference;
use shm_layout::types::*;
use std::collections::{BTreeMap, VecDeque};
use strategy::config::{Instrument, Settings, StrategyConfig};
use strategy::machine::{Input, Output, StrategyMachine};

pub const ONE: i64 = UNITS;
pub const CENT: i64 = UNITS / 100;
pub const MS: u64 = 1_000_000;
pub const START: Nanos = Nanos(1_000_000_000_000);
pub const SYMBOLS: [&str; 4] = ["AAAA", "BBBB", "CCCC", "DDDD"];

pub fn table() -> Vec<Instrument> {
    SYMBOLS.iter().map(|symbol| Instrument { symbol: (*symbol).to_owned(), lot_size: Qty(ONE) }).collect()
}

/// The defaults of the host file.
pub fn config() -> StrategyConfig {
    toml::from_str("kind = \"mean_reversion\"\naccount_id = 9\ninstruments = [\"AAAA\", \"BBBB\", \"CCCC\", \"DDDD\"]")
        .unwrap()
}

pub fn settings() -> Settings {
    config().resolve(0, &table()).unwrap()
}

/// An order at the venue.
#[derive(Clone, Copy, Debug)]
pub struct AtVenue {
    pub order: Order,
    pub leaves: i64,
    pub cum: i64,
    pub price: i64,
}

/// One call of the machine: the input, or `None` for a timer.
pub type Call = (Nanos, Option<Input>);

pub struct Market {
    pub stepper: Stepper<StrategyMachine>,
    pub now: Nanos,
    pub calls: Vec<Call>,
    pub outputs: Vec<Output>,
    pub requests: VecDeque<OrderRequest>,
    pub wire: VecDeque<(usize, OrderRequest)>,
    pub replies: VecDeque<(usize, Event)>,
    pub executions: VecDeque<Execution>,
    pub orders: Vec<AtVenue>,
    by_id: BTreeMap<ClOrdId, usize>,
    pub bbo: [(i64, i64); SYMBOLS.len()],
    journal_sequence: u64,
    channel_sequence: u64,
    last_id: ClOrdId,
}

impl Market {
    pub fn new(settings: Settings) -> Self {
        let state = StrategyMachine::orders_state(&settings);
        Self {
            stepper: Stepper::new(StrategyMachine::restore(settings, state, 1, 2), START),
            now: START,
            calls: Vec::new(),
            outputs: Vec::new(),
            requests: VecDeque::new(),
            wire: VecDeque::new(),
            replies: VecDeque::new(),
            executions: VecDeque::new(),
            orders: Vec::new(),
            by_id: BTreeMap::new(),
            bbo: [(100 * ONE - CENT, 100 * ONE + CENT); SYMBOLS.len()],
            journal_sequence: 0,
            channel_sequence: 100,
            last_id: ClOrdId::NONE,
        }
    }

    /// A market whose strategy has read the image and is armed.
    pub fn armed(settings: Settings) -> Self {
        let mut market = Self::new(settings);
        market.timers();
        market.references();
        market.control(ControlKind::Arm);
        market
    }

    pub fn machine(&self) -> &StrategyMachine {
        &self.stepper.machine
    }

    pub fn call(&mut self, input: Option<Input>) {
        let mut fresh = Vec::new();
        let at = match &input {
            Some(input) => Some(self.stepper.input(self.now, input, &mut |output| fresh.push(output))),
            None => self.stepper.timer(self.now, &mut |output| fresh.push(output)),
        };
        let Some(at) = at else { return };
        self.calls.push((at, input));
        assert!(fresh.len() <= <StrategyMachine as machine::Machine>::OUTPUTS_MAX);
        for output in &fresh {
            if let Output::Intent { gateway, request } = output {
                assert_eq!(*gateway, 0);
                assert_eq!(OrderRequest::decode(&request.encode()).as_ref(), Ok(request));
                let header = request.header();
                assert!(header.cl_ord_id > self.last_id, "ids grow strictly");
                assert_eq!((header.cl_ord_id.term(), header.cl_ord_id.epoch(), header.account_id), (1, 2, 9));
                let delta = if header.receive_ns.0 == 0 { 0 } else { self.now.delta_from(header.receive_ns) };
                assert_eq!(header.strategy_delta_ns, delta);
                assert_eq!(header.receive_ns.0 == 0, header.cause_sequence == 0);
                self.last_id = header.cl_ord_id;
                self.requests.push_back(*request);
            }
        }
        self.outputs.extend(fresh);
    }

    /// Fires every timer that is due.
    pub fn timers(&mut self) {
        for _ in 0..1000 {
            if self.stepper.due(self.now).is_none() {
                return;
            }
            self.call(None);
        }
        panic!("a timer does not move forward");
    }

    pub fn advance(&mut self, ns: u64) {
        self.now = self.now.plus(ns);
        self.timers();
    }

    pub fn control(&mut self, kind: ControlKind) {
        self.call(Some(Input::Control(Control { kind: kind as u8, ..Control::default() })));
    }

    pub fn reference(&self, instrument: usize) -> Reference {
        Reference {
            instrument_id: InstrumentId(instrument as u32),
            validity: BookValidity::Trusted,
            trading_status: TradingStatus::Trading,
            bid: Price(self.bbo[instrument].0),
            ask: Price(self.bbo[instrument].1),
            receive_ns: self.now,
            channel_sequence: self.channel_sequence,
        }
    }

    pub fn references(&mut self) {
        for instrument in 0..SYMBOLS.len() {
            self.call(Some(Input::Reference(self.reference(instrument))));
        }
    }

    pub fn market_header(&mut self, kind: MarketDataKind, instrument: usize) -> MarketDataHeader {
        self.channel_sequence += 1;
        MarketDataHeader {
            kind: kind as u8,
            validity: BookValidity::Trusted as u8,
            trading_status: TradingStatus::Trading as u8,
            instrument_id: InstrumentId(instrument as u32),
            receive_ns: Nanos(self.now.0 - 1500),
            feed_delta_ns: 700,
            channel_sequence: self.channel_sequence,
            ..MarketDataHeader::default()
        }
    }

    /// Moves the best prices; one message for each side that moved, the one that is moved into first.
    pub fn quote(&mut self, instrument: usize, bid: i64, ask: i64) {
        let mut sides = [(Side::Buy, bid, self.bbo[instrument].0), (Side::Sell, ask, self.bbo[instrument].1)];
        if bid < self.bbo[instrument].0 {
            sides.reverse();
        }
        for (side, price, before) in sides {
            if price != before {
                let mut header = self.market_header(MarketDataKind::TopOfBook, instrument);
                header.side = side as u8;
                let top = TopOfBook { header, price: Price(price), qty: Qty(100 * ONE) };
                self.call(Some(Input::MarketData(MarketData::TopOfBook(top))));
            }
        }
        self.bbo[instrument] = (bid, ask);
    }

    pub fn status(&mut self, instrument: usize, validity: BookValidity, trading_status: TradingStatus) {
        let mut header = self.market_header(MarketDataKind::BookStatus, instrument);
        header.validity = validity as u8;
        header.trading_status = trading_status as u8;
        self.call(Some(Input::MarketData(MarketData::BookStatus(StatusChange { header, reserved: [0; 2] }))));
    }

    fn stamps(&mut self, reason: RejectReason) -> Stamps {
        self.journal_sequence += 1;
        Stamps { journal_sequence: self.journal_sequence, receive_ns: self.now, gateway_delta_ns: 0, reason }
    }

    /// The gateway takes the next request; `refuse`: as risk would.
    pub fn gateway(&mut self, refuse: bool) {
        let Some(request) = self.requests.pop_front() else { return };
        let id = request.header().cl_ord_id;
        let index = self.by_id.get(&request.orig_cl_ord_id()).copied();
        let event = match request {
            OrderRequest::NewOrderSingle(_) if refuse => None,
            OrderRequest::NewOrderSingle(new) => {
                let order = Order::new(&new);
                let stamps = self.stamps(RejectReason::None);
                self.executions.extend(order.execution(&order.pending_new(), &stamps));
                self.by_id.insert(id, self.orders.len());
                self.wire.push_back((self.orders.len(), request));
                self.orders.push(AtVenue { order, leaves: 0, cum: 0, price: new.price.0 });
                return;
            }
            OrderRequest::OrderCancelRequest(_) => Some(Event::CancelRequested { cl_ord_id: id }),
            OrderRequest::OrderCancelReplaceRequest(m) => {
                Some(Event::ReplaceRequested { cl_ord_id: id, order_qty: m.order_qty, price: m.price })
            }
        };
        if let (Some(index), Some(event)) = (index, event)
            && self.event(index, &event)
        {
            self.by_id.insert(id, index);
            self.wire.push_back((index, request));
            return;
        }
        let stamps = self.stamps(RejectReason::Throttle);
        self.executions.push_back(report::refusal(&request, index.map(|i| &self.orders[i].order), &stamps));
    }

    fn event(&mut self, index: usize, event: &Event) -> bool {
        let Ok(outcome) = self.orders[index].order.apply(event) else { return false };
        let stamps = self.stamps(RejectReason::None);
        match self.orders[index].order.execution(&outcome, &stamps) {
            Some(execution) => self.executions.push_back(execution),
            None => self.journal_sequence -= 1,
        }
        true
    }

    /// The venue takes the next request.
    pub fn venue(&mut self, refuse: bool) {
        let Some((index, request)) = self.wire.pop_front() else { return };
        let held = &mut self.orders[index];
        let dead = held.leaves == 0;
        let event = match request {
            OrderRequest::NewOrderSingle(_) if refuse => Event::Rejected,
            OrderRequest::NewOrderSingle(new) => {
                held.leaves = new.order_qty.0;
                Event::Accepted { order_qty: new.order_qty, price: new.price, dead: false }
            }
            OrderRequest::OrderCancelRequest(_) if dead || refuse => {
                Event::CancelRejected(OrderKind::OrderCancelRequest)
            }
            OrderRequest::OrderCancelRequest(_) => Event::Canceled { decrement: Qty(std::mem::take(&mut held.leaves)) },
            OrderRequest::OrderCancelReplaceRequest(_) if dead || refuse => {
                Event::CancelRejected(OrderKind::OrderCancelReplaceRequest)
            }
            OrderRequest::OrderCancelReplaceRequest(replace) => {
                held.leaves = (replace.order_qty.0 - held.cum).max(0);
                held.price = replace.price.0;
                Event::Replaced { leaves_qty: Qty(held.leaves), price: replace.price, dead: false }
            }
        };
        self.replies.push_back((index, event));
    }

    pub fn fill(&mut self, index: usize, qty: i64) {
        let held = &mut self.orders[index];
        let qty = qty.min(held.leaves);
        if qty > 0 {
            held.leaves -= qty;
            held.cum += qty;
            let px = Price(held.price);
            self.replies.push_back((index, Event::Executed { qty: Qty(qty), px }));
        }
    }

    /// Executes every order that the present prices reach.
    pub fn match_orders(&mut self) {
        for index in 0..self.orders.len() {
            let held = self.orders[index];
            let (bid, ask) = self.bbo[held.order.instrument_id.index()];
            let reached = match held.order.side {
                Side::Buy => held.price >= ask,
                Side::Sell => held.price <= bid,
            };
            if reached {
                self.fill(index, held.leaves);
            }
        }
    }

    pub fn report(&mut self) {
        if let Some((index, event)) = self.replies.pop_front() {
            assert!(self.event(index, &event), "{event:?} of {:?}", self.orders[index]);
        }
    }

    pub fn deliver(&mut self) {
        if let Some(execution) = self.executions.pop_front() {
            self.call(Some(Input::Execution(execution)));
        }
    }

    /// Lets everything in flight arrive.
    pub fn settle(&mut self) {
        for _ in 0..6 {
            (0..self.requests.len()).for_each(|_| self.gateway(false));
            (0..self.wire.len()).for_each(|_| self.venue(false));
            (0..self.replies.len()).for_each(|_| self.report());
            (0..self.executions.len()).for_each(|_| self.deliver());
        }
    }

    /// Position at the venue.
    pub fn position(&self, instrument: usize) -> i64 {
        let mine = |held: &&AtVenue| held.order.instrument_id.index() == instrument;
        self.orders.iter().filter(mine).map(|held| held.cum * held.order.side.sign()).sum()
    }

    /// No interleaving of what is live can carry a position past its limit, and one order is live per instrument.
    pub fn assert_within_limits(&self, position_max: i64) {
        for instrument in 0..SYMBOLS.len() {
            let live = |held: &&AtVenue| held.leaves > 0 && held.order.instrument_id.index() == instrument;
            let mut worst = [self.position(instrument); 2];
            let mut count = 0;
            for held in self.orders.iter().filter(live) {
                count += 1;
                worst[usize::from(held.order.side == Side::Sell)] += held.leaves * held.order.side.sign();
            }
            assert!(count <= 1, "instrument {instrument} has {count} live orders");
            assert!(worst[0] <= position_max && worst[1] >= -position_max, "instrument {instrument}: {worst:?}");
        }
    }

    pub fn sent(&self, kind: OrderKind) -> usize {
        let of =
            |output: &&Output| matches!(output, Output::Intent { request, .. } if request.header().kind == kind as u8);
        self.outputs.iter().filter(of).count()
    }
}
