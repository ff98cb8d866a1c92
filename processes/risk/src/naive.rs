//! A risk engine that anyone can read: every order in a list, every sum taken anew for every question. The machine agrees
//! with it on every verdict, reason and exposure; it shares no arithmetic with it, only the configured limits.
//!
//! It is for tests: it allocates, and it is slow.

use crate::config::{Instrument, LimitRow};
use shm_layout::message::execution::{Execution, ExecutionReport};
use shm_layout::message::order::OrderRequest;
use shm_layout::message::step::Reference;
use shm_layout::types::{BookValidity, ClOrdId, ExecType, Nanos, OrdType, Price, RejectReason, Side, TradingStatus};
use std::collections::BTreeMap;

/// One order that the venue may hold.
#[derive(Clone, Debug)]
pub struct NaiveOrder {
    strategy: u16,
    instrument: u32,
    side: Side,
    leaves: i128,
    cum: i128,
    replace: Option<(ClOrdId, i128)>,
}

impl NaiveOrder {
    fn reserved(&self) -> i128 {
        let new = self.replace.map_or(0, |(_, total)| total - self.cum);
        self.leaves.max(new).max(0)
    }
}

/// A leaky bucket: it fills by one interval a message and leaks a nanosecond a nanosecond.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    level: i128,
    at: u64,
}

/// The naive engine.
#[derive(Clone, Debug)]
pub struct Naive {
    instruments: Vec<Instrument>,
    /// The row that governs each (strategy, instrument).
    limits: BTreeMap<(u16, u32), LimitRow>,
    restricted: Vec<(u16, u32)>,
    stale_ns: u64,
    orders_max: usize,
    /// Every order that may be live.
    pub orders: BTreeMap<ClOrdId, NaiveOrder>,
    positions: BTreeMap<(u16, u32), i128>,
    references: BTreeMap<u32, Reference>,
    buckets: BTreeMap<u16, Bucket>,
    fences: BTreeMap<u16, u64>,
    disarmed: BTreeMap<u16, bool>,
    /// The kill word.
    pub killed: bool,
}

fn units(text: &str) -> i128 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}{fraction:0<8}").parse().expect("a decimal")
}

impl Naive {
    /// An engine with `limits` for its (strategy, instrument) pairs, and the pairs that are restricted.
    #[must_use]
    pub fn new(
        instruments: Vec<Instrument>,
        limits: BTreeMap<(u16, u32), LimitRow>,
        restricted: Vec<(u16, u32)>,
        stale_ns: u64,
        orders_max: usize,
    ) -> Self {
        Self {
            instruments,
            limits,
            restricted,
            stale_ns,
            orders_max,
            orders: BTreeMap::new(),
            positions: BTreeMap::new(),
            references: BTreeMap::new(),
            buckets: BTreeMap::new(),
            fences: BTreeMap::new(),
            disarmed: BTreeMap::new(),
            killed: false,
        }
    }

    /// Position, in 1e-8 units.
    #[must_use]
    pub fn position(&self, strategy: u16, instrument: u32) -> i128 {
        self.positions.get(&(strategy, instrument)).copied().unwrap_or(0)
    }

    /// Reserved quantity of a side, from scratch.
    #[must_use]
    pub fn open(&self, strategy: u16, instrument: u32, side: Side) -> i128 {
        let of = |order: &&NaiveOrder| (order.strategy, order.instrument, order.side) == (strategy, instrument, side);
        self.orders.values().filter(of).map(NaiveOrder::reserved).sum()
    }

    /// Worst-case position of a side.
    #[must_use]
    pub fn worst_case(&self, strategy: u16, instrument: u32, side: Side) -> i128 {
        match side {
            Side::Buy => self.position(strategy, instrument) + self.open(strategy, instrument, side),
            Side::Sell => self.position(strategy, instrument) - self.open(strategy, instrument, side),
        }
    }

    /// Intents of a strategy up to this sequence are stale.
    pub fn fence(&mut self, strategy: u16, sequence: u64) {
        self.fences.insert(strategy, sequence);
    }

    /// Arms or disarms a strategy.
    pub fn disarm(&mut self, strategy: u16, disarmed: bool) {
        self.disarmed.insert(strategy, disarmed);
    }

    /// A reference was read.
    pub fn reference(&mut self, reference: Reference) {
        self.references.insert(reference.instrument_id.0, reference);
    }

    /// The verdict on a request, and what it does if it passes. The first reason in the table's order is told.
    pub fn judge(&mut self, now: Nanos, strategy: u16, sequence: u64, request: &OrderRequest) -> RejectReason {
        let header = request.header();
        let (side, instrument) = (header.side(), header.instrument_id.0);
        let (price, qty) = match request {
            OrderRequest::NewOrderSingle(order) => (order.price, order.order_qty.0),
            OrderRequest::OrderCancelReplaceRequest(replace) => (replace.price, replace.order_qty.0),
            OrderRequest::OrderCancelRequest(cancel) => {
                if cancel.orig_cl_ord_id.strategy() != strategy {
                    return RejectReason::UnknownOrder;
                }
                self.take_token(now, strategy);
                return RejectReason::None;
            }
        };
        let mut reasons = self.market_reasons(now, strategy, instrument, price, i128::from(qty));
        let mut must = |holds: bool, reason| {
            if !holds {
                reasons.push(reason);
            }
        };
        must(!self.killed, RejectReason::Killed);
        must(!self.disarmed.get(&strategy).copied().unwrap_or(false), RejectReason::NotPermitted);
        must(self.has_token(now, strategy), RejectReason::Throttle);
        must(sequence > self.fences.get(&strategy).copied().unwrap_or(0), RejectReason::StaleIntent);
        must(header.ord_type == OrdType::Limit as u8, RejectReason::Malformed);
        let replaced = request.orig_cl_ord_id();
        let old = self.orders.get(&replaced).filter(|o| (o.strategy, o.instrument) == (strategy, instrument));
        let added = if let OrderRequest::NewOrderSingle(_) = request {
            must(self.orders.len() < self.orders_max, RejectReason::Capacity);
            i128::from(qty)
        } else {
            must(old.is_some(), RejectReason::UnknownOrder);
            must(old.is_none_or(|order| order.replace.is_none()), RejectReason::RequestInFlight);
            must(old.is_none_or(|order| order.side == side), RejectReason::Malformed);
            old.map_or(0, |order| (i128::from(qty) - order.cum - order.reserved()).max(0))
        };
        if let Some(row) = self.limits.get(&(strategy, instrument)) {
            let worst = self.worst_case(strategy, instrument, side);
            let after = if side == Side::Buy { worst + added.max(0) } else { -worst + added.max(0) };
            must(after <= units(&row.position_max), RejectReason::PositionLimit);
        }
        if let Some(reason) = reasons.into_iter().min() {
            return reason;
        }
        self.take_token(now, strategy);
        if let OrderRequest::NewOrderSingle(_) = request {
            let leaves = i128::from(qty);
            let order = NaiveOrder { strategy, instrument, side, leaves, cum: 0, replace: None };
            self.orders.insert(header.cl_ord_id, order);
        } else if let Some(order) = self.orders.get_mut(&replaced) {
            order.replace = Some((header.cl_ord_id, i128::from(qty)));
        }
        RejectReason::None
    }

    fn market_reasons(&self, now: Nanos, strategy: u16, instrument: u32, price: Price, qty: i128) -> Vec<RejectReason> {
        let Some(row) = self.limits.get(&(strategy, instrument)) else {
            return vec![RejectReason::LimitMissing];
        };
        let mut reasons = Vec::new();
        let mut must = |holds: bool, reason| {
            if !holds {
                reasons.push(reason);
            }
        };
        let terms = &self.instruments[instrument as usize];
        let price = i128::from(price.0);
        must(!self.restricted.contains(&(strategy, instrument)), RejectReason::NotPermitted);
        match self.references.get(&instrument) {
            None => must(false, RejectReason::MarketState),
            Some(reference) => {
                must(reference.trading_status == TradingStatus::Trading, RejectReason::MarketState);
                let fresh = now.0 <= reference.receive_ns.0 + self.stale_ns;
                must(fresh && reference.validity == BookValidity::Trusted, RejectReason::StaleMarketData);
                let (bid, ask) = (i128::from(reference.bid.0), i128::from(reference.ask.0));
                let present = bid > 0 && ask > bid;
                must(present, RejectReason::ReferenceMissing);
                let mid = (bid + ask) / 2;
                // |price − mid| ≤ mid × pct / 100, without a division.
                let inside = (price - mid).abs() * 100 * 100_000_000 <= mid * units(&row.price_collar_pct);
                must(present && inside, RejectReason::PriceCollar);
            }
        }
        let domain = price > 0 && price % i128::from(terms.tick_size.0) == 0 && price <= i128::from(terms.price_max.0);
        must(domain, RejectReason::TickSize);
        must(qty > 0 && qty % i128::from(terms.lot_size.0) == 0, RejectReason::LotSize);
        let qty_max = units(&row.order_qty_max).min(i128::from(terms.order_qty_max.0));
        must(qty <= qty_max, RejectReason::OrderQty);
        must(price * qty <= units(&row.order_notional_max) * 100_000_000, RejectReason::OrderNotional);
        reasons
    }

    fn throttle_row(&self, strategy: u16) -> Option<&LimitRow> {
        self.limits.iter().find(|((owner, _), _)| *owner == strategy).map(|(_, row)| row)
    }

    fn bucket(&self, now: Nanos, strategy: u16) -> Bucket {
        let bucket = self.buckets.get(&strategy).copied().unwrap_or_default();
        Bucket { level: (bucket.level - i128::from(now.0 - bucket.at.min(now.0))).max(0), at: now.0 }
    }

    fn interval(row: &LimitRow) -> i128 {
        (1_000_000_000 + i128::from(row.messages_per_second) - 1) / i128::from(row.messages_per_second)
    }

    fn has_token(&self, now: Nanos, strategy: u16) -> bool {
        let Some(row) = self.throttle_row(strategy) else { return true };
        let for_orders = i128::from(row.burst - row.cancel_reserve.unwrap_or(row.burst / 4));
        self.bucket(now, strategy).level + Self::interval(row) <= for_orders * Self::interval(row)
    }

    fn take_token(&mut self, now: Nanos, strategy: u16) {
        let mut bucket = self.bucket(now, strategy);
        if let Some(row) = self.throttle_row(strategy) {
            let interval = Self::interval(row);
            bucket.level = (bucket.level + interval).min(interval * i128::from(row.burst));
        }
        self.buckets.insert(strategy, bucket);
    }

    /// Something happened at the venue or on the way to it.
    pub fn execution(&mut self, execution: &Execution) {
        match execution {
            Execution::Report(report) => self.report(report),
            Execution::CancelReject(reject) => {
                if let Some(order) = self.orders.get_mut(&reject.orig_cl_ord_id) {
                    order.replace = order.replace.filter(|(id, _)| *id != reject.cl_ord_id);
                }
            }
            Execution::Checkpoint(_) => {}
        }
    }

    fn report(&mut self, report: &ExecutionReport) {
        let Some(exec_type) = report.exec_type() else { return };
        let (strategy, instrument, side) = (report.strategy_id, report.instrument_id.0, report.side());
        let qty = i128::from(report.last_qty.0) * i128::from(side.sign());
        let position = self.positions.entry((strategy, instrument)).or_default();
        match exec_type {
            ExecType::Trade => *position += qty,
            ExecType::TradeCancel => *position -= qty,
            _ => {}
        }
        let request = report.orig_cl_ord_id != ClOrdId::NONE;
        let id = if request { report.orig_cl_ord_id } else { report.cl_ord_id };
        if report.ord_status().is_terminal() {
            self.orders.remove(&id);
            return;
        }
        let (leaves, cum) = (i128::from(report.leaves_qty.0), i128::from(report.cum_qty.0));
        let fresh = NaiveOrder { strategy, instrument, side, leaves, cum, replace: None };
        match exec_type {
            ExecType::Replaced => {
                self.orders.remove(&id);
                self.orders.insert(report.cl_ord_id, fresh);
            }
            // Asked for, or in doubt: whatever was reserved stays reserved.
            ExecType::PendingNew | ExecType::PendingCancel | ExecType::OrderStatus => {
                self.orders.entry(id).or_insert(fresh);
            }
            ExecType::PendingReplace => {
                let order = self.orders.entry(id).or_insert(fresh);
                order.replace = Some((report.cl_ord_id, i128::from(report.last_qty.0)));
            }
            _ => {
                let order = self.orders.entry(id).or_insert(fresh);
                order.leaves = leaves;
                order.cum = cum;
            }
        }
    }
}
