//! The checker sees what it is there to see: each violation, made on purpose, is one.
#![forbid(unsafe_code)]

use journal::Record;
use journal::record::Kill;
use protocols::Alpha;
use protocols::ouch::{EnterOrderRepr, InboundRepr};
use shm_layout::message::order::{NewOrderSingle, OrderHeader, OrderKind, OrderRequest};
use shm_layout::message::step::Reference;
use shm_layout::types::*;
use sim::checker::Checker;
use std::panic::{AssertUnwindSafe, catch_unwind};
use strategy::machine::Input;

fn id(counter: u32) -> ClOrdId {
    ClOrdId::new(0, 1, 0, counter).unwrap()
}

fn order(counter: u32) -> OrderRequest {
    let header = OrderHeader {
        kind: OrderKind::NewOrderSingle as u8,
        side: Side::Buy as u8,
        ord_type: OrdType::Limit as u8,
        time_in_force: TimeInForce::Day as u8,
        cl_ord_id: id(counter),
        ..OrderHeader::default()
    };
    OrderRequest::NewOrderSingle(NewOrderSingle { header, ..NewOrderSingle::default() })
}

/// The frame of an order on its way to the venue.
fn frame(user_ref_num: u32, counter: u32) -> Vec<u8> {
    let message = InboundRepr::EnterOrder(EnterOrderRepr {
        user_ref_num,
        side: b'B',
        quantity: 1,
        symbol: Alpha::padded(b"AAAA").unwrap(),
        price: 1,
        time_in_force: b'0',
        display: b'Y',
        capacity: b'P',
        intermarket_sweep: b'N',
        cross_type: b'N',
        cl_ord_id: Alpha::padded(&id(counter).to_text()).unwrap(),
    });
    let mut bytes = [0; 128];
    bytes[2] = b'U';
    let length = message.encode_into(&mut bytes[3..]).unwrap();
    bytes[..2].copy_from_slice(&(length as u16 + 1).to_be_bytes());
    bytes[..3 + length].to_vec()
}

/// The message of the violation that `act` is.
fn violation(checker: &mut Checker, act: impl FnOnce(&mut Checker)) -> String {
    let result = catch_unwind(AssertUnwindSafe(|| act(checker)));
    let panic = result.expect_err("a violation that was not seen");
    panic.downcast_ref::<String>().cloned().expect("a message")
}

#[test]
fn orders_without_intent_twice_or_after_a_kill_are_seen() {
    let mut checker = Checker::default();
    assert!(violation(&mut checker, |c| c.sent(Nanos(1), &frame(1, 1))).contains("I1"));

    let mut checker = Checker::default();
    checker.journaled(&Record::intent(&order(1), 1, 0, Nanos(1)));
    assert!(violation(&mut checker, |c| c.sent(Nanos(1), &frame(1, 2))).contains("I1"), "another order's intent");

    let mut checker = Checker::default();
    checker.journaled(&Record::intent(&order(1), 1, 0, Nanos(1)));
    checker.sent(Nanos(1), &frame(1, 1));
    assert!(violation(&mut checker, |c| c.sent(Nanos(2), &frame(1, 1))).contains("I2"));

    let mut checker = Checker::default();
    checker.journaled(&Record::intent(&order(1), 1, 0, Nanos(1)));
    checker.journaled(&Record::Kill(Kill { generation_sum: 1, engaged: 1, now_ns: Nanos(1) }));
    assert!(violation(&mut checker, |c| c.sent(Nanos(2), &frame(1, 1))).contains("I8"));
    checker.journaled(&Record::Kill(Kill { generation_sum: 0, engaged: 0, now_ns: Nanos(1) }));
    checker.sent(Nanos(3), &frame(1, 1));
}

#[test]
fn an_order_on_a_book_that_is_not_trusted_is_seen() {
    let mut checker = Checker::default();
    assert!(violation(&mut checker, |c| c.intent(Nanos(1), 0, &order(1))).contains("I6"));
    let mut reference = Reference {
        instrument_id: InstrumentId(0),
        validity: BookValidity::Trusted,
        trading_status: TradingStatus::Trading,
        bid: Price(1),
        ask: Price(2),
        receive_ns: Nanos(1),
        channel_sequence: 1,
    };
    checker.strategy_was_told(0, &Input::Reference(reference));
    checker.intent(Nanos(1), 0, &order(1));
    reference.validity = BookValidity::Recovering;
    checker.strategy_was_told(0, &Input::Reference(reference));
    assert!(violation(&mut checker, |c| c.intent(Nanos(1), 0, &order(2))).contains("I6"));
    reference.validity = BookValidity::Trusted;
    checker.strategy_was_told(0, &Input::Reference(reference));
    checker.strategy_was_told(0, &Input::MarketDataLapped);
    assert!(violation(&mut checker, |c| c.intent(Nanos(1), 0, &order(2))).contains("I6"));
}
