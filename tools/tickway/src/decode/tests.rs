//! One message of each ring, by the fields that its drawing names.

use super::*;
use shm_layout::message::control::{Control, ControlKind};
use shm_layout::message::execution::{Execution, ExecutionKind, ExecutionReport};
use shm_layout::message::market_data::{DepthChange, MarketData, MarketDataHeader, MarketDataKind, TopOfBook};
use shm_layout::message::order::{NewOrderSingle, OrderHeader, OrderKind, OrderRequest};
use shm_layout::message::step::{Reference, Step, StepKind};
use shm_layout::message::wire::{WireChunk, WireKind};
use shm_layout::topology::RingId;
use shm_layout::types::{
    BookValidity, ClOrdId, ExecType, InstrumentId, Nanos, OrdStatus, OrdType, Price, Qty, RejectReason, Role, Side,
    TimeInForce, TradingStatus,
};

fn new_order() -> OrderRequest {
    let header = OrderHeader {
        kind: OrderKind::NewOrderSingle as u8,
        side: Side::Sell as u8,
        ord_type: OrdType::Limit as u8,
        time_in_force: TimeInForce::ImmediateOrCancel as u8,
        strategy_id: 3,
        cl_ord_id: ClOrdId::new(0, 2, 3, 7).unwrap(),
        instrument_id: InstrumentId(5),
        reject_reason: RejectReason::PriceCollar as u16,
        ..OrderHeader::default()
    };
    let (price, order_qty) = (Price::parse("101.25").unwrap(), Qty::parse("300").unwrap());
    OrderRequest::NewOrderSingle(NewOrderSingle { header, price, order_qty, ..NewOrderSingle::default() })
}

#[test]
fn an_order_is_told_in_the_names_of_fix() {
    let value = message(RingKind::OrderIntent, &new_order().encode());
    let expected = [
        ("kind", json!("new_order_single")),
        ("side", json!("sell")),
        ("ord_type", json!("limit")),
        ("time_in_force", json!("immediate_or_cancel")),
        ("price", json!("101.25")),
        ("order_qty", json!("300")),
        ("instrument_id", json!(5)),
        ("strategy_id", json!(3)),
        ("reject_reason", json!("price_collar")),
        ("cl_ord_id", json!(ClOrdId::new(0, 2, 3, 7).unwrap().to_string())),
    ];
    for (key, expected) in expected {
        assert_eq!(value[key], expected, "{key} of {value}");
    }
}

#[test]
fn every_ring_kind_has_its_fields() {
    let header = MarketDataHeader {
        kind: MarketDataKind::TopOfBook as u8,
        side: Side::Buy as u8,
        validity: BookValidity::Trusted as u8,
        trading_status: TradingStatus::Trading as u8,
        instrument_id: InstrumentId(1),
        channel_sequence: 9,
        ..MarketDataHeader::default()
    };
    let top = TopOfBook { header, price: Price(100_000_000), qty: Qty(200_000_000) };
    let value = message(RingKind::MarketData, &MarketData::TopOfBook(top).encode());
    assert_eq!(
        (&value["kind"], &value["price"], &value["channel_sequence"]),
        (&json!("top_of_book"), &json!("1"), &json!(9))
    );
    let report = ExecutionReport {
        kind: ExecutionKind::ExecutionReport as u8,
        side: Side::Buy as u8,
        ord_status: OrdStatus::PartiallyFilled as u8,
        exec_type: ExecType::Trade as u8,
        cl_ord_id: ClOrdId(77),
        last_qty: Qty(5_000_000_000),
        journal_sequence: 41,
        ..ExecutionReport::default()
    };
    let value = message(RingKind::Execution, &Execution::Report(report).encode());
    assert_eq!((&value["exec_type"], &value["last_qty"]), (&json!("trade"), &json!("50")));
    assert_eq!((&value["ord_status"], &value["journal_sequence"]), (&json!("partially_filled"), &json!(41)));
    let control = Control { kind: ControlKind::Arm as u8, role: Role::Strategy as u8, index: 2, ..Control::default() };
    let value = message(RingKind::Control, &control.encode());
    assert_eq!((&value["kind"], &value["role"], &value["index"]), (&json!("arm"), &json!("strategy"), &json!(2)));
    let step = Step { kind: StepKind::Timer as u8, now_ns: Nanos(8), ..Step::default() };
    assert_eq!(message(RingKind::Step, &step.encode())["now_ns"], json!(8));
    let chunk = WireChunk::split(WireKind::StreamSent, 0, Nanos(1), Nanos(2), b"\x01A").next().unwrap();
    let value = message(RingKind::Wire, &chunk.encode());
    assert_eq!((&value["kind"], &value["length"], &value["data"]), (&json!("stream_sent"), &json!(2), &json!("0141")));
}

#[test]
fn a_field_is_called_by_what_it_means_on_its_kind() {
    let refused = ExecutionReport {
        kind: ExecutionKind::OrderCancelReject as u8,
        side: Side::Buy as u8,
        ord_status: OrdStatus::New as u8,
        exec_type: OrderKind::OrderCancelReplaceRequest as u8,
        ..ExecutionReport::default()
    };
    let value = message(RingKind::Execution, &Execution::CancelReject(refused).encode());
    assert_eq!(value["cxl_rej_response_to"], json!("order_cancel_replace_request"), "{value}");
    assert!(value["exec_type"].is_null(), "{value}");
    let reference = Reference {
        instrument_id: InstrumentId(7),
        validity: BookValidity::Trusted,
        trading_status: TradingStatus::Trading,
        bid: Price::parse("100.06").unwrap(),
        ask: Price::parse("100.07").unwrap(),
        receive_ns: Nanos(9),
        channel_sequence: 11,
    };
    let value = message(RingKind::Step, &reference.to_step(Nanos(5)).encode());
    assert_eq!((&value["bid"], &value["ask"]), (&json!("100.06"), &json!("100.07")), "{value}");
    assert_eq!((&value["validity"], &value["trading_status"]), (&json!("trusted"), &json!("trading")));
    assert_eq!((&value["channel_sequence"], &value["receive_ns"]), (&json!(11), &json!(9)));
    let ring = RingId { kind: RingKind::Execution, writer: Role::ExecutionGateway, index: 0, gateway: 0 };
    let poll = Step { kind: StepKind::Poll as u8, ring: ring.to_u32(), value: [3, 0, 0], ..Step::default() };
    let value = message(RingKind::Step, &poll.encode());
    assert_eq!((&value["input_ring"], &value["lost"]), (&json!("execution.0"), &json!(3)), "{value}");
    let lease =
        Step { kind: StepKind::Lease as u8, code: Role::ExecutionGateway as u8, value: [1, 0, 0], ..Step::default() };
    let value = message(RingKind::Step, &lease.encode());
    assert_eq!((&value["role"], &value["held"]), (&json!("execution-gateway"), &json!(true)), "{value}");
}

#[test]
fn garbage_is_shown_and_never_a_panic() {
    for kind in RingKind::ALL {
        let words = vec![u64::MAX; kind.slot_bytes() / 8 - 1];
        let value = message(*kind, &words);
        assert!(value["error"].is_string(), "{value}");
        assert_eq!(value["words"].as_array().unwrap().len(), words.len());
        assert!(message(*kind, &[1, 2])["error"].is_string());
    }
}

#[test]
fn a_line_for_people_leaves_out_what_is_none_and_no_other_zero() {
    let line = text(&message(RingKind::OrderIntent, &new_order().encode()));
    assert!(line.starts_with("new_order_single ") && line.contains("price=101.25"), "{line}");
    assert!(!line.contains("parent_id") && line.contains(" account_id=0 "), "{line}");
    let header = MarketDataHeader { kind: MarketDataKind::DepthChange as u8, side: 1, ..MarketDataHeader::default() };
    let gone = MarketData::DepthChange(DepthChange { header, price: Price(100_000_000), qty: Qty(0) });
    let line = text(&message(RingKind::MarketData, &gone.encode()));
    assert!(line.contains(" qty=0") && line.contains(" instrument_id=0 "), "{line}");
    let arm = Control { kind: ControlKind::Arm as u8, role: Role::Strategy as u8, ..Control::default() };
    let line = text(&message(RingKind::Control, &arm.encode()));
    assert!(line.starts_with("arm ") && line.contains(" index=0 ") && line.contains(" role=strategy"), "{line}");
    let kill = Step { kind: StepKind::Kill as u8, ..Step::default() };
    let line = text(&message(RingKind::Step, &kill.encode()));
    assert!(line.contains(" generation=0"), "{line}");
}
