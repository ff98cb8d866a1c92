//! Messages of `execution`.

use super::{code_name, id, instrument};
use crate::output::{hex, snake};
use serde_json::{Value, json};
use shm_layout::message::execution::{Execution, ExecutionReport};
use shm_layout::message::order::OrderKind;
use shm_layout::message::{BadMessage, Words128};
use shm_layout::types::{ExecType, OrdStatus, RejectReason, Side};

/// A message.
pub(super) fn message(words: Words128) -> Result<Value, BadMessage> {
    Ok(match Execution::decode(&words)? {
        Execution::Report(m) => report("execution_report", &m),
        Execution::CancelReject(m) => report("order_cancel_reject", &m),
        Execution::Checkpoint(m) => json!({
            "kind": "checkpoint",
            "journal_sequence": m.journal_sequence,
            "state_hash": hex(m.state_hash),
        }),
    })
}

/// An ExecutionReport or OrderCancelReject.
pub(super) fn report(kind: &str, m: &ExecutionReport) -> Value {
    let is_report = kind == "execution_report";
    let exec_type = is_report.then(|| code_name!(ExecType, m.exec_type));
    let response_to = (!is_report).then(|| code_name!(OrderKind, m.exec_type));
    let reason = u8::try_from(m.reason).ok().and_then(RejectReason::from_u8);
    json!({
        "kind": kind,
        "side": code_name!(Side, m.side),
        "ord_status": code_name!(OrdStatus, m.ord_status),
        "exec_type": exec_type,
        "cxl_rej_response_to": response_to,
        "venue_id": m.venue_id,
        "strategy_id": m.strategy_id,
        "account_id": m.account_id,
        "reason": reason.map_or_else(|| json!(m.reason), |reason| json!(snake(reason.name()))),
        "limit_version": m.limit_version,
        "cl_ord_id": id(m.cl_ord_id),
        "orig_cl_ord_id": id(m.orig_cl_ord_id),
        "instrument_id": instrument(m.instrument_id),
        "risk_epoch": m.risk_epoch,
        "risk_sequence": m.risk_sequence,
        "cause_sequence": m.cause_sequence,
        "journal_sequence": m.journal_sequence,
        "receive_ns": m.receive_ns.0,
        "gateway_delta_ns": m.gateway_delta_ns,
        "parent_id": m.parent_id,
        "price": m.price.to_string(),
        "leaves_qty": m.leaves_qty.to_string(),
        "cum_qty": m.cum_qty.to_string(),
        "last_qty": m.last_qty.to_string(),
        "last_px": m.last_px.to_string(),
    })
}
