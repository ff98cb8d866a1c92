//! Messages of `execution`. Offsets and meanings only; it never reads a message.

use super::Repr::{ClOrdId, Code, Hash, Instrument, Nanos, Price, Qty, Reserved, Unsigned};
use super::{Field, MessageType, codes, field};
use shm_layout::message::execution::ExecutionKind;
use shm_layout::message::order::OrderKind;
use shm_layout::topology::RingKind;
use shm_layout::types::{ExecType, OrdStatus, RejectReason, Side};

codes! {
    KIND = ExecutionKind;
    SIDE = Side;
    ORD_STATUS = OrdStatus;
    EXEC_TYPE = ExecType;
    REQUEST = OrderKind;
    REASON = RejectReason;
}

const RINGS: &[RingKind] = &[RingKind::Execution];

const KIND_FIELD: Field = field("kind", 0, 1, Code(&KIND), "what the message says");
const HEAD: &[Field] = &[
    KIND_FIELD,
    field("side", 1, 1, Code(&SIDE), "side of the order (FIX 54)"),
    field("ord_status", 2, 1, Code(&ORD_STATUS), "status of the order after the event (FIX 39)"),
];
const EVENT: &[Field] = &[field("exec_type", 3, 1, Code(&EXEC_TYPE), "what happened (FIX 150)")];
const REFUSED: &[Field] = &[field("cxl_rej_response_to", 3, 1, Code(&REQUEST), "the request refused (FIX 434)")];
const BODY: &[Field] = &[
    field("venue_id", 4, 2, Unsigned, "row of the host file's venues"),
    field("strategy_id", 6, 2, Unsigned, "strategy that owns the order"),
    field("account_id", 8, 2, Unsigned, "account"),
    field("reason", 10, 2, Code(&REASON), "why it was refused"),
    field("limit_version", 12, 4, Unsigned, "version of the limits that judged the order"),
    field("cl_ord_id", 16, 8, ClOrdId, "the order (FIX 11); on a cancel reject and a pending request the request"),
    field("instrument_id", 24, 4, Instrument, "the instrument"),
    field("risk_epoch", 28, 4, Unsigned, "epoch of the risk process that approved the order"),
    field("risk_sequence", 32, 8, Unsigned, "reservation sequence of the approval"),
    field("cause_sequence", 40, 8, Unsigned, "channel sequence of the market data that caused the order"),
    field("journal_sequence", 48, 8, Unsigned, "sequence of the journal's record of it; serves as ExecID (FIX 17)"),
    field("receive_ns", 56, 8, Nanos, "stamp of the venue's bytes; 0 = no venue message caused it"),
    field("gateway_delta_ns", 64, 4, Unsigned, "receive_ns to the gateway's read, saturating"),
    field("parent_id", 68, 4, Unsigned, "parent order; 0 = none"),
    field("orig_cl_ord_id", 72, 8, ClOrdId, "previous id on a replace (FIX 41); on a request the order itself"),
    field("price", 80, 8, Price, "working limit price (FIX 44)"),
    field("leaves_qty", 88, 8, Qty, "quantity left (FIX 151)"),
    field("cum_qty", 96, 8, Qty, "quantity executed so far (FIX 14)"),
    field("last_qty", 104, 8, Qty, "quantity of this execution (FIX 32); on PendingReplace the quantity asked for"),
    field("last_px", 112, 8, Price, "price of this execution (FIX 31); on PendingReplace the price asked for"),
];
const CHECKPOINT: &[Field] = &[
    KIND_FIELD,
    field("reserved", 1, 7, Reserved, "none"),
    field("reserved_words", 8, 40, Reserved, "none"),
    field("journal_sequence", 48, 8, Unsigned, "sequence of the checkpoint record"),
    field("state_hash", 56, 8, Hash, "canonical hash of the gateway's orders state there"),
    field("reserved_tail", 64, 56, Reserved, "none"),
];

/// Every type.
pub static TYPES: &[MessageType] = &[
    MessageType {
        name: "ExecutionReport",
        rings: RINGS,
        kind: 1,
        parts: &[HEAD, EVENT, BODY],
        about: "something happened to an order (FIX 8)",
    },
    MessageType {
        name: "OrderCancelReject",
        rings: RINGS,
        kind: 2,
        parts: &[HEAD, REFUSED, BODY],
        about: "a cancel or replace was refused (FIX 9)",
    },
    MessageType {
        name: "Checkpoint",
        rings: RINGS,
        kind: 3,
        parts: &[CHECKPOINT],
        about: "compare state hashes at this journal sequence",
    },
];
