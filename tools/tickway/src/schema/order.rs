//! Messages of `order_intent` and `order_entry`. Offsets and meanings only; it never reads a message.

use super::Repr::{ClOrdId, Code, Instrument, Nanos, Price, Qty, Reserved, Unsigned};
use super::{Field, MessageType, codes, field};
use shm_layout::message::order::OrderKind;
use shm_layout::topology::RingKind;
use shm_layout::types::{OrdType, RejectReason, Side, TimeInForce};

codes! {
    KIND = OrderKind;
    SIDE = Side;
    ORD_TYPE = OrdType;
    TIME_IN_FORCE = TimeInForce;
    REASON = RejectReason;
}

const RINGS: &[RingKind] = &[RingKind::OrderIntent, RingKind::OrderEntry];

const KIND_AND_SIDE: &[Field] = &[
    field("kind", 0, 1, Code(&KIND), "what is asked for"),
    field("side", 1, 1, Code(&SIDE), "side of the order (FIX 54)"),
];
const TERMS: &[Field] = &[
    field("ord_type", 2, 1, Code(&ORD_TYPE), "order type (FIX 40)"),
    field("time_in_force", 3, 1, Code(&TIME_IN_FORCE), "time in force (FIX 59)"),
];
const NO_TERMS: &[Field] = &[
    field("ord_type", 2, 1, Reserved, "none on a cancel"),
    field("time_in_force", 3, 1, Reserved, "none on a cancel"),
];

const HEADER: &[Field] = &[
    field("venue_id", 4, 2, Unsigned, "row of the host file's venues"),
    field("strategy_id", 6, 2, Unsigned, "strategy, as in the ClOrdID"),
    field("account_id", 8, 2, Unsigned, "account"),
    field("reject_reason", 10, 2, Code(&REASON), "why it was refused; none = approved or not yet judged"),
    field("limit_version", 12, 4, Unsigned, "version of the limits that judged it"),
    field("cl_ord_id", 16, 8, ClOrdId, "this request (FIX 11)"),
    field("instrument_id", 24, 4, Instrument, "the instrument"),
    field("risk_epoch", 28, 4, Unsigned, "epoch of the risk process that judged it"),
    field("risk_sequence", 32, 8, Unsigned, "reservation sequence, strictly increasing within risk_epoch"),
    field("cause_sequence", 40, 8, Unsigned, "channel sequence of the market data that caused it; 0 = a timer"),
    field("exposure_before", 48, 8, Qty, "worst-case position on the order's side before it, set by risk"),
    field("receive_ns", 56, 8, Nanos, "kernel receive stamp of the cause; 0 = a timer"),
    field("feed_delta_ns", 64, 4, Unsigned, "receive_ns to the feed handler's read, saturating"),
    field("strategy_delta_ns", 68, 4, Unsigned, "receive_ns to the strategy's read, saturating"),
    field("risk_delta_ns", 72, 4, Unsigned, "receive_ns to risk's read, saturating"),
    field("parent_id", 76, 4, Unsigned, "parent order; 0 = none"),
];

const PRICED: &[Field] = &[
    field("price", 80, 8, Price, "limit price (FIX 44)"),
    field("order_qty", 88, 8, Qty, "total intended quantity (FIX 38)"),
];
const UNPRICED: &[Field] = &[field("reserved", 80, 16, Reserved, "none")];
const ORIG: &[Field] = &[field("orig_cl_ord_id", 96, 8, ClOrdId, "the order to cancel or replace (FIX 41)")];
const NO_ORIG: &[Field] = &[field("reserved", 96, 8, Reserved, "none")];
const INTENT: &[Field] = &[field("intent_sequence", 104, 8, Unsigned, "sequence in order_intent, set by risk")];
const REFERENCE: &[Field] = &[field("reference_price", 112, 8, Price, "the collar's reference, set by risk")];
const NO_REFERENCE: &[Field] = &[field("reserved_tail", 112, 8, Reserved, "none")];

/// Every type.
pub static TYPES: &[MessageType] = &[
    MessageType {
        name: "NewOrderSingle",
        rings: RINGS,
        kind: 1,
        parts: &[KIND_AND_SIDE, TERMS, HEADER, PRICED, NO_ORIG, INTENT, REFERENCE],
        about: "a new order (FIX D)",
    },
    MessageType {
        name: "OrderCancelRequest",
        rings: RINGS,
        kind: 2,
        parts: &[KIND_AND_SIDE, NO_TERMS, HEADER, UNPRICED, ORIG, INTENT, NO_REFERENCE],
        about: "cancel all that is left (FIX F)",
    },
    MessageType {
        name: "OrderCancelReplaceRequest",
        rings: RINGS,
        kind: 3,
        parts: &[KIND_AND_SIDE, TERMS, HEADER, PRICED, ORIG, INTENT, REFERENCE],
        about: "a new price and total quantity (FIX G)",
    },
];
