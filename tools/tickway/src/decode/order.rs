//! Messages of `order_intent` and `order_entry`.

use super::{code_name, id, instrument, merged, object};
use crate::output::snake;
use serde_json::{Value, json};
use shm_layout::message::order::{OrderHeader, OrderKind, OrderRequest};
use shm_layout::message::{BadMessage, Words128};
use shm_layout::types::{OrdType, Side, TimeInForce};

/// A message.
pub(super) fn message(words: Words128) -> Result<Value, BadMessage> {
    OrderRequest::decode(&words).map(|order| request(&order))
}

/// A checked request.
#[must_use]
pub fn request(order: &OrderRequest) -> Value {
    let rest = match order {
        OrderRequest::NewOrderSingle(m) => json!({
            "price": m.price.to_string(),
            "order_qty": m.order_qty.to_string(),
            "reference_price": m.reference_price.to_string(),
        }),
        OrderRequest::OrderCancelRequest(m) => json!({ "orig_cl_ord_id": id(m.orig_cl_ord_id) }),
        OrderRequest::OrderCancelReplaceRequest(m) => json!({
            "price": m.price.to_string(),
            "order_qty": m.order_qty.to_string(),
            "orig_cl_ord_id": id(m.orig_cl_ord_id),
            "reference_price": m.reference_price.to_string(),
        }),
    };
    let mut head = object(header(order.header()));
    head.insert("intent_sequence".to_owned(), order.intent_sequence().into());
    merged(head, rest)
}

fn header(header: &OrderHeader) -> Value {
    json!({
        "kind": code_name!(OrderKind, header.kind),
        "side": code_name!(Side, header.side),
        "ord_type": OrdType::from_u8(header.ord_type).map(|code| snake(code.name())),
        "time_in_force": TimeInForce::from_u8(header.time_in_force).map(|code| snake(code.name())),
        "venue_id": header.venue_id,
        "strategy_id": header.strategy_id,
        "account_id": header.account_id,
        "reject_reason": snake(header.reject_reason().name()),
        "limit_version": header.limit_version,
        "cl_ord_id": id(header.cl_ord_id),
        "instrument_id": instrument(header.instrument_id),
        "risk_epoch": header.risk_epoch,
        "risk_sequence": header.risk_sequence,
        "cause_sequence": header.cause_sequence,
        "exposure_before": header.exposure_before.to_string(),
        "receive_ns": header.receive_ns.0,
        "feed_delta_ns": header.feed_delta_ns,
        "strategy_delta_ns": header.strategy_delta_ns,
        "risk_delta_ns": header.risk_delta_ns,
        "parent_id": header.parent_id,
    })
}
