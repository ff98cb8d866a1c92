//! The description against the Rust structs, the README of `shm-layout`, and the decoder.

use super::*;
use serde_json::json;
use shm_layout::message::control::Control;
use shm_layout::message::execution::{Checkpoint, ExecutionReport};
use shm_layout::message::market_data::{DepthChange, MarketDataHeader, MarketDataKind, StatusChange, TopOfBook, Trade};
use shm_layout::message::order::{
    NewOrderSingle, OrderCancelReplaceRequest, OrderCancelRequest, OrderHeader, OrderKind, OrderRequest,
};
use shm_layout::message::step::Step;
use shm_layout::message::wire::WireChunk;
use shm_layout::types::{ClOrdId, InstrumentId, OrdType, Price, Qty, Side, TimeInForce};
use std::mem::{offset_of, size_of};

const README: &str = include_str!("../../../../shm-layout/README.md");

/// Fields of a struct: name, offset, size. A field left out does not compile.
macro_rules! fields {
    ($type:ident, $base:expr, { $($field:ident),+ $(,)? }) => {{
        const _: fn($type) = |value| { let $type { $($field: _),+ } = value; };
        fn size<T, F>(_: fn(&T) -> &F) -> usize { size_of::<F>() }
        vec![$((stringify!($field), $base + offset_of!($type, $field), size(|value: &$type| &value.$field))),+]
    }};
}

type Layout = Vec<(&'static str, usize, usize)>;

/// A header's fields in the place of `header`.
fn joined(header: Layout, rest: Layout) -> Layout {
    header.into_iter().chain(rest.into_iter().filter(|(name, ..)| *name != "header")).collect()
}

fn market_data_header() -> Layout {
    fields!(MarketDataHeader, offset_of!(TopOfBook, header), {
        kind, side, validity, trading_status, instrument_id, receive_ns, channel_sequence, exchange_ns, feed_delta_ns,
        detail,
    })
}

fn order_header() -> Layout {
    fields!(OrderHeader, offset_of!(NewOrderSingle, header), {
        kind, side, ord_type, time_in_force, venue_id, strategy_id, account_id, reject_reason, limit_version, cl_ord_id,
        instrument_id, risk_epoch, risk_sequence, cause_sequence, exposure_before, receive_ns, feed_delta_ns,
        strategy_delta_ns, risk_delta_ns, parent_id,
    })
}

fn order_layout(name: &str) -> Option<Layout> {
    Some(match name {
        "NewOrderSingle" => joined(
            order_header(),
            fields!(NewOrderSingle, 0, { header, price, order_qty, reserved, intent_sequence, reference_price }),
        ),
        "OrderCancelRequest" => joined(
            order_header(),
            fields!(OrderCancelRequest, 0, { header, reserved, orig_cl_ord_id, intent_sequence, reserved_tail }),
        ),
        "OrderCancelReplaceRequest" => joined(
            order_header(),
            fields!(OrderCancelReplaceRequest, 0, {
                header, price, order_qty, orig_cl_ord_id, intent_sequence, reference_price,
            }),
        ),
        _ => return None,
    })
}

/// The Rust struct of a type.
fn layout(message: &MessageType) -> Layout {
    if let Some(order) = order_layout(message.name) {
        return order;
    }
    match (message.name, message.rings[0]) {
        ("TopOfBook", _) => joined(market_data_header(), fields!(TopOfBook, 0, { header, price, qty })),
        ("DepthChange", _) => joined(market_data_header(), fields!(DepthChange, 0, { header, price, qty })),
        ("Trade", _) => joined(market_data_header(), fields!(Trade, 0, { header, price, qty })),
        (_, RingKind::MarketData) => joined(market_data_header(), fields!(StatusChange, 0, { header, reserved })),
        ("Checkpoint", _) => fields!(Checkpoint, 0, {
            kind, reserved, reserved_words, journal_sequence, state_hash, reserved_tail,
        }),
        (_, RingKind::Execution) => fields!(ExecutionReport, 0, {
            kind, side, ord_status, exec_type, venue_id, strategy_id, account_id, reason, limit_version, cl_ord_id,
            instrument_id, risk_epoch, risk_sequence, cause_sequence, journal_sequence, receive_ns, gateway_delta_ns,
            parent_id, orig_cl_ord_id, price, leaves_qty, cum_qty, last_qty, last_px,
        }),
        (_, RingKind::Control) => {
            fields!(Control, 0, { kind, role, index, reserved, epoch, request_id, now_ns, value, reserved_tail })
        }
        (_, RingKind::Step) => fields!(Step, 0, {
            kind, code, index, ring, through_sequence, now_ns, count, instrument_id, value,
        }),
        (_, RingKind::Wire) => fields!(WireChunk, 0, { kind, flags, length, line, receive_ns, read_ns, data }),
        (name, _) => panic!("{name} has no struct here: add it"),
    }
}

/// Fields of a struct that are called by what they mean on each kind.
const BY_KIND: [(&str, &[&str]); 8] = [
    ("exec_type", &["cxl_rej_response_to"]),
    ("detail", &["order_count", "reason", "integrity_fault", "channel_state"]),
    ("flags", &["first", "last"]),
    ("ring", &["input_ring"]),
    ("code", &["role", "validity"]),
    ("index", &["trading_status"]),
    ("through_sequence", &["channel_sequence"]),
    ("value", &["lost", "generation", "held", "bid", "ask", "receive_ns", "epoch", "through_journal_sequence"]),
];

/// True when a field is what the struct calls so, or a meaning of it.
fn is_called(field: &Field, name: &str) -> bool {
    field.name == name || BY_KIND.iter().any(|(own, others)| *own == name && others.contains(&field.name))
}

#[test]
fn every_field_is_the_structs() {
    for message in types() {
        let layout = layout(message);
        for field in message.shown() {
            let end = field.offset + field.bytes;
            let holds = |(_, offset, bytes): &&(&str, usize, usize)| {
                (*offset..=offset + bytes).contains(&field.offset) && end <= offset + bytes
            };
            let (name, offset, bytes) =
                layout.iter().find(holds).unwrap_or_else(|| panic!("{}.{}", message.name, field.name));
            assert!(is_called(field, name), "{}.{} lies in {name}", message.name, field.name);
            assert!(field.name != *name || (field.offset, field.bytes) == (*offset, *bytes), "{}.{name}", message.name);
        }
        let end = message.fields().fold(0, |end, field| {
            // Bits share their byte.
            let shared = matches!(field.repr, Repr::Bit(bit) if bit > 0) && field.offset + field.bytes == end;
            assert!(shared || field.offset == end, "{}.{} follows without a hole", message.name, field.name);
            field.offset + field.bytes
        });
        assert_eq!(end, message.payload_bytes(), "{}", message.name);
        let names: Vec<_> = message.shown().map(|field| field.name).collect();
        let taken = ["ring", "sequence", "stamp_ns", "missed", "error", "words", "schema_version"];
        for (index, name) in names.iter().enumerate() {
            assert!(!names[..index].contains(name) && !taken.contains(name), "{}.{name} is taken", message.name);
        }
    }
}

#[test]
fn every_kind_of_every_ring_is_described_once() {
    for ring in RingKind::ALL {
        let kind_field = |message: &MessageType| message.fields().next().copied();
        let Some(Field { repr: Repr::Code(codes), name: "kind", .. }) = types_of(*ring).next().and_then(kind_field)
        else {
            panic!("{}: a message begins with its kind", ring.snake_name())
        };
        let described: Vec<(u64, &str)> =
            types_of(*ring).map(|message| (u64::from(message.kind), message.name)).collect();
        assert_eq!(described, (codes.values)(), "{}", ring.snake_name());
    }
}

#[test]
fn every_line_of_the_readme_is_a_field() {
    let mut lines = 0;
    for section in README.split("\n### ").skip(1) {
        let title = section.lines().next().unwrap();
        let rings: Vec<RingKind> =
            RingKind::ALL.iter().copied().filter(|ring| title.contains(ring.snake_name())).collect();
        if !title.contains(" bytes") || rings.is_empty() {
            continue;
        }
        let table = section.split("```text\n").nth(1).unwrap().split("```").next().unwrap();
        for line in table.lines().filter(|line| line.starts_with(|letter: char| letter.is_ascii_digit())) {
            let (offset, rest) = line.split_once(' ').unwrap();
            let (name, rest) = rest.trim_start().split_once(' ').unwrap();
            let rest = rest.trim_start();
            let type_name =
                if rest.starts_with('[') { &rest[..=rest.find(']').unwrap()] } else { rest.split(' ').next().unwrap() };
            lines += 1;
            for ring in &rings {
                // What one kind reserves, another has; a reserved tail has the README's shorter name.
                let is_it = |field: &Field| {
                    field.offset.to_string() == offset
                        && (field.name.starts_with(name) || is_called(field, name))
                        && field.type_name() == type_name
                };
                assert!(
                    types_of(*ring).flat_map(MessageType::fields).any(is_it),
                    "{}: shm-layout/README.md says `{line}`, and no message type is described so",
                    ring.snake_name()
                );
            }
        }
    }
    assert!(lines > 80, "{lines} lines of tables: the README's form changed");
}

#[test]
fn every_value_of_an_order_is_the_one_it_was_written_with() {
    let header = OrderHeader {
        kind: OrderKind::NewOrderSingle as u8,
        side: Side::Sell as u8,
        ord_type: OrdType::Limit as u8,
        time_in_force: TimeInForce::ImmediateOrCancel as u8,
        venue_id: 1,
        strategy_id: 2,
        account_id: 3,
        reject_reason: 7,
        limit_version: 4,
        cl_ord_id: ClOrdId::new(0, 2, 3, 7).unwrap(),
        instrument_id: InstrumentId(5),
        risk_epoch: 6,
        risk_sequence: 70,
        cause_sequence: 80,
        exposure_before: Qty::parse("-1.25").unwrap(),
        receive_ns: shm_layout::types::Nanos(90),
        feed_delta_ns: 10,
        strategy_delta_ns: 11,
        risk_delta_ns: 12,
        parent_id: 13,
    };
    let (price, order_qty) = (Price::parse("101.25").unwrap(), Qty::parse("300").unwrap());
    let order = NewOrderSingle { header, price, order_qty, reserved: 0, intent_sequence: 14, reference_price: price };
    let words = OrderRequest::NewOrderSingle(order).encode();
    let message = type_of(RingKind::OrderEntry, &words).unwrap();
    let expected = json!({
        "kind": "new_order_single", "side": "sell", "ord_type": "limit", "time_in_force": "immediate_or_cancel",
        "venue_id": 1, "strategy_id": 2, "account_id": 3, "reject_reason": "price_collar",
        "limit_version": 4, "cl_ord_id": header.cl_ord_id.to_string(), "instrument_id": 5, "risk_epoch": 6, "risk_sequence": 70,
        "cause_sequence": 80, "exposure_before": "-1.25", "receive_ns": 90, "feed_delta_ns": 10,
        "strategy_delta_ns": 11, "risk_delta_ns": 12, "parent_id": 13, "price": "101.25", "order_qty": "300",
        "intent_sequence": 14, "reference_price": "101.25",
    });
    let fields = message.fields().filter(|field| !matches!(field.repr, Repr::Reserved));
    let found: serde_json::Map<_, _> = fields.map(|field| (field.name.to_owned(), value(field, &words))).collect();
    assert_eq!(serde_json::Value::Object(found), expected);
}

#[test]
fn no_bytes_are_a_panic() {
    for message in types() {
        for length in [0, 1, 7, 15] {
            for field in message.fields() {
                let _ = value(field, &vec![u64::MAX; length]);
            }
        }
    }
    assert_eq!(type_of(RingKind::Control, &[]).map(|message| message.name), None);
    assert_eq!(type_of(RingKind::MarketData, &[MarketDataKind::Trade as u64]).unwrap().name, "Trade");
}
