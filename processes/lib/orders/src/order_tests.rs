//! The order state machine against scripted races and its invariants.

use super::*;
use shm_layout::message::order::OrderHeader;

const ONE: i64 = 100_000_000;

fn qty(shares: i64) -> Qty {
    Qty(shares * ONE)
}

fn px(dollars: i64) -> Price {
    Price(dollars * ONE)
}

fn order() -> Order {
    let header = OrderHeader { cl_ord_id: ClOrdId(100), side: Side::Buy as u8, ..OrderHeader::default() };
    Order::new(&NewOrderSingle { header, price: px(10), order_qty: qty(100), ..NewOrderSingle::default() })
}

fn after(events: &[Event]) -> Order {
    let mut order = order();
    for event in events {
        order.apply(event).unwrap_or_else(|illegal| panic!("{event:?}: {illegal}"));
    }
    order
}

const ACCEPTED: Event = Event::Accepted { order_qty: Qty(100 * ONE), price: Price(10 * ONE), dead: false };

fn executed(shares: i64) -> Event {
    Event::Executed { qty: qty(shares), px: px(10) }
}

fn cancel() -> Event {
    Event::CancelRequested { cl_ord_id: ClOrdId(200) }
}

fn replace(shares: i64) -> Event {
    Event::ReplaceRequested { cl_ord_id: ClOrdId(300), order_qty: qty(shares), price: px(11) }
}

fn replaced(leaves: i64) -> Event {
    Event::Replaced { leaves_qty: qty(leaves), price: px(11), dead: false }
}

/// Every live state with every set of requests in flight, and every terminal state, by a name.
fn positions() -> Vec<(&'static str, Order)> {
    let lost = Event::SessionLost;
    vec![
        ("P", after(&[])),
        ("Pc", after(&[cancel()])),
        ("Pr", after(&[replace(50)])),
        ("Prc", after(&[replace(50), cancel()])),
        ("U", after(&[lost])),
        ("Uc", after(&[lost, cancel()])),
        ("Ur", after(&[replace(50), lost])),
        ("Urc", after(&[replace(50), cancel(), lost])),
        ("W", after(&[ACCEPTED, executed(10)])),
        ("Wc", after(&[ACCEPTED, executed(10), cancel()])),
        ("Wr", after(&[ACCEPTED, executed(10), replace(50)])),
        ("Wrc", after(&[ACCEPTED, executed(10), replace(50), cancel()])),
        ("F", after(&[ACCEPTED, executed(100)])),
        ("C", after(&[ACCEPTED, executed(10), Event::Canceled { decrement: qty(90) }])),
        ("R", after(&[Event::Rejected])),
        ("E", after(&[ACCEPTED, Event::Expired])),
    ]
}

/// The table of the module's header as text, written apart from the code: for every event the positions where it is legal.
#[test]
fn legal_pairs_are_exactly_those_listed() {
    const LIVE: &str = "P Pc Pr Prc U Uc Ur Urc W Wc Wr Wrc";
    const ALL: &str = "P Pc Pr Prc U Uc Ur Urc W Wc Wr Wrc F C R E";
    use OrderKind::{NewOrderSingle as New, OrderCancelReplaceRequest as Replace, OrderCancelRequest as Cancel};
    let restated = Event::Restated { leaves_qty: qty(5), price: px(9) };
    let broken = |reinstated| Event::Broken { qty: qty(10), px: px(10), reinstated };
    let listed: [(Event, &str); 23] = [
        (Event::Sent(New), "P Pc Pr Prc"),
        (Event::Sent(Cancel), "Pc Prc Uc Urc Wc Wrc"),
        (Event::Sent(Replace), "Pr Prc Ur Urc Wr Wrc"),
        (Event::NotSent(New), "P Pc Pr Prc U Uc Ur Urc"),
        (Event::NotSent(Cancel), "Pc Prc Uc Urc Wc Wrc"),
        (Event::NotSent(Replace), "Pr Prc Ur Urc Wr Wrc"),
        (ACCEPTED, "P Pc Pr Prc U Uc Ur Urc"),
        (Event::Rejected, "P Pc Pr Prc U Uc Ur Urc"),
        (cancel(), "P Pr U Ur W Wr"),
        (replace(60), "P W"),
        (Event::Canceled { decrement: qty(90) }, "W Wc Wr Wrc"),
        (Event::Canceled { decrement: qty(100) }, "P Pc Pr Prc U Uc Ur Urc"),
        (Event::Canceled { decrement: qty(1) }, "W Wc Wr Wrc"),
        (Event::Expired, LIVE),
        (replaced(40), "Wr Wrc"),
        (Event::CancelRejected(Cancel), "Pc Prc Uc Urc Wc Wrc F C R E"),
        (Event::CancelRejected(Replace), "Pr Prc Ur Urc Wr Wrc F C R E"),
        (executed(1), ALL),
        (Event::Executed { qty: Qty(0), px: px(1) }, ""),
        (broken(false), "W Wc Wr Wrc F C"),
        (broken(true), "W Wc Wr Wrc F"),
        (restated, "W Wc Wr Wrc"),
        (Event::SessionLost, ALL),
    ];
    for (event, legal) in listed {
        let legal: Vec<&str> = legal.split_whitespace().collect();
        for (name, start) in positions() {
            let mut order = start;
            let result = order.apply(&event);
            assert_eq!(result.is_ok(), legal.contains(&name), "{event:?} in {name}: {result:?}");
            if result.is_err() {
                assert_eq!(order, start, "an illegal event changed the order");
            }
        }
    }
}

#[test]
fn status_follows_the_fix_precedence() {
    let expected = [
        ("P", OrdStatus::PendingNew),
        ("Pc", OrdStatus::PendingCancel),
        ("Pr", OrdStatus::PendingReplace),
        ("Prc", OrdStatus::PendingCancel),
        ("U", OrdStatus::Unknown),
        ("Uc", OrdStatus::Unknown),
        ("Ur", OrdStatus::Unknown),
        ("Urc", OrdStatus::Unknown),
        ("W", OrdStatus::PartiallyFilled),
        ("Wc", OrdStatus::PendingCancel),
        ("Wr", OrdStatus::PendingReplace),
        ("Wrc", OrdStatus::PendingCancel),
        ("F", OrdStatus::Filled),
        ("C", OrdStatus::Canceled),
        ("R", OrdStatus::Rejected),
        ("E", OrdStatus::Expired),
    ];
    for ((name, order), (expected_name, status)) in positions().into_iter().zip(expected) {
        assert_eq!((name, order.ord_status()), (expected_name, status));
    }
    assert_eq!(after(&[ACCEPTED]).ord_status(), OrdStatus::New);
}

/// FIX 4.4 appendix D, D.2: a fill while a replace is pending, then the replace to a quantity below what is executed.
#[test]
fn a_replace_to_less_than_is_executed_fills_the_order() {
    let mut order = after(&[ACCEPTED, replace(50), executed(60)]);
    assert_eq!((order.ord_status(), order.cl_ord_id), (OrdStatus::PendingReplace, ClOrdId(100)));
    let outcome = order.apply(&replaced(0)).unwrap();
    assert!(matches!(outcome, Outcome::Report { exec_type: ExecType::Replaced, orig_cl_ord_id: ClOrdId(100), .. }));
    assert_eq!((order.ord_status(), order.cl_ord_id, order.order_qty), (OrdStatus::Filled, ClOrdId(300), qty(60)));
}

#[test]
fn races_end_as_the_evidence_says() {
    // Fill before the acknowledgement.
    let order = after(&[executed(40), ACCEPTED]);
    assert_eq!((order.ord_status(), order.leaves_qty), (OrdStatus::PartiallyFilled, qty(60)));
    let order = after(&[executed(100), ACCEPTED]);
    assert_eq!(order.ord_status(), OrdStatus::Filled);
    // Cancel against fill: the fill wins, the reject changes nothing.
    let order = after(&[ACCEPTED, cancel(), executed(100), Event::CancelRejected(OrderKind::OrderCancelRequest)]);
    assert_eq!(order.ord_status(), OrdStatus::Filled);
    // A cancel reject restores what was underneath.
    let order = after(&[ACCEPTED, executed(1), cancel(), Event::CancelRejected(OrderKind::OrderCancelRequest)]);
    assert_eq!(order.ord_status(), OrdStatus::PartiallyFilled);
    // In doubt, then void by evidence; in doubt, then alive.
    assert_eq!(
        after(&[Event::SessionLost, Event::NotSent(OrderKind::NewOrderSingle)]).ord_status(),
        OrdStatus::Rejected
    );
    assert_eq!(after(&[Event::SessionLost, ACCEPTED]).ord_status(), OrdStatus::New);
    // A bust of the only fill; a bust that works again.
    let bust = |reinstated| Event::Broken { qty: qty(100), px: px(10), reinstated };
    let order = after(&[ACCEPTED, executed(100), bust(false)]);
    assert_eq!((order.ord_status(), order.cum_qty, order.cum_notional), (OrdStatus::Canceled, qty(0), Notional(0)));
    let order = after(&[ACCEPTED, executed(100), bust(true)]);
    assert_eq!((order.ord_status(), order.leaves_qty), (OrdStatus::New, qty(100)));
    // Accepted and dead at once (OUCH 5.0 state D).
    let order = after(&[Event::Accepted { order_qty: qty(100), price: px(10), dead: true }]);
    assert_eq!((order.ord_status(), order.leaves_qty), (OrdStatus::Canceled, qty(0)));
}

#[test]
fn evidence_beats_belief_and_is_marked() {
    let mut order = after(&[ACCEPTED, cancel(), Event::Canceled { decrement: qty(100) }]);
    let Outcome::Report { anomaly, .. } = order.apply(&executed(30)).unwrap() else { panic!("a trade is reported") };
    assert_eq!((anomaly, order.cum_qty, order.ord_status()), (Some(Anomaly::LateFill), qty(30), OrdStatus::Canceled));
    let mut order = after(&[ACCEPTED]);
    let Outcome::Report { anomaly, .. } = order.apply(&executed(101)).unwrap() else { panic!("a trade is reported") };
    assert_eq!((anomaly, order.cum_qty, order.order_qty), (Some(Anomaly::Overfill), qty(101), qty(101)));
}
