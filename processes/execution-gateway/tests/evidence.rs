//! Evidence that comes late, twice, or not at all; owners that come back; and who is answered.
#![forbid(unsafe_code)]

mod desk;

use desk::{Desk, SHARE, executed, replaced, settings};
use execution_gateway::Input;
use execution_gateway::config::Durability;
use journal::Record;
use journal::record::SessionEvent;
use protocols::ouch::{self, InboundRepr, OutboundRepr};
use shm_layout::message::control::ControlKind;
use shm_layout::message::order::{NewOrderSingle, OrderCancelRequest, OrderKind, OrderRequest};
use shm_layout::types::{ClOrdId, InstrumentId, OrdStatus, Price, Qty, RejectReason, Role};

/// Numbers that cancels named.
fn cancelled(desk: &Desk) -> Vec<u32> {
    let number = |m: &InboundRepr| if let InboundRepr::CancelOrder(c) = m { Some(c.user_ref_num) } else { None };
    desk.wire.iter().filter_map(number).collect()
}

fn broken(user_ref_num: u32, match_number: u64) -> OutboundRepr {
    OutboundRepr::BrokenTrade(ouch::BrokenTradeRepr {
        timestamp_ns: 1,
        user_ref_num,
        match_number,
        reason: b'E',
        cl_ord_id: protocols::Alpha::BLANK,
    })
}

fn probe(desk: &Desk) -> ouch::EnableOrderEntryRepr {
    match desk.wire.last() {
        Some(InboundRepr::EnableOrderEntry(probe)) => *probe,
        other => panic!("a probe is out, not {other:?}"),
    }
}

fn probe_answer(probe: ouch::EnableOrderEntryRepr) -> OutboundRepr {
    OutboundRepr::EnableOrderEntryResponse(ouch::EnableOrderEntryResponseRepr {
        timestamp_ns: 1,
        user_ref_num: probe.user_ref_num,
        firm: probe.firm,
    })
}

#[test]
fn a_sweep_that_an_old_order_keeps_going_does_not_reach_new_ones() {
    let mut desk = Desk::open();
    let (_, old) = desk.working(10);
    desk.control(ControlKind::CancelAll);
    desk.timers();
    assert_eq!(cancelled(&desk), [old]);
    // The venue has not answered yet; its owner goes on trading.
    let (new, _) = desk.working(20);
    desk.wait(50_000_000);
    assert_eq!((cancelled(&desk), desk.status(new)), (vec![old], OrdStatus::New));
    // The same after a lease that was lost and is held again, and after a fence.
    desk.input(Input::Lease { role: Role::Risk, index: 0, held: false });
    desk.input(Input::Lease { role: Role::Risk, index: 0, held: true });
    let (newest, newest_number) = desk.working(30);
    desk.wait(250_000_000);
    assert_eq!((desk.status(new), desk.status(newest)), (OrdStatus::PendingCancel, OrdStatus::New));
    assert!(!cancelled(&desk).contains(&newest_number));
    desk.check_fold();
}

#[test]
fn each_change_of_a_lease_is_journaled() {
    let mut desk = Desk::open();
    let before = desk.journal.len();
    for held in [false, false, true] {
        desk.input(Input::Lease { role: Role::Strategy, index: 1, held });
    }
    let events: Vec<_> = desk.journal[before..]
        .iter()
        .filter_map(|r| {
            if let Record::SessionEvent(e) = r { Some((e.kind, e.reason, e.next_outbound_sequence)) } else { None }
        })
        .collect();
    let strategy = Role::Strategy as u8;
    assert_eq!(events, [(SessionEvent::LEASE_LOST, strategy, 1), (SessionEvent::LEASE_HELD, strategy, 1)]);
}

#[test]
fn an_execution_that_no_position_can_hold_is_neither_journaled_nor_told() {
    let mut desk = Desk::open();
    // A venue that has lost its mind: executions of 4 billion shares, 20 of an order, until a position is over 64 bits.
    let mut match_number = 0;
    for _ in 0..3 {
        let (_, number) = desk.working(10);
        for _ in 0..20 {
            match_number += 1;
            desk.executed(number, u32::MAX, match_number);
        }
    }
    let counters = desk.gateway().counters();
    assert!(counters.fold_errors > 0, "the position is full");
    assert_eq!(counters.fills + counters.fold_errors, 60);
    let trades = desk.journal.iter().filter(|r| matches!(r, Record::Execution(e) if e.match_number != 0)).count();
    assert_eq!(trades as u64, counters.fills);
    // What was told folds, and the gateway holds nothing else.
    desk.check_fold();
}

#[test]
fn a_trade_is_broken_also_after_its_order_has_left_the_table() {
    let mut desk = Desk::open();
    let (first, number) = desk.working(10);
    desk.executed(number, 10, 1);
    assert_eq!(desk.status(first), OrdStatus::Filled);
    // 64 orders fit; so many later ones push it out.
    for match_number in 2..=65 {
        let (_, number) = desk.working(1);
        desk.executed(number, 1, match_number);
    }
    assert!(desk.gateway().orders().get(first).is_none());
    let position = |desk: &Desk| desk.gateway().published().position(0, InstrumentId(0)).qty;
    assert_eq!(position(&desk), Qty(74 * SHARE));
    desk.says(&broken(number, 1));
    assert_eq!((position(&desk), desk.gateway().counters().broken), (Qty(64 * SHARE), 1));
    desk.says(&broken(number, 1));
    assert_eq!(position(&desk), Qty(64 * SHARE), "once");
    // The execution itself again, and one more of the order that is gone: the first was seen, the second counts.
    desk.executed(number, 10, 1);
    assert_eq!(position(&desk), Qty(64 * SHARE));
    desk.executed(number, 5, 99);
    assert_eq!(position(&desk), Qty(69 * SHARE));
    desk.check_fold();
}

#[test]
fn a_number_lost_with_one_connection_is_void_although_the_next_ones_used_up_higher_numbers() {
    let mut desk = Desk::open();
    let id = desk.new_order(10);
    let number = desk.last_number();
    desk.input(Input::Disconnected);
    desk.wait(600_000_000);
    desk.input(Input::Connected);
    desk.accept_login(2);
    desk.query_answer(number);
    let first = probe(&desk);
    // This connection is lost too, after the venue has taken the probe.
    desk.input(Input::Disconnected);
    desk.wait(600_000_000);
    desk.input(Input::Connected);
    desk.accept_login(3);
    desk.says(&probe_answer(first));
    desk.query_answer(first.user_ref_num + 1);
    assert_eq!(desk.status(id), OrdStatus::Unknown);
    let second = probe(&desk);
    desk.says(&probe_answer(second));
    assert_eq!((desk.status(id), desk.reason()), (OrdStatus::Rejected, RejectReason::SessionDown));
    assert!(desk.gateway().session_open());
    desk.check_fold();
}

#[test]
fn what_the_venue_says_it_took_stays_in_doubt_without_evidence() {
    let mut desk = Desk::open();
    let id = desk.new_order(10);
    let number = desk.last_number();
    desk.input(Input::Disconnected);
    desk.wait(600_000_000);
    desk.input(Input::Connected);
    desk.accept_login(2);
    desk.query_answer(number + 1);
    let probe = probe(&desk);
    desk.says(&probe_answer(probe));
    assert_eq!((desk.status(id), desk.gateway().counters().unresolved), (OrdStatus::Unknown, 1));
    assert!(desk.gateway().session_open());
    // Its evidence comes at last.
    desk.accepted(number, 10, id);
    assert_eq!(desk.status(id), OrdStatus::New);
    desk.check_fold();
}

#[test]
fn a_refusal_goes_to_its_sender_and_names_no_other_s_order() {
    let mut desk = Desk::open();
    let (victim, _) = desk.working(10);
    let cancel = OrderCancelRequest {
        header: desk.header(OrderKind::OrderCancelRequest, 1),
        orig_cl_ord_id: victim,
        ..OrderCancelRequest::default()
    };
    desk.request(OrderRequest::OrderCancelRequest(cancel));
    let report = desk.last_report();
    assert_eq!((report.strategy_id, report.cl_ord_id), (1, cancel.header.cl_ord_id));
    assert_eq!((desk.reason(), report.orig_cl_ord_id), (RejectReason::GatewayUnknownOrder, ClOrdId::NONE));
    assert_eq!(desk.status(victim), OrdStatus::New);
    desk.check_fold();
}

#[test]
fn evidence_under_a_number_that_does_not_fit_has_no_effect() {
    let mut desk = Desk::open();
    let (id, number) = desk.working(100);
    let (other, other_number) = desk.working(50);
    let new_id = desk.replace(id, 90);
    let new_number = desk.last_number();
    let illegal = |desk: &Desk| desk.gateway().counters().illegal;
    let before = illegal(&desk);
    // Replaced under another order's number, or of another original.
    desk.says(&replaced(number, other_number, 90, new_id));
    desk.says(&replaced(other_number, new_number, 90, new_id));
    // A cancel of the number that is not working yet.
    desk.canceled(new_number, 100);
    assert_eq!(illegal(&desk), before + 3);
    assert_eq!((desk.status(id), desk.status(other)), (OrdStatus::PendingReplace, OrdStatus::New));
    desk.says(&replaced(number, new_number, 90, new_id));
    assert_eq!(desk.status(new_id), OrdStatus::New);
    // The old number is gone: only executions are believed under it.
    desk.canceled(number, 90);
    assert_eq!((illegal(&desk), desk.status(new_id)), (before + 4, OrdStatus::New));
    desk.says(&executed(number, 10, 7));
    assert_eq!(desk.status(new_id), OrdStatus::PartiallyFilled);
    desk.check_fold();
}

#[test]
fn a_full_table_of_live_orders_refuses_and_recovers() {
    let mut desk = Desk::open_with(settings(Durability::L0));
    let first = desk.working(1);
    for _ in 1..64 {
        desk.working(1);
    }
    let new = NewOrderSingle {
        header: desk.header(OrderKind::NewOrderSingle, 0),
        price: Price(10 * SHARE),
        order_qty: Qty(SHARE),
        ..NewOrderSingle::default()
    };
    desk.request(OrderRequest::NewOrderSingle(new));
    assert_eq!(desk.reason(), RejectReason::GatewayCapacity);
    desk.canceled(first.1, 1);
    desk.working(1);
    desk.check_fold();
}

/// Row 44 of the fault matrix: the venue's messages in every order, each of them twice, and the executions count once.
#[test]
fn evidence_in_any_order_and_twice_counts_once() {
    for order in 0..24_usize {
        let mut desk = Desk::open();
        let id = desk.new_order(10);
        let number = desk.last_number();
        let mut left = vec![0, 1, 2, 3];
        let picks = [order % 4, order / 4 % 3, order / 12, 0].map(|pick| left.remove(pick));
        for message in picks.into_iter().flat_map(|message| [message, message]) {
            match message {
                0 => desk.accepted(number, 10, id),
                1 => desk.executed(number, 3, 1),
                2 => desk.executed(number, 4, 2),
                _ => desk.canceled(number, 3),
            }
        }
        let position = desk.gateway().published().position(0, InstrumentId(0)).qty;
        assert_eq!((position, desk.gateway().counters().fills), (Qty(7 * SHARE), 2), "{picks:?}");
        desk.check_fold();
    }
}

/// Row 46: a cancel that nobody asked for, in part and in whole.
#[test]
fn a_cancel_that_nobody_asked_for_is_taken() {
    let mut desk = Desk::open();
    let (id, number) = desk.working(10);
    desk.canceled(number, 4);
    assert_eq!(desk.gateway().orders().get(id).unwrap().leaves_qty, Qty(6 * SHARE));
    desk.executed(number, 2, 1);
    desk.canceled(number, 4);
    assert_eq!((desk.status(id), desk.last_report().leaves_qty), (OrdStatus::Canceled, Qty(0)));
    desk.check_fold();
}
