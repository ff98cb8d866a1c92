//! The one order that the machine has working in an instrument, and what to do about it: a pure decision.

use crate::config::Parameters;
use crate::registry::Want;
use shm_layout::message::execution::ExecutionReport;
use shm_layout::types::{ClOrdId, ExecType, Nanos, Price, Qty, Side};

/// An order that was sent and has not ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Working {
    /// Its id now.
    pub cl_ord_id: ClOrdId,
    /// Side.
    pub side: Side,
    /// Limit price, as last asked for.
    pub price: Price,
    /// Total quantity (FIX 38).
    pub order_qty: Qty,
    /// Quantity left, as last told.
    pub leaves_qty: Qty,
    /// The venue has confirmed it.
    pub accepted: bool,
    /// Cancel in flight.
    pub cancel: Option<ClOrdId>,
    /// Replace in flight.
    pub replace: Option<ClOrdId>,
    /// When it was sent or last replaced.
    pub acted_at: Nanos,
    /// No cancel before this: the last one was refused.
    pub retry_at: Nanos,
}

/// What to do about a working order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    /// Nothing before this moment; `None`: until something is heard.
    Keep(Option<Nanos>),
    /// Cancel it.
    Cancel,
    /// Move it to this price.
    Replace(Price),
}

impl Working {
    /// The decision for `want`, with `position` held.
    #[must_use]
    pub fn decide(&self, now: Nanos, want: Option<&Want>, position: Qty, parameters: &Parameters) -> Decision {
        if self.cancel.is_some() {
            return Decision::Keep(None);
        }
        let over = position.0.saturating_mul(self.side.sign()).saturating_add(self.leaves_qty.0);
        let wanted = want.filter(|want| want.side == self.side && over <= parameters.position_max.0);
        let expires_at = self.acted_at.plus(parameters.order_timeout_ns);
        let Some(want) = wanted else { return self.cancel_from(now, Nanos(0)) };
        let moved = want.price != self.price && self.accepted && self.replace.is_none();
        let reprice_at = self.acted_at.plus(parameters.reprice_ns).min(expires_at);
        if moved && now >= reprice_at {
            return Decision::Replace(want.price);
        }
        match self.cancel_from(now, expires_at) {
            Decision::Keep(at) if moved => Decision::Keep(at.map(|at| at.min(reprice_at))),
            decision => decision,
        }
    }

    fn cancel_from(&self, now: Nanos, at: Nanos) -> Decision {
        let at = at.max(self.retry_at);
        if now >= at { Decision::Cancel } else { Decision::Keep(Some(at)) }
    }

    /// Takes a report about this order that did not end it.
    pub fn report(&mut self, report: &ExecutionReport) {
        self.leaves_qty = report.leaves_qty;
        match report.exec_type() {
            Some(ExecType::Replaced) => {
                self.cl_ord_id = report.cl_ord_id;
                self.price = report.price;
                self.replace = None;
                self.accepted = true;
            }
            Some(ExecType::New | ExecType::Trade | ExecType::Restated) => {
                self.accepted = true;
                if self.replace.is_none() {
                    self.price = report.price;
                }
            }
            _ => {}
        }
    }

    /// Takes the refusal of a request about this order: it lives on.
    pub fn cancel_reject(&mut self, reject: &ExecutionReport, retry_at: Nanos) {
        if self.cancel == Some(reject.cl_ord_id) {
            self.cancel = None;
            self.retry_at = retry_at;
        }
        if self.replace == Some(reject.cl_ord_id) {
            self.replace = None;
            self.price = reject.price;
        }
    }
}
