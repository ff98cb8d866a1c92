//! Conditions against messages made by hand.

use super::*;
use shm_layout::message::execution::{Execution, ExecutionReport};
use shm_layout::message::market_data::{MarketData, MarketDataHeader, TopOfBook};
use shm_layout::types::{ExecType, InstrumentId, OrdStatus, Side};

const fn ring(kind: RingKind, writer: Role) -> RingId {
    RingId { kind, writer, index: 0, gateway: 0 }
}

fn filter(texts: &[&str]) -> Result<Filter, Failure> {
    Filter::parse(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>(), None)
}

#[test]
fn conditions_are_joined_by_and() {
    let id = ClOrdId::new(0, 1, 2, 9).unwrap();
    let orig = ClOrdId::new(0, 1, 2, 8).unwrap();
    let report = ExecutionReport {
        kind: 1,
        side: Side::Sell as u8,
        ord_status: OrdStatus::New as u8,
        exec_type: ExecType::Replaced as u8,
        strategy_id: 2,
        cl_ord_id: id,
        orig_cl_ord_id: orig,
        instrument_id: InstrumentId(3),
        ..ExecutionReport::default()
    };
    let (execution, words) = (ring(RingKind::Execution, Role::ExecutionGateway), Execution::Report(report).encode());
    let holds = |texts: &[&str]| filter(texts).unwrap().matches(execution, &words);
    let by_id = format!("cl_ord_id={id}");
    let by_orig = format!("ClOrdID={}", orig.to_string().to_lowercase());
    assert!(
        holds(&[]) && holds(&["kind=ExecutionReport", "instrument=3", "strategy=2", "side=sell", &by_id, &by_orig])
    );
    for wrong in ["kind=order_cancel_reject", "instrument=2", "strategy=3", "side=buy", "cl_ord_id=0000000000001"] {
        assert!(!holds(&[wrong]) && !holds(&["instrument=3", wrong]), "{wrong}");
    }
    let checkpoint = [3_u64, 0, id.0, 3, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0];
    assert!(!filter(&["instrument=3"]).unwrap().matches(execution, &checkpoint), "a checkpoint has no instrument");
    assert!(!filter(&[]).unwrap().matches(execution, &[1, 2]), "a payload of another size is no message");
}

#[test]
fn market_data_has_an_instrument_and_no_strategy() {
    let header = MarketDataHeader { kind: 1, side: 1, instrument_id: InstrumentId(7), ..MarketDataHeader::default() };
    let words = MarketData::TopOfBook(TopOfBook { header, ..TopOfBook::default() }).encode();
    let market_data = ring(RingKind::MarketData, Role::FeedHandler);
    let holds = |text: &str| filter(&[text]).unwrap().matches(market_data, &words);
    assert!(holds("instrument=7") && holds("kind=TopOfBook") && holds("side=buy"));
    assert!(!holds("strategy=0") && !holds("kind=Trade") && !holds("kind=NewOrderSingle"));
}

#[test]
fn what_is_unknown_is_refused_with_what_is_known() {
    let refused = |text: &str| filter(&[text]).expect_err(text);
    for (text, words) in [
        ("price=3", ["unknown key", "instrument", "cl_ord_id"]),
        ("kind=Fill", ["unknown kind", "NewOrderSingle", "TopOfBook"]),
        ("instrument=AAAA", ["symbol", "row", "--instance"]),
        ("cl_ord_id=12", ["no ClOrdID", "13", "base-36"]),
        ("strategy=fast", ["no strategy", "number", "0"]),
        ("kind", ["no key=value", "kind", "strategy"]),
    ] {
        let failure = refused(text);
        assert_eq!(failure.code, 2);
        assert!(words.iter().all(|word| failure.message.contains(word)), "{text}: {failure}");
    }
}
