//! Records of the journal.

use super::{fields, message};
use crate::output::{hex, snake};
use crate::schema;
use journal::RecordType;
use journal::record::{Fence, Record, SessionEvent};
use serde_json::{Map, Value, json};
use shm_layout::message::Words128;
use shm_layout::message::execution::{Execution, ExecutionKind};
use shm_layout::topology::{RingId, RingKind};
use shm_layout::types::{ClOrdId, InstrumentId, RejectReason, Role};

/// A record's payload; `record` names its type.
#[must_use]
pub fn record(record: &Record) -> Value {
    let name = match record {
        Record::Reserved(number) => RecordType::from_u16(*number).map_or("reserved".to_owned(), name_of),
        known => name_of(known.record_type()),
    };
    merged(object(json!({ "record": name })), payload(record))
}

fn name_of(record_type: RecordType) -> String {
    snake(&format!("{record_type:?}"))
}

fn payload(record: &Record) -> Value {
    match record {
        Record::Intent(m) => with_request(
            &m.request,
            json!({ "user_ref_num": m.user_ref_num, "from_gateway": m.flags & 1 == 1, "now_ns": m.now_ns.0 }),
        ),
        Record::Adopted(m) => with_request(
            &m.request,
            json!({
                "user_ref_num": m.user_ref_num,
                "order_reference_number": m.order_reference_number,
                "now_ns": m.now_ns.0,
            }),
        ),
        Record::Sent(m) => json!({
            "cl_ord_id": id(m.cl_ord_id),
            "user_ref_num": m.user_ref_num,
            "write_ns": m.write_ns,
            "send_ns": m.send_ns.0,
            "receive_ns": m.receive_ns.0,
        }),
        Record::NotSent(m) => json!({
            "cl_ord_id": id(m.cl_ord_id),
            "user_ref_num": m.user_ref_num,
            "reason": u8::try_from(m.reason).ok().and_then(RejectReason::from_u8).map(|reason| snake(reason.name())),
            "now_ns": m.now_ns.0,
        }),
        Record::VenueMessage(m) => json!({
            "venue_sequence": m.venue_sequence,
            "receive_ns": m.receive_ns.0,
            "full_length_bytes": m.full_length_bytes,
            "bytes": schema::digits(m.message()),
        }),
        Record::Execution(m) => {
            let report = execution(ExecutionKind::ExecutionReport, &Execution::Report(m.report));
            merged(object(json!({ "match_number": m.match_number })), report)
        }
        Record::CancelReject(m) => execution(ExecutionKind::OrderCancelReject, &Execution::CancelReject(m.report)),
        Record::Fence(m) => fence(m),
        Record::Kill(m) => {
            json!({ "generation_sum": m.generation_sum, "engaged": m.engaged == 1, "now_ns": m.now_ns.0 })
        }
        Record::ArmChange(m) => {
            let strategy = if m.strategy == u32::MAX { json!("all") } else { json!(m.strategy) };
            json!({ "strategy": strategy, "armed": m.armed == 1, "now_ns": m.now_ns.0 })
        }
        Record::Checkpoint(m) => json!({ "state_hash": hex(m.state_hash), "now_ns": m.now_ns.0 }),
        Record::SessionEvent(m) => session_event(m),
        Record::Config(m) => json!({
            "config_hash": hex(m.config_hash),
            "instrument_table_hash": hex(m.instrument_table_hash),
            "durability": m.durability,
            "now_ns": m.now_ns.0,
        }),
        Record::StartOfDayPosition(m) => json!({
            "strategy_id": m.strategy_id,
            "account_id": m.account_id,
            "instrument_id": instrument(m.instrument_id),
            "qty": m.qty.to_string(),
            "px": m.px.to_string(),
            "now_ns": m.now_ns.0,
        }),
        Record::Reserved(number) => json!({ "record_type": number }),
    }
}

fn with_request(words: &Words128, own: Value) -> Value {
    merged(object(own), message(RingKind::OrderEntry, words))
}

/// What a record says of `execution`: its own type tells which kind that is.
fn execution(kind: ExecutionKind, execution: &Execution) -> Value {
    let described = schema::types_of(RingKind::Execution).find(|message| message.kind == kind as u8);
    described.map_or(Value::Null, |described| fields(described, &execution.encode()))
}

fn id(id: ClOrdId) -> Value {
    if id == ClOrdId::NONE { Value::Null } else { json!(id.to_string()) }
}

fn instrument(id: InstrumentId) -> Value {
    if id == InstrumentId::ALL { json!("all") } else { json!(id.0) }
}

/// Joins two objects.
fn merged(mut first: Map<String, Value>, second: Value) -> Value {
    if let Value::Object(second) = second {
        first.extend(second);
    }
    Value::Object(first)
}

/// The object of a `json!` literal.
fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn fence(m: &Fence) -> Value {
    let cursors = m
        .cursors
        .iter()
        .filter_map(|cursor| Some(json!({ "ring": RingId::from_u32(cursor.ring)?.name(), "taken": cursor.cursor })));
    json!({
        "role": Role::from_u8(m.role).map(Role::folder),
        "index": m.index,
        "epoch": m.epoch,
        "now_ns": m.now_ns.0,
        "cursors": cursors.collect::<Vec<_>>(),
    })
}

fn session_event(m: &SessionEvent) -> Value {
    let event = match m.kind {
        SessionEvent::LOGIN => "login",
        SessionEvent::REFUSED => "refused",
        SessionEvent::LOST => "lost",
        SessionEvent::ENDED => "ended",
        SessionEvent::RECONCILED => "reconciled",
        SessionEvent::LEASE_HELD => "lease held",
        SessionEvent::LEASE_LOST => "lease lost",
        _ => "unknown",
    };
    json!({
        "event": event,
        "reason": m.reason,
        "session": String::from_utf8_lossy(&m.session).trim(),
        "next_user_ref_num": m.next_user_ref_num,
        "next_sequence": m.next_sequence,
        "next_outbound_sequence": m.next_outbound_sequence,
        "now_ns": m.now_ns.0,
    })
}
