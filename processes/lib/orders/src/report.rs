//! From an [`Outcome`] to the message that is journaled and published: the one place that fills an ExecutionReport.

use crate::order::{Order, Outcome};
use shm_layout::message::execution::{Execution, ExecutionKind, ExecutionReport};
use shm_layout::message::order::{NewOrderSingle, OrderKind, OrderRequest};
use shm_layout::types::{ClOrdId, ExecType, Nanos, OrdStatus, Price, Qty, RejectReason, Side};

/// What the sequencer adds to an outcome.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamps {
    /// Sequence of the journal record (ExecID, FIX 17).
    pub journal_sequence: u64,
    /// Receive stamp of the venue's bytes; 0 when none caused it.
    pub receive_ns: Nanos,
    /// `receive_ns` to the gateway's read, saturating.
    pub gateway_delta_ns: u32,
    /// Why, on a reject or an unsolicited cancel.
    pub reason: RejectReason,
}

impl Order {
    /// The message that tells of `outcome`, with the order's state after it; `None` when there is nothing to tell.
    #[must_use]
    pub fn execution(&self, outcome: &Outcome, stamps: &Stamps) -> Option<Execution> {
        let base = self.base(stamps);
        match *outcome {
            Outcome::Nothing => None,
            Outcome::Report { exec_type, cl_ord_id, orig_cl_ord_id, last_qty, last_px, anomaly: _ } => {
                Some(Execution::Report(ExecutionReport {
                    kind: ExecutionKind::ExecutionReport as u8,
                    exec_type: exec_type as u8,
                    cl_ord_id,
                    orig_cl_ord_id,
                    last_qty,
                    last_px,
                    ..base
                }))
            }
            Outcome::CancelReject { kind, cl_ord_id } => Some(self.cancel_reject(kind, cl_ord_id, stamps)),
        }
    }

    /// An OrderCancelReject about this order, also for a request that was never in flight.
    #[must_use]
    pub fn cancel_reject(&self, kind: OrderKind, cl_ord_id: ClOrdId, stamps: &Stamps) -> Execution {
        Execution::CancelReject(ExecutionReport {
            kind: ExecutionKind::OrderCancelReject as u8,
            exec_type: kind as u8,
            cl_ord_id,
            orig_cl_ord_id: self.cl_ord_id,
            ..self.base(stamps)
        })
    }

    fn base(&self, stamps: &Stamps) -> ExecutionReport {
        ExecutionReport {
            side: self.side as u8,
            ord_status: self.ord_status() as u8,
            venue_id: self.venue_id,
            strategy_id: self.strategy_id,
            account_id: self.account_id,
            reason: stamps.reason as u16,
            limit_version: self.limit_version,
            cl_ord_id: self.cl_ord_id,
            instrument_id: self.instrument_id,
            risk_epoch: self.risk_epoch,
            risk_sequence: self.risk_sequence,
            cause_sequence: self.cause_sequence,
            journal_sequence: stamps.journal_sequence,
            receive_ns: stamps.receive_ns,
            gateway_delta_ns: stamps.gateway_delta_ns,
            parent_id: self.parent_id,
            price: self.price,
            leaves_qty: self.leaves_qty,
            cum_qty: self.cum_qty,
            ..ExecutionReport::default()
        }
    }
}

/// The answer to a request that was refused before it came into flight. `order` is the order that a cancel or replace
/// names, when it is known: FIX 39 of a cancel reject is the *order's* status, and Rejected when there is none.
#[must_use]
pub fn refusal(request: &OrderRequest, order: Option<&Order>, stamps: &Stamps) -> Execution {
    let header = request.header();
    let (kind, price) = match request {
        OrderRequest::NewOrderSingle(message) => (OrderKind::NewOrderSingle, message.price),
        OrderRequest::OrderCancelRequest(_) => (OrderKind::OrderCancelRequest, Price::ZERO),
        OrderRequest::OrderCancelReplaceRequest(m) => (OrderKind::OrderCancelReplaceRequest, m.price),
    };
    if let (OrderKind::OrderCancelRequest | OrderKind::OrderCancelReplaceRequest, Some(order)) = (kind, order) {
        return order.cancel_reject(kind, header.cl_ord_id, stamps);
    }
    // Builds on an order of the request's identity that never worked.
    let request_as_order = NewOrderSingle { header: *header, price, order_qty: Qty::ZERO, ..NewOrderSingle::default() };
    let mut report = Order::new(&request_as_order).base(stamps);
    report.ord_status = OrdStatus::Rejected as u8;
    if kind == OrderKind::NewOrderSingle {
        report.kind = ExecutionKind::ExecutionReport as u8;
        report.exec_type = ExecType::Rejected as u8;
        return Execution::Report(report);
    }
    report.kind = ExecutionKind::OrderCancelReject as u8;
    report.exec_type = kind as u8;
    report.orig_cl_ord_id = request.orig_cl_ord_id();
    Execution::CancelReject(report)
}

/// The id that finds the order a message is about, in a table that has not yet taken the message: FIX 41 where it is set,
/// else FIX 11.
#[must_use]
pub fn order_key(report: &ExecutionReport) -> ClOrdId {
    if report.orig_cl_ord_id == ClOrdId::NONE { report.cl_ord_id } else { report.orig_cl_ord_id }
}

impl Order {
    /// An order first heard of by a report that is not terminal.
    pub(crate) fn from_report(report: &ExecutionReport, side: Side) -> Self {
        let mut request = NewOrderSingle { price: report.price, ..NewOrderSingle::default() };
        request.order_qty = Qty(report.leaves_qty.0.saturating_add(report.cum_qty.0));
        let header = &mut request.header;
        header.side = side as u8;
        header.cl_ord_id = report.cl_ord_id;
        header.instrument_id = report.instrument_id;
        header.venue_id = report.venue_id;
        header.strategy_id = report.strategy_id;
        header.account_id = report.account_id;
        header.limit_version = report.limit_version;
        header.parent_id = report.parent_id;
        header.risk_epoch = report.risk_epoch;
        header.risk_sequence = report.risk_sequence;
        header.cause_sequence = report.cause_sequence;
        Self::new(&request)
    }
}
