//! Messages of `control`, `step` and `wire`.

use super::{code_name, instrument};
use crate::output::snake;
use serde_json::{Value, json};
use shm_layout::message::control::Control;
use shm_layout::message::step::{Reference, Step, StepKind};
use shm_layout::message::wire::{WIRE_FIRST, WIRE_LAST, WireChunk, WireKind};
use shm_layout::message::{BadMessage, Words64, Words128};
use shm_layout::topology::RingId;
use shm_layout::types::Role;

/// A command or an epoch.
pub(super) fn control(words: Words64) -> Result<Value, BadMessage> {
    let m = Control::decode(&words)?;
    Ok(json!({
        "kind": snake(m.kind().name()),
        "role": Role::from_u8(m.role).map_or("all", Role::folder),
        "index": m.index,
        "epoch": m.epoch,
        "request_id": m.request_id,
        "now_ns": m.now_ns.0,
        "value": m.value,
    }))
}

/// A step of a machine.
pub(super) fn step(words: Words64) -> Result<Value, BadMessage> {
    let m = Step::decode(&words)?;
    let mut value = json!({ "kind": snake(m.kind().name()), "now_ns": m.now_ns.0 });
    let rest = match m.kind() {
        StepKind::Poll => json!({
            "ring": RingId::from_u32(m.ring).map(RingId::name),
            "through_sequence": m.through_sequence,
            "count": m.count,
        }),
        StepKind::Timer => json!({}),
        StepKind::Kill => json!({ "generation": m.value[0] }),
        StepKind::Lease => json!({
            "role": Role::from_u8(m.code).map(Role::folder),
            "index": m.index,
            "held": m.value[0] == 1,
        }),
        StepKind::Reference => reference(&m),
        StepKind::Start => json!({ "epoch": m.value[0], "through_journal_sequence": m.value[1] }),
        StepKind::Opaque | StepKind::Effect => {
            json!({ "code": m.code, "index": m.index, "through_sequence": m.through_sequence, "value": m.value })
        }
    };
    if let (Value::Object(value), Value::Object(rest)) = (&mut value, rest) {
        value.extend(rest);
    }
    Ok(value)
}

fn reference(step: &Step) -> Value {
    let Some(m) = Reference::from_step(step) else { return json!({ "code": step.code, "index": step.index }) };
    json!({
        "instrument_id": instrument(m.instrument_id),
        "validity": snake(m.validity.name()),
        "trading_status": snake(m.trading_status.name()),
        "bid": m.bid.to_string(),
        "ask": m.ask.to_string(),
        "receive_ns": m.receive_ns.0,
        "channel_sequence": m.channel_sequence,
    })
}

/// A chunk of bytes.
pub(super) fn wire(words: Words128) -> Result<Value, BadMessage> {
    let m = WireChunk::decode(&words)?;
    Ok(json!({
        "kind": code_name!(WireKind, m.kind),
        "first": m.flags & WIRE_FIRST != 0,
        "last": m.flags & WIRE_LAST != 0,
        "length": m.length,
        "line": m.line,
        "receive_ns": m.receive_ns.0,
        "read_ns": m.read_ns.0,
        "data": hex_bytes(m.bytes()),
    }))
}

/// Bytes as hexadecimal digits.
pub(super) fn hex_bytes(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
