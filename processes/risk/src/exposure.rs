//! Control 5's book-keeping: positions and open orders per (strategy, instrument), and the reservation of every order.
//!
//! ```text
//! approve(new)        open += order_qty                             before the order is forwarded
//! approve(replace)    open += max(old, new) - old                   until Replaced or a cancel reject
//! Trade               position ± last_qty, open -= what left        the worst case is unchanged
//! Canceled, Expired,  open -= what was reserved                     the venue's terminal evidence
//! Rejected
//! in doubt, pending   nothing is released                           no evidence
//! TradeCancel         position ∓ last_qty, open as reported         recomputed
//! ```
//!
//! It never releases on a timeout or on a request: only a report that the gateway journaled releases.

use crate::reservations::{Reservation, Reservations};
use shm_layout::message::execution::{Execution, ExecutionReport};
use shm_layout::message::order::{NewOrderSingle, OrderCancelReplaceRequest};
use shm_layout::types::{ClOrdId, ExecType, Qty, Side};

/// Exposure of one strategy in one instrument, in 1e-8 units; `i128`, so that no sum of 64-bit quantities overflows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Exposure {
    /// Executed: bought minus sold, from the start-of-day position.
    pub position: i128,
    /// Reserved for buy orders.
    pub open_buy: i128,
    /// Reserved for sell orders.
    pub open_sell: i128,
}

impl Exposure {
    /// Worst-case position on a side: all of its open orders executed, none of the other side's.
    #[must_use]
    pub const fn worst_case(&self, side: Side) -> i128 {
        negated_for_sell(side, self.worst_towards(side))
    }

    /// The same, counted so that more is worse on either side: long for buys, short for sells.
    #[inline]
    #[must_use]
    pub const fn worst_towards(&self, side: Side) -> i128 {
        let open = match side {
            Side::Buy => self.open_buy,
            Side::Sell => self.open_sell,
        };
        negated_for_sell(side, self.position) + open
    }

    const fn open_mut(&mut self, side: Side) -> &mut i128 {
        match side {
            Side::Buy => &mut self.open_buy,
            Side::Sell => &mut self.open_sell,
        }
    }
}

/// `value`, or its negative for sells, without a branch: nothing predicts an order's side. Sums of 64-bit quantities do not
/// reach the one value that has no negative.
#[inline]
#[must_use]
pub const fn negated_for_sell(side: Side, value: i128) -> i128 {
    let ones = -(matches!(side, Side::Sell) as i128);
    (value ^ ones).wrapping_sub(ones)
}

/// What a report did that has to be counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Oddity {
    /// A strategy or instrument that is none of ours: nothing could be booked.
    Unattributed,
    /// An order that risk did not approve was reserved (adopted, or reinstated by a broken trade).
    Adopted,
    /// An order that risk must reserve and has no room for: its quantity is added for good, so nothing is understated.
    NoRoom,
    /// A reject that is not about the order that carries its id.
    ForeignReject,
}

/// Exposures by row and reservations by ClOrdID.
#[derive(Debug)]
pub struct Exposures {
    rows: Box<[Exposure]>,
    reservations: Reservations,
    instruments: usize,
}

impl Exposures {
    /// Tables for `strategies` × `instruments`, with room for `orders_max` reservations.
    #[must_use]
    pub fn with_capacity(strategies: usize, instruments: usize, orders_max: usize) -> Self {
        Self {
            rows: vec![Exposure::default(); strategies * instruments].into_boxed_slice(),
            reservations: Reservations::with_capacity(orders_max),
            instruments,
        }
    }

    /// Row of a strategy and instrument; `None` when either is not in the tables.
    #[must_use]
    pub fn row(&self, strategy: usize, instrument: usize) -> Option<usize> {
        let row = strategy.checked_mul(self.instruments)?.checked_add(instrument)?;
        (instrument < self.instruments && row < self.rows.len()).then_some(row)
    }

    /// Exposure of a row.
    #[must_use]
    pub fn exposure(&self, row: usize) -> &Exposure {
        &self.rows[row]
    }

    /// Reservation of an order.
    #[must_use]
    pub fn reservation(&self, cl_ord_id: ClOrdId) -> Option<&Reservation> {
        self.reservations.get(cl_ord_id)
    }

    /// Every reservation, in no order that means anything.
    pub fn reservations(&self) -> impl Iterator<Item = &Reservation> {
        self.reservations.iter()
    }

    /// True when no further order can be reserved.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.reservations.is_full()
    }

    /// Adds a start-of-day or rebuilt position.
    pub fn add_position(&mut self, row: usize, qty: Qty) {
        self.rows[row].position += i128::from(qty.0);
    }

    /// Reserves a rebuilt or approved order; false when there is no room, and its quantity then stays added for good.
    #[inline]
    pub fn reserve(&mut self, reservation: Reservation) -> bool {
        *self.rows[reservation.row as usize].open_mut(reservation.side) += i128::from(reservation.reserved());
        self.reservations.insert(reservation)
    }

    /// Reserves an approved new order.
    ///
    /// # Panics
    /// When there is no room or the id is reserved already: the verdict looked first.
    #[inline]
    pub fn approve_new(&mut self, row: usize, order: &NewOrderSingle) {
        let fits = self.reserve(Reservation {
            cl_ord_id: order.header.cl_ord_id,
            row: row as u32,
            side: order.header.side(),
            leaves_qty: order.order_qty.0,
            cum_qty: 0,
            replace_cl_ord_id: ClOrdId::NONE,
            replace_order_qty: 0,
            risk_sequence: order.header.risk_sequence,
        });
        assert!(fits, "an order was approved without room to reserve it");
    }

    /// Reserves max(old, new) for an approved replace.
    ///
    /// # Panics
    /// When the order is not reserved: the verdict looked first.
    pub fn approve_replace(&mut self, replace: &OrderCancelReplaceRequest) {
        self.change(replace.orig_cl_ord_id, |reservation| {
            reservation.replace_cl_ord_id = replace.header.cl_ord_id;
            reservation.replace_order_qty = replace.order_qty.0;
        });
    }

    /// Changes a reservation and moves the difference into its row.
    fn change(&mut self, cl_ord_id: ClOrdId, change: impl FnOnce(&mut Reservation)) {
        let reservation = self.reservations.get_mut(cl_ord_id).expect("a reservation to change");
        let before = reservation.reserved();
        change(reservation);
        let delta = i128::from(reservation.reserved()) - i128::from(before);
        *self.rows[reservation.row as usize].open_mut(reservation.side) += delta;
    }

    fn release(&mut self, cl_ord_id: ClOrdId) {
        if let Some(reservation) = self.reservations.remove(cl_ord_id) {
            *self.rows[reservation.row as usize].open_mut(reservation.side) -= i128::from(reservation.reserved());
        }
    }

    /// Takes one message of `execution`, each exactly once (the caller compares journal sequences).
    pub fn apply(&mut self, execution: &Execution) -> Option<Oddity> {
        match execution {
            Execution::Report(report) => self.report(report),
            Execution::CancelReject(reject) => {
                self.cancel_reject(reject);
                None
            }
            Execution::Checkpoint(_) => None,
        }
    }

    /// The order lives on as it was: if the refused request is the replace in flight, its reservation ends.
    fn cancel_reject(&mut self, reject: &ExecutionReport) {
        let known = self.reservations.get(reject.orig_cl_ord_id);
        let in_flight = known.is_some_and(|order| order.replace_cl_ord_id == reject.cl_ord_id);
        if in_flight && reject.cl_ord_id != ClOrdId::NONE {
            self.change(reject.orig_cl_ord_id, |reservation| {
                reservation.replace_cl_ord_id = ClOrdId::NONE;
                reservation.replace_order_qty = 0;
            });
        }
    }

    fn report(&mut self, report: &ExecutionReport) -> Option<Oddity> {
        let exec_type = report.exec_type()?;
        let Some(row) = self.row(usize::from(report.strategy_id), report.instrument_id.index()) else {
            return Some(Oddity::Unattributed);
        };
        let executed = i128::from(report.side().sign()) * i128::from(report.last_qty.0);
        match exec_type {
            ExecType::Trade => self.rows[row].position += executed,
            ExecType::TradeCancel => self.rows[row].position -= executed,
            _ => {}
        }
        let key = order_key(report);
        let Some(known) = self.reservations.get(key).copied() else {
            return self.adopt(row, report);
        };
        if exec_type == ExecType::Rejected && is_foreign(&known, report) {
            return Some(Oddity::ForeignReject);
        }
        if report.ord_status().is_terminal() {
            self.release(key);
            return None;
        }
        if exec_type == ExecType::Replaced && report.cl_ord_id != key {
            return self.rename(&known, report);
        }
        let pending = exec_type == ExecType::PendingReplace;
        self.change(key, |reservation| {
            reservation.cum_qty = report.cum_qty.0;
            let leaves = report.leaves_qty.0.max(0);
            reservation.leaves_qty = if is_evidence(exec_type) { leaves } else { leaves.max(reservation.leaves_qty) };
            if pending {
                // FIX 38 of the request travels in last_qty; risk has it already, unless it was not risk that asked.
                reservation.replace_cl_ord_id = report.cl_ord_id;
                reservation.replace_order_qty = reservation.replace_order_qty.max(report.last_qty.0);
            }
        });
        None
    }

    /// The replace is confirmed: the order goes on under its new id with what the venue says is left.
    fn rename(&mut self, known: &Reservation, report: &ExecutionReport) -> Option<Oddity> {
        self.release(known.cl_ord_id);
        self.release(report.cl_ord_id);
        let fits = self.reserve(Reservation {
            cl_ord_id: report.cl_ord_id,
            leaves_qty: report.leaves_qty.0.max(0),
            cum_qty: report.cum_qty.0,
            replace_cl_ord_id: ClOrdId::NONE,
            replace_order_qty: 0,
            ..*known
        });
        if fits { None } else { Some(Oddity::NoRoom) }
    }

    /// An order that lives and that risk does not know is reserved at once.
    fn adopt(&mut self, row: usize, report: &ExecutionReport) -> Option<Oddity> {
        let lives = !report.ord_status().is_terminal() && report.leaves_qty.0 > 0;
        let replaced = report.exec_type() == Some(ExecType::Replaced);
        let cl_ord_id = if replaced { report.cl_ord_id } else { order_key(report) };
        if !lives || cl_ord_id == ClOrdId::NONE || self.reservations.get(cl_ord_id).is_some() {
            return None;
        }
        let fits = self.reserve(Reservation {
            cl_ord_id,
            row: row as u32,
            side: report.side(),
            leaves_qty: report.leaves_qty.0,
            cum_qty: report.cum_qty.0,
            replace_cl_ord_id: ClOrdId::NONE,
            replace_order_qty: 0,
            risk_sequence: 0,
        });
        Some(if fits { Oddity::Adopted } else { Oddity::NoRoom })
    }
}

/// The id that finds the order: FIX 41 where it is set (FIX 11 then names a request, or the order's new id).
fn order_key(report: &ExecutionReport) -> ClOrdId {
    if report.orig_cl_ord_id == ClOrdId::NONE { report.cl_ord_id } else { report.orig_cl_ord_id }
}

/// True when the venue's word stands behind `leaves_qty`; a request in flight or an order in doubt releases nothing.
const fn is_evidence(exec_type: ExecType) -> bool {
    !matches!(
        exec_type,
        ExecType::PendingNew | ExecType::PendingCancel | ExecType::PendingReplace | ExecType::OrderStatus
    )
}

/// A refused request that carries the id of an order which is live: it is not the order that was refused.
const fn is_foreign(known: &Reservation, report: &ExecutionReport) -> bool {
    known.risk_sequence != 0 && report.risk_sequence != 0 && known.risk_sequence != report.risk_sequence
}
