//! What can happen to an order, and what that comes to.

use super::LiveState;
use shm_layout::message::order::OrderKind;
use shm_layout::types::{ClOrdId, ExecType, Price, Qty};

/// What can happen to an order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// The socket took the whole request.
    Sent(OrderKind),
    /// Proof that the request never reached the venue's matching (never written, or voided by B15's evidence).
    NotSent(OrderKind),
    /// The venue took the order; `dead`: and ended it at once (OUCH 5.0 state `D`).
    Accepted {
        /// Total quantity that it took.
        order_qty: Qty,
        /// Price that it took.
        price: Price,
        /// Terminal on acceptance.
        dead: bool,
    },
    /// The venue refused the order.
    Rejected,
    /// A cancel was journaled for sending.
    CancelRequested {
        /// Id of the request.
        cl_ord_id: ClOrdId,
    },
    /// A replace was journaled for sending.
    ReplaceRequested {
        /// Id of the order once replaced.
        cl_ord_id: ClOrdId,
        /// New total intended quantity.
        order_qty: Qty,
        /// New price.
        price: Price,
    },
    /// `decrement` is cancelled, on request or not; the order ends when nothing is left.
    Canceled {
        /// Quantity taken off the order.
        decrement: Qty,
    },
    /// The time in force ended it.
    Expired,
    /// The replace in flight was confirmed.
    Replaced {
        /// What is left to execute under the new id.
        leaves_qty: Qty,
        /// The new working price.
        price: Price,
        /// Terminal on replacement.
        dead: bool,
    },
    /// A cancel or replace in flight was refused; the order lives on.
    CancelRejected(OrderKind),
    /// A trade.
    Executed {
        /// Quantity (FIX 32).
        qty: Qty,
        /// Price (FIX 31).
        px: Price,
    },
    /// A trade was broken.
    Broken {
        /// Its quantity.
        qty: Qty,
        /// Its price.
        px: Price,
        /// The quantity works again (FIX venues may; OUCH never does).
        reinstated: bool,
    },
    /// The venue changed what is left or the price, unasked.
    Restated {
        /// What is left.
        leaves_qty: Qty,
        /// The working price.
        price: Price,
    },
    /// The session ended without an answer, or this gateway restarted.
    SessionLost,
}

/// What an event came to: what has to be published.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Nothing to tell.
    Nothing,
    /// An ExecutionReport (FIX `8`).
    Report {
        /// FIX 150.
        exec_type: ExecType,
        /// FIX 11.
        cl_ord_id: ClOrdId,
        /// FIX 41: names the order while `cl_ord_id` names a request or its new id.
        orig_cl_ord_id: ClOrdId,
        /// FIX 32; on `PendingReplace` the quantity asked for (FIX 38).
        last_qty: Qty,
        /// FIX 31; on `PendingReplace` the price asked for.
        last_px: Price,
        /// Legal, but to be counted and shown.
        anomaly: Option<Anomaly>,
    },
    /// An OrderCancelReject (FIX `9`).
    CancelReject {
        /// What was refused (FIX 434).
        kind: OrderKind,
        /// Id of the refused request.
        cl_ord_id: ClOrdId,
    },
}

/// Something a correct venue does not do, taken because evidence beats belief.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Anomaly {
    /// An execution of an order that had ended.
    LateFill,
    /// More executed than was left.
    Overfill,
}

/// Why an event was refused; the order is unchanged.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Illegal {
    /// The event does not happen in this state.
    #[error("event not possible in state {0:?}")]
    State(LiveState),
    /// The request is not in flight, or already is.
    #[error("request in flight does not match")]
    InFlight,
    /// A quantity or price is not positive, or does not fit the order.
    #[error("quantity or price does not fit the order")]
    Quantity,
    /// The id is none, or already names an order.
    #[error("ClOrdID is none or already in use")]
    ClOrdId,
}
