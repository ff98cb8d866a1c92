//! The fold over the `execution` stream of one gateway that strategy, risk, rebuild and tools share.
//!
//! A report carries the state that it leads to; the fold takes that state and refuses a report that does not follow from
//! the one before ([`FoldError::Inconsistent`]): its owner then treats its state as void and rebuilds it. One
//! `OrdersState` follows one gateway, because journal sequences are a gateway's own.

use crate::hash;
use crate::order::{LiveState, Order, PendingCancel, PendingReplace};
use crate::position::Position;
use crate::report::order_key;
use crate::table::{Insert, OrderTable, Row};
use shm_layout::message::execution::{Execution, ExecutionReport};
use shm_layout::message::order::OrderKind;
use shm_layout::types::{ClOrdId, ExecType, InstrumentId, OrdStatus, Price, Qty};

/// An order as the fold shows it: the gateway's own type.
pub type OrderView = Order;

/// What a message came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Applied {
    /// Already contained: its journal sequence is not greater than the last. Ignored.
    Old,
    /// About another strategy's order. Only the sequence was taken.
    Filtered,
    /// An ExecutionReport was applied.
    Report {
        /// The order's id now.
        cl_ord_id: ClOrdId,
        /// What happened.
        exec_type: ExecType,
        /// The order has ended.
        terminal: bool,
    },
    /// An OrderCancelReject was applied.
    CancelReject {
        /// The order that lives on.
        cl_ord_id: ClOrdId,
    },
    /// Compare [`OrdersState::hash`] here.
    Checkpoint {
        /// Sequence of the checkpoint's record.
        journal_sequence: u64,
        /// The gateway's hash there, of all strategies.
        state_hash: u64,
    },
}

/// Why a message was not applied.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FoldError {
    /// More live orders than the fold was built for.
    #[error("more live orders than capacity")]
    Orders,
    /// An instrument or strategy beyond what the fold was built for.
    #[error("strategy {strategy}, instrument {instrument} beyond capacity")]
    Position {
        /// Strategy of the report.
        strategy: u16,
        /// Instrument of the report.
        instrument: u32,
    },
    /// The message does not follow from the state: part of the stream was lost.
    #[error("journal sequence {journal_sequence}: {what}")]
    Inconsistent {
        /// Sequence of the message.
        journal_sequence: u64,
        /// What does not follow.
        what: &'static str,
    },
}

/// How many messages of each kind were applied (after the filter).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// ExecutionReports.
    pub reports: u64,
    /// OrderCancelRejects.
    pub cancel_rejects: u64,
    /// Executions.
    pub trades: u64,
    /// Broken executions.
    pub trade_cancels: u64,
}

/// Orders and positions of one gateway, of all strategies or of one.
#[derive(Clone, Debug)]
pub struct OrdersState {
    pub(crate) table: OrderTable,
    pub(crate) positions: Box<[Position]>,
    pub(crate) instruments: usize,
    /// The only strategy folded, `None` = all below `strategies`.
    pub(crate) strategy: Option<u16>,
    pub(crate) strategies: usize,
    pub(crate) through_journal_sequence: u64,
    pub(crate) counts: Counts,
    /// Sum of the hashes of live orders and of positions.
    pub(crate) sum: u64,
    /// Hash of each row's order, as contained in `sum`.
    pub(crate) row_hash: Box<[u64]>,
    /// The same of each position.
    pub(crate) position_hash: Box<[u64]>,
}

impl OrdersState {
    /// A fold of every strategy below `strategies` and every instrument below `instruments`; allocates
    /// `instruments × strategies` positions.
    ///
    /// # Panics
    /// When `orders` is zero or over 2²⁴.
    #[must_use]
    pub fn with_capacity(orders: usize, instruments: usize, strategies: usize) -> Self {
        Self {
            table: OrderTable::with_capacity(orders),
            positions: vec![Position::default(); instruments * strategies].into(),
            instruments,
            strategy: None,
            strategies,
            through_journal_sequence: 0,
            counts: Counts::default(),
            sum: 0,
            row_hash: vec![0; orders].into(),
            position_hash: vec![0; instruments * strategies].into(),
        }
    }

    /// A fold of one strategy's orders (or of all, with `None` and one row of positions for each of 1,024 strategies).
    ///
    /// # Panics
    /// As [`OrdersState::with_capacity`].
    #[must_use]
    pub fn for_strategy(strategy: Option<u16>, orders: usize, instruments: usize) -> Self {
        let strategies = if strategy.is_some() { 1 } else { usize::from(ClOrdId::STRATEGY_MAX) + 1 };
        Self { strategy, ..Self::with_capacity(orders, instruments, strategies) }
    }

    /// Applies the next message; a message that is already contained is ignored.
    ///
    /// # Errors
    /// [`FoldError`]: nothing was changed, and the state no longer follows the stream.
    pub fn apply(&mut self, message: &Execution) -> Result<Applied, FoldError> {
        let journal_sequence = message.journal_sequence();
        if journal_sequence <= self.through_journal_sequence {
            return Ok(Applied::Old);
        }
        let applied = match message {
            Execution::Report(report) | Execution::CancelReject(report) if !self.takes(report.strategy_id) => {
                Applied::Filtered
            }
            Execution::Report(report) => self.report(report)?,
            Execution::CancelReject(report) => self.cancel_reject(report)?,
            Execution::Checkpoint(c) => {
                Applied::Checkpoint { journal_sequence: c.journal_sequence, state_hash: c.state_hash }
            }
        };
        self.through_journal_sequence = journal_sequence;
        Ok(applied)
    }

    /// Sets the position that a strategy carries into the day; only before its first execution.
    ///
    /// # Errors
    /// [`FoldError`] when it is beyond capacity or already moved.
    pub fn start_of_day(
        &mut self,
        strategy: u16,
        instrument: InstrumentId,
        qty: Qty,
        px: Price,
    ) -> Result<(), FoldError> {
        if !self.takes(strategy) {
            return Ok(());
        }
        let index = self.position_index(strategy, instrument)?;
        if self.positions[index].fills != 0 {
            let journal_sequence = self.through_journal_sequence;
            return Err(FoldError::Inconsistent { journal_sequence, what: "start-of-day position after an execution" });
        }
        self.set_position(strategy, instrument, index, Position::start_of_day(qty, px));
        Ok(())
    }

    /// The order that an id names: its own, its previous, or that of a request in flight.
    #[must_use]
    pub fn order(&self, id: ClOrdId) -> Option<&OrderView> {
        self.table.get(id)
    }

    /// Live orders, oldest first.
    pub fn live_orders(&self) -> impl Iterator<Item = &OrderView> {
        self.table.live().map(|(_, order)| order)
    }

    /// The table below, to read: rows index arrays beside it.
    #[must_use]
    pub const fn table(&self) -> &OrderTable {
        &self.table
    }

    /// A position; of a strategy or instrument that is not folded, the empty one.
    #[must_use]
    pub fn position(&self, strategy: u16, instrument: InstrumentId) -> Position {
        match self.position_index(strategy, instrument) {
            Ok(index) => self.positions[index],
            Err(_) => Position::default(),
        }
    }

    /// Positions that ever moved: (strategy, instrument, position).
    pub fn positions(&self) -> impl Iterator<Item = (u16, InstrumentId, &Position)> {
        self.positions.iter().enumerate().filter(|(_, p)| **p != Position::default()).map(|(index, position)| {
            let strategy = self.strategy.unwrap_or((index / self.instruments) as u16);
            (strategy, InstrumentId((index % self.instruments) as u32), position)
        })
    }

    /// Sequence of the last message taken.
    #[must_use]
    pub const fn through_journal_sequence(&self) -> u64 {
        self.through_journal_sequence
    }

    /// Messages applied, by kind.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// The only strategy folded, `None` = all.
    #[must_use]
    pub const fn strategy(&self) -> Option<u16> {
        self.strategy
    }

    /// Canonical hash of live orders, positions and counts; independent of how the state came about. Two folds with the
    /// same filter, through the same sequence, are equal in it.
    #[must_use]
    pub fn hash(&self) -> u64 {
        let Counts { reports, cancel_rejects, trades, trade_cancels } = self.counts;
        hash::words(3, &[self.sum, self.table.live_count() as u64, reports, cancel_rejects, trades, trade_cancels])
    }

    fn takes(&self, strategy: u16) -> bool {
        self.strategy.is_none_or(|only| only == strategy)
    }

    pub(crate) fn position_index(&self, strategy: u16, instrument: InstrumentId) -> Result<usize, FoldError> {
        let row = match self.strategy {
            None => usize::from(strategy),
            Some(only) if only == strategy => 0,
            Some(_) => usize::MAX,
        };
        if row >= self.strategies || instrument.index() >= self.instruments {
            return Err(FoldError::Position { strategy, instrument: instrument.0 });
        }
        Ok(row * self.instruments + instrument.index())
    }

    pub(crate) fn set_position(&mut self, strategy: u16, instrument: InstrumentId, index: usize, next: Position) {
        let new = hash::position(strategy, instrument.0, &next);
        let old = std::mem::replace(&mut self.position_hash[index], new);
        self.sum = self.sum.wrapping_sub(old).wrapping_add(new);
        self.positions[index] = next;
    }

    fn report(&mut self, report: &ExecutionReport) -> Result<Applied, FoldError> {
        let inconsistent = |what| FoldError::Inconsistent { journal_sequence: report.journal_sequence, what };
        let exec_type = report.exec_type().ok_or(inconsistent("not an execution report"))?;
        let trade = matches!(exec_type, ExecType::Trade | ExecType::TradeCancel);
        let mut position = None;
        if trade {
            if report.last_qty.0 <= 0 || report.last_px.0 <= 0 {
                return Err(inconsistent("execution without a quantity or price"));
            }
            let index = self.position_index(report.strategy_id, report.instrument_id)?;
            let mut next = self.positions[index];
            next.trade(report.side(), report.last_qty, report.last_px, exec_type == ExecType::TradeCancel)
                .map_err(|_| inconsistent("position does not fit"))?;
            position = Some((index, next));
        }
        let row = self.table.find(order_key(report));
        let terminal = report.ord_status().is_terminal();
        match row {
            Some(row) => {
                self.table.change(row, |order| fold(order, report, exec_type)).map_err(inconsistent)?;
                self.rehash(row);
            }
            None if terminal => {}
            None => self.insert(first_heard(report, exec_type).map_err(inconsistent)?, report)?,
        }
        if let Some((index, next)) = position {
            self.set_position(report.strategy_id, report.instrument_id, index, next);
        }
        self.counts.reports += 1;
        self.counts.trades += u64::from(exec_type == ExecType::Trade);
        self.counts.trade_cancels += u64::from(exec_type == ExecType::TradeCancel);
        let request = matches!(exec_type, ExecType::PendingCancel | ExecType::PendingReplace);
        let cl_ord_id = if request { report.orig_cl_ord_id } else { report.cl_ord_id };
        Ok(Applied::Report { cl_ord_id, exec_type, terminal })
    }

    fn cancel_reject(&mut self, report: &ExecutionReport) -> Result<Applied, FoldError> {
        let inconsistent = |what| FoldError::Inconsistent { journal_sequence: report.journal_sequence, what };
        if let Some(row) = self.table.find(report.orig_cl_ord_id) {
            self.table.change(row, |order| refuse(order, report)).map_err(inconsistent)?;
            self.rehash(row);
        }
        self.counts.cancel_rejects += 1;
        Ok(Applied::CancelReject { cl_ord_id: report.orig_cl_ord_id })
    }

    fn insert(&mut self, order: Order, report: &ExecutionReport) -> Result<(), FoldError> {
        let row = self.table.insert(order).map_err(|error| match error {
            Insert::Full => FoldError::Orders,
            Insert::Duplicate => {
                FoldError::Inconsistent { journal_sequence: report.journal_sequence, what: "ClOrdID already in use" }
            }
        })?;
        self.rehash(row);
        Ok(())
    }

    pub(crate) fn rehash(&mut self, row: Row) {
        let new = hash::order(self.table.order(row));
        let old = std::mem::replace(&mut self.row_hash[row.index()], new);
        self.sum = self.sum.wrapping_sub(old).wrapping_add(new);
    }
}

/// An order first heard of by a report that is not terminal: new, adopted, or executed before its acceptance.
fn first_heard(report: &ExecutionReport, exec_type: ExecType) -> Result<Order, &'static str> {
    let mut order = Order::from_report(report, report.side());
    if !matches!(exec_type, ExecType::PendingNew | ExecType::OrderStatus) {
        return Err("order was never pending");
    }
    if report.ord_status() == OrdStatus::Unknown {
        order.state = LiveState::Unknown;
    }
    agrees(&order, report)?;
    Ok(order)
}

/// Makes of an order what a report leads to; on an error what is left of it is not one.
fn fold(next: &mut Order, report: &ExecutionReport, exec_type: ExecType) -> Result<(), &'static str> {
    let sign = match exec_type {
        ExecType::Trade => 1,
        ExecType::TradeCancel => -1,
        _ => 0,
    };
    let cum_qty = report.last_qty.0.checked_mul(sign).and_then(|qty| next.cum_qty.0.checked_add(qty));
    if cum_qty != Some(report.cum_qty.0) {
        return Err("executed quantity does not follow");
    }
    let notional = next.notional_after(report.last_qty, report.last_px, i128::from(sign));
    next.cum_notional = notional.ok_or("executed notional over 128 bits")?;
    next.cum_qty = report.cum_qty;
    next.leaves_qty = report.leaves_qty;
    next.price = report.price;
    next.accepted |= matches!(exec_type, ExecType::New | ExecType::Replaced | ExecType::Restated);
    match exec_type {
        ExecType::PendingCancel => {
            next.cancel = Some(PendingCancel { cl_ord_id: report.cl_ord_id, sent: false });
        }
        ExecType::PendingReplace => {
            let (order_qty, price) = (report.last_qty, report.last_px);
            next.replace = Some(PendingReplace { cl_ord_id: report.cl_ord_id, order_qty, price, sent: false });
        }
        ExecType::Replaced => {
            if next.replace.is_none_or(|replace| replace.cl_ord_id != report.cl_ord_id) {
                return Err("replaced under an id that was not in flight");
            }
            next.replace = None;
            next.orig_cl_ord_id = next.cl_ord_id;
            next.cl_ord_id = report.cl_ord_id;
        }
        _ => {}
    }
    settle(next, report, exec_type)?;
    agrees(next, report)
}

/// Takes a refused request off an order.
fn refuse(next: &mut Order, report: &ExecutionReport) -> Result<(), &'static str> {
    match OrderKind::from_u8(report.exec_type) {
        Some(OrderKind::OrderCancelRequest) => {
            next.cancel = next.cancel.filter(|cancel| cancel.cl_ord_id != report.cl_ord_id);
        }
        Some(OrderKind::OrderCancelReplaceRequest) => {
            next.replace = next.replace.filter(|replace| replace.cl_ord_id != report.cl_ord_id);
        }
        _ => return Err("reject of neither a cancel nor a replace"),
    }
    agrees(next, report)
}

/// Sets live state and total quantity as the report states them.
fn settle(next: &mut Order, report: &ExecutionReport, exec_type: ExecType) -> Result<(), &'static str> {
    let ended = match report.ord_status() {
        OrdStatus::Filled => Some(LiveState::Filled),
        OrdStatus::Canceled => Some(LiveState::Canceled),
        OrdStatus::Rejected => Some(LiveState::Rejected),
        OrdStatus::Expired => Some(LiveState::Expired),
        _ => None,
    };
    if let Some(state) = ended {
        next.state = state;
        next.cancel = None;
        next.replace = None;
        if state == LiveState::Filled {
            next.order_qty = next.cum_qty;
        }
        return if next.leaves_qty == Qty::ZERO { Ok(()) } else { Err("ended with something left") };
    }
    next.order_qty = next.cum_qty.checked_add(next.leaves_qty).ok_or("quantity over 64 bits")?;
    match exec_type {
        ExecType::PendingNew | ExecType::PendingCancel | ExecType::PendingReplace => {}
        ExecType::OrderStatus if report.ord_status() == OrdStatus::Unknown => next.state = LiveState::Unknown,
        ExecType::OrderStatus => {}
        _ => next.state = LiveState::Working,
    }
    Ok(())
}

/// The fold and the report must say the same.
fn agrees(order: &Order, report: &ExecutionReport) -> Result<(), &'static str> {
    if order.ord_status() != report.ord_status() {
        return Err("status does not follow");
    }
    if order.cum_qty != report.cum_qty || order.leaves_qty != report.leaves_qty || order.price != report.price {
        return Err("quantities or price do not follow");
    }
    if order.cum_qty.0 < 0 || order.leaves_qty.0 < 0 || (!order.is_terminal() && order.leaves_qty.0 == 0) {
        return Err("quantities are impossible");
    }
    if order.side as u8 != report.side || order.instrument_id != report.instrument_id {
        return Err("side or instrument changed");
    }
    Ok(())
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
