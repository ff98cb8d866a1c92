//! The gateway's machine against a scripted venue: races, kill, fences, leases, doubt, hostile bytes.
#![forbid(unsafe_code)]

mod desk;

use desk::{Desk, SHARE, accepted, executed, framed, replaced, settings};
use execution_gateway::config::{Capital, Durability};
use execution_gateway::{Gateway, Input, Output, effects};
use journal::Record;
use machine::Stepper;
use proptest::prelude::*;
use protocols::ouch::InboundRepr;
use shm_layout::message::control::ControlKind;
use shm_layout::message::order::{NewOrderSingle, OrderKind, OrderRequest};
use shm_layout::topology::RingId;
use shm_layout::types::{ClOrdId, Nanos, OrdStatus, Price, Qty, RejectReason, Role};

#[test]
fn an_order_is_journaled_sent_reported_accepted_and_filled() {
    let mut desk = Desk::open();
    let before = desk.outputs.len();
    let id = desk.new_order(100);
    let kinds: Vec<&str> = desk.outputs[before..]
        .iter()
        .map(|output| match output {
            Output::Journal { record: Record::Intent(_), .. } => "intent",
            Output::Journal { record: Record::Execution(_), .. } => "report record",
            Output::Journal { record: Record::Sent(_), .. } => "sent",
            Output::Send(_) => "send",
            Output::Publish(_) => "publish",
            _ => "other",
        })
        .collect();
    assert_eq!(kinds, ["intent", "send", "report record", "publish", "sent"]);
    assert_eq!(desk.status(id), OrdStatus::PendingNew);
    let number = desk.last_number();
    let Some(InboundRepr::EnterOrder(enter)) = desk.wire.last() else { panic!("an order is out") };
    assert_eq!((enter.side, enter.quantity, enter.price, enter.time_in_force), (b'B', 100, 100_000, b'0'));
    assert_eq!(enter.cl_ord_id.trimmed(), id.to_text());
    desk.accepted(number, 100, id);
    desk.executed(number, 40, 1);
    assert_eq!(desk.status(id), OrdStatus::PartiallyFilled);
    desk.executed(number, 60, 2);
    let report = desk.last_report();
    assert_eq!((desk.status(id), report.cum_qty, report.leaves_qty), (OrdStatus::Filled, Qty(100 * SHARE), Qty(0)));
    assert_eq!(report.last_px, Price(10 * SHARE));
    desk.check_fold();
}

#[test]
fn an_execution_counts_once_and_a_late_fill_counts_too() {
    let mut desk = Desk::open();
    let (id, number) = desk.working(100);
    desk.executed(number, 40, 7);
    desk.executed(number, 40, 7);
    assert_eq!(desk.gateway().counters().repeated_executions, 1);
    desk.cancel(id);
    desk.canceled(number, 60);
    assert_eq!(desk.status(id), OrdStatus::Canceled);
    desk.executed(number, 10, 8);
    assert_eq!(desk.gateway().orders().get(id).unwrap().cum_qty, Qty(50 * SHARE));
    assert_eq!(desk.gateway().counters().anomalies, 1);
    desk.check_fold();
}

#[test]
fn a_fill_before_the_ack_and_a_dead_acceptance_are_taken() {
    let mut desk = Desk::open();
    let id = desk.new_order(100);
    let number = desk.last_number();
    desk.executed(number, 30, 1);
    desk.accepted(number, 100, id);
    assert_eq!(desk.status(id), OrdStatus::PartiallyFilled);
    let dead = desk.new_order(5);
    let number = desk.last_number();
    desk.says(&accepted(number, 5, dead, b'D'));
    assert!(desk.status(dead).is_terminal());
    desk.check_fold();
}

#[test]
fn a_replace_moves_the_order_to_its_new_id_and_number() {
    let mut desk = Desk::open();
    let (id, number) = desk.working(100);
    desk.executed(number, 30, 1);
    let new_id = desk.replace(id, 150);
    let new_number = desk.last_number();
    assert_eq!(desk.status(id), OrdStatus::PendingReplace);
    // A fill while the replace is pending, under the old number.
    desk.executed(number, 20, 2);
    desk.says(&replaced(number, new_number, 100, new_id));
    let order = *desk.gateway().orders().get(new_id).unwrap();
    assert_eq!(
        (order.order_qty, order.leaves_qty, order.cum_qty),
        (Qty(150 * SHARE), Qty(100 * SHARE), Qty(50 * SHARE))
    );
    assert_eq!(order.price, Price(11 * SHARE));
    desk.cancel(new_id);
    let Some(InboundRepr::CancelOrder(cancel)) = desk.wire.last() else { panic!("a cancel is out") };
    assert_eq!((cancel.user_ref_num, cancel.quantity), (new_number, 0));
    desk.canceled(new_number, 100);
    assert!(desk.status(new_id).is_terminal());
    desk.check_fold();
}

#[test]
fn a_cancel_during_a_replace_names_both_numbers() {
    let mut desk = Desk::open();
    let (id, number) = desk.working(100);
    desk.replace(id, 90);
    let new_number = desk.last_number();
    desk.cancel(id);
    let cancels: Vec<u32> = desk
        .wire
        .iter()
        .filter_map(|m| if let InboundRepr::CancelOrder(c) = m { Some(c.user_ref_num) } else { None })
        .collect();
    assert_eq!(cancels, [number, new_number]);
    desk.check_fold();
}

#[test]
fn a_second_replace_or_cancel_in_flight_is_refused_and_the_order_lives() {
    let mut desk = Desk::open();
    let (id, _) = desk.working(100);
    desk.replace(id, 90);
    desk.replace(id, 80);
    assert_eq!(desk.reason(), RejectReason::RequestInFlight);
    desk.cancel(id);
    desk.cancel(id);
    assert_eq!(desk.reason(), RejectReason::RequestInFlight);
    desk.cancel(ClOrdId(77));
    assert_eq!(desk.reason(), RejectReason::GatewayUnknownOrder);
    assert_eq!(desk.status(id), OrdStatus::PendingCancel);
    desk.check_fold();
}

fn order(desk: &mut Desk, change: impl FnOnce(&mut NewOrderSingle)) {
    let mut new = NewOrderSingle {
        header: desk.header(OrderKind::NewOrderSingle, 0),
        price: Price(10 * SHARE),
        order_qty: Qty(SHARE),
        ..NewOrderSingle::default()
    };
    change(&mut new);
    desk.request(OrderRequest::NewOrderSingle(new));
}

#[test]
fn tokens_ids_and_values_are_judged_before_the_wire() {
    let mut desk = Desk::open();
    let (first, _) = desk.working(1);
    let sent = desk.wire.len();
    order(&mut desk, |new| new.header.cl_ord_id = ClOrdId::new(0, 0, 0, 900).unwrap());
    assert_eq!(desk.reason(), RejectReason::Fenced);
    order(&mut desk, |new| new.header.risk_sequence = 1);
    assert_eq!(desk.reason(), RejectReason::RiskToken);
    order(&mut desk, |new| new.header.risk_epoch = 9);
    assert_eq!(desk.reason(), RejectReason::RiskToken);
    order(&mut desk, |new| new.price = Price(10 * SHARE + 1));
    assert_eq!(desk.reason(), RejectReason::NotEncodable);
    order(&mut desk, |new| new.price = Price(200_000 * SHARE));
    assert_eq!(desk.reason(), RejectReason::NotEncodable);
    order(&mut desk, |new| new.order_qty = Qty(SHARE / 2));
    assert_eq!(desk.reason(), RejectReason::NotEncodable);
    order(&mut desk, |new| new.header.reject_reason = RejectReason::PriceCollar as u16);
    assert_eq!((desk.reason(), desk.last_report().ord_status), (RejectReason::PriceCollar, OrdStatus::Rejected as u8));
    // The id of a live order: dropped, since an answer would be taken for that order's.
    let published = desk.published.len();
    order(&mut desk, |new| new.header.cl_ord_id = first);
    assert_eq!((desk.published.len(), desk.gateway().counters().misidentified), (published, 1));
    assert_eq!(desk.wire.len(), sent, "nothing left");
    assert_eq!(desk.status(first), OrdStatus::New);
    desk.check_fold();
}

/// Of several reasons the first is told: id, token, kill, session, journal, leases; then what the order asks for; then the
/// capital limit, which counts only what leaves.
#[test]
fn reasons_have_an_order() {
    let mut limits = settings(Durability::L0);
    limits.capital = Capital { orders_max: Some(0), notional_max: None };
    let mut desk = Desk::open_with(limits);
    for (role, index) in [(Role::Risk, 0), (Role::Strategy, 0)] {
        desk.input(Input::Lease { role, index, held: false });
    }
    desk.input(Input::Journal { available: false });
    desk.input(Input::Disconnected);
    desk.input(Input::Kill { generation: 1 });
    // Everything is wrong with it; what is cured comes off the front.
    let told = |desk: &mut Desk, id: bool, token: bool, price: i64| {
        order(desk, |new| {
            new.price = Price(price);
            if !id {
                new.header.cl_ord_id = ClOrdId::new(0, 0, 0, 900).unwrap();
            }
            if !token {
                new.header.risk_epoch = 9;
            }
        });
        desk.reason()
    };
    assert_eq!(told(&mut desk, false, false, 1), RejectReason::Fenced);
    assert_eq!(told(&mut desk, true, false, 1), RejectReason::RiskToken);
    assert_eq!(told(&mut desk, true, true, 1), RejectReason::GatewayKilled);
    desk.input(Input::Kill { generation: 0 });
    assert_eq!(told(&mut desk, true, true, 1), RejectReason::SessionDown);
    desk.wait(600_000_000);
    desk.reconnect(1);
    assert_eq!(told(&mut desk, true, true, 1), RejectReason::JournalUnavailable);
    desk.input(Input::Journal { available: true });
    assert_eq!(told(&mut desk, true, true, 1), RejectReason::RiskLease);
    desk.input(Input::Lease { role: Role::Risk, index: 0, held: true });
    assert_eq!(told(&mut desk, true, true, 1), RejectReason::StrategyLease);
    desk.input(Input::Lease { role: Role::Strategy, index: 0, held: true });
    assert_eq!(told(&mut desk, true, true, 1), RejectReason::NotEncodable);
    assert_eq!(told(&mut desk, true, true, 10 * SHARE), RejectReason::CapitalLimit);
    // The same of a replace: an order that does not exist matters less than a kill.
    desk.input(Input::Kill { generation: 2 });
    desk.replace(ClOrdId(77), 5);
    assert_eq!(desk.reason(), RejectReason::GatewayKilled);
    desk.check_fold();
}

#[test]
fn a_fence_states_how_far_the_requests_were_taken() {
    let mut desk = Desk::open();
    let cursors = |desk: &Desk| {
        let (.., sequence) = *desk.fences.last().unwrap();
        let Record::Fence(fence) = &desk.journal[sequence as usize - 1] else { panic!("a fence") };
        assert!(fence.cursors[1..].iter().all(|cursor| (cursor.ring, cursor.cursor) == (0, 0)));
        (RingId::from_u32(fence.cursors[0].ring).unwrap().name(), fence.cursors[0].cursor)
    };
    assert_eq!(cursors(&desk).1, 0, "before the first request");
    for _ in 0..3 {
        desk.new_order(1);
    }
    desk.entry_sequence += 1;
    desk.input(Input::Entry { sequence: 4, request: Err(shm_layout::message::BadMessage::Kind(0)) });
    desk.epoch(Role::Strategy, 0, 2);
    assert_eq!(cursors(&desk), ("order_entry.0".to_owned(), 4));
    desk.new_order(1);
    desk.epoch(Role::Risk, 0, 2);
    assert_eq!(cursors(&desk).1, 5);
}

#[test]
fn a_repeated_id_is_refused_after_its_order_is_gone() {
    let mut desk = Desk::open();
    let mut settings = settings(Durability::L0);
    settings.capital = Capital { orders_max: None, notional_max: None };
    order(&mut desk, |new| new.header.cl_ord_id = ClOrdId::new(0, 1, 0, 500).unwrap());
    desk.says(&protocols::ouch::OutboundRepr::OrderRejected(protocols::ouch::OrderRejectedRepr {
        timestamp_ns: 1,
        user_ref_num: desk.last_number(),
        reason: 1,
        cl_ord_id: protocols::Alpha::BLANK,
    }));
    order(&mut desk, |new| new.header.cl_ord_id = ClOrdId::new(0, 1, 0, 499).unwrap());
    assert_eq!(desk.reason(), RejectReason::ClOrdIdNotGreater);
    let mut blocked = Desk::open_with(settings);
    blocked.new_order(1);
    assert_eq!(blocked.reason(), RejectReason::CapitalLimit, "a missing limit blocks");
}

#[test]
fn a_kill_stops_orders_at_once_and_cancels_what_is_open() {
    let mut desk = Desk::open();
    let orders: Vec<_> = (0..20).map(|_| desk.working(10)).collect();
    desk.input(Input::Kill { generation: 3 });
    let (generation, sequence) = desk.kill_echo.expect("the kill is echoed");
    assert_eq!(generation, 3);
    assert!(matches!(desk.journal[sequence as usize - 1], Record::Kill(kill) if kill.engaged == 1));
    desk.new_order(1);
    assert_eq!(desk.reason(), RejectReason::GatewayKilled);
    desk.replace(orders[0].0, 5);
    assert_eq!(desk.reason(), RejectReason::GatewayKilled);
    desk.timers();
    let mass = desk.wire.iter().filter(|m| matches!(m, InboundRepr::MassCancel(_))).count();
    let cancels = desk.wire.iter().filter(|m| matches!(m, InboundRepr::CancelOrder(_))).count();
    assert_eq!((mass, cancels), (1, 20));
    let sent_after = desk.journal[sequence as usize..].iter().filter(|r| matches!(r, Record::Sent(_))).count();
    assert_eq!(sent_after, 0, "no order was sent after the kill record");
    for (_, number) in &orders {
        desk.canceled(*number, 10);
    }
    desk.wait(1_000_000_000);
    assert_eq!(desk.gateway().orders().live_count(), 0);
    desk.input(Input::Kill { generation: 0 });
    desk.working(1);
    desk.check_fold();
}

#[test]
fn the_shell_s_last_look_voids_an_order_that_never_left() {
    let mut desk = Desk::open();
    desk.last_look = Some(RejectReason::GatewayKilled);
    let id = desk.new_order(10);
    assert_eq!((desk.status(id), desk.reason()), (OrdStatus::Rejected, RejectReason::GatewayKilled));
    assert!(desk.journal.iter().any(|record| matches!(record, Record::NotSent(_))));
    assert!(!desk.journal.iter().any(|record| matches!(record, Record::Sent(_))));
    desk.check_fold();
}

#[test]
fn a_fence_refuses_the_dead_and_cancels_what_they_left() {
    let mut desk = Desk::open();
    let (_, number) = desk.working(10);
    desk.epoch(Role::Strategy, 0, 2);
    let (role, index, epoch, sequence) = *desk.fences.last().unwrap();
    assert_eq!((role, index, epoch), (Role::Strategy, 0, 2));
    assert!(matches!(desk.journal[sequence as usize - 1], Record::Fence(_)));
    desk.new_order(1);
    assert_eq!(desk.reason(), RejectReason::Fenced, "its id is of epoch 1");
    desk.timers();
    assert!(matches!(desk.wire.last(), Some(InboundRepr::CancelOrder(c)) if c.user_ref_num == number));
    // Risk's fence: tokens of its old epoch are void.
    desk.epoch(Role::Risk, 0, 2);
    order(&mut desk, |new| new.header.cl_ord_id = ClOrdId::new(0, 2, 0, 1).unwrap());
    assert_eq!(desk.reason(), RejectReason::Fenced);
    desk.risk_epoch = 2;
    order(&mut desk, |new| new.header.cl_ord_id = ClOrdId::new(0, 2, 0, 2).unwrap());
    assert_eq!(desk.last_report().ord_status, OrdStatus::PendingNew as u8);
    // The control ring read again from its start: no second fence.
    let fences = desk.fences.len();
    desk.epoch(Role::Strategy, 0, 2);
    desk.epoch(Role::Risk, 0, 1);
    assert_eq!(desk.fences.len(), fences);
    desk.check_fold();
}

#[test]
fn a_lost_lease_cancels_its_owner_s_orders_and_no_other_s() {
    let mut desk = Desk::open();
    let (_, first) = desk.working(10);
    let other = NewOrderSingle {
        header: desk.header(OrderKind::NewOrderSingle, 1),
        price: Price(9 * SHARE),
        order_qty: Qty(SHARE),
        ..NewOrderSingle::default()
    };
    desk.request(OrderRequest::NewOrderSingle(other));
    let second = desk.last_number();
    desk.accepted(second, 1, other.header.cl_ord_id);
    desk.input(Input::Lease { role: Role::Strategy, index: 0, held: false });
    desk.timers();
    let cancelled = |desk: &Desk| -> Vec<u32> {
        let number = |m: &InboundRepr| if let InboundRepr::CancelOrder(c) = m { Some(c.user_ref_num) } else { None };
        desk.wire.iter().filter_map(number).collect()
    };
    assert_eq!(cancelled(&desk), [first]);
    desk.new_order(1);
    assert_eq!(desk.reason(), RejectReason::StrategyLease);
    desk.input(Input::Lease { role: Role::Risk, index: 0, held: false });
    desk.timers();
    assert_eq!(cancelled(&desk), [first, second]);
    desk.check_fold();
}

#[test]
fn a_lost_session_is_doubt_until_the_venue_has_spoken() {
    let mut desk = Desk::open();
    let taken = desk.new_order(10);
    let taken_number = desk.last_number();
    let lost = desk.new_order(20);
    let lost_number = desk.last_number();
    desk.input(Input::Disconnected);
    assert_eq!((desk.status(taken), desk.status(lost)), (OrdStatus::Unknown, OrdStatus::Unknown));
    desk.new_order(1);
    assert_eq!(desk.reason(), RejectReason::SessionDown);
    desk.wait(600_000_000);
    desk.input(Input::Connected);
    // The venue had taken the first only: its acceptance is replayed before the query's answer.
    let sequence = 2;
    desk.accept_login(sequence);
    desk.accepted(taken_number, 10, taken);
    assert_eq!(desk.status(taken), OrdStatus::New);
    desk.query_answer(lost_number);
    assert!(!desk.gateway().session_open(), "the probe is out");
    assert_eq!(desk.status(lost), OrdStatus::Unknown, "not yet proven");
    let Some(InboundRepr::EnableOrderEntry(probe)) = desk.wire.last().cloned() else { panic!("a probe is out") };
    assert!(probe.user_ref_num > lost_number);
    desk.says(&protocols::ouch::OutboundRepr::EnableOrderEntryResponse(
        protocols::ouch::EnableOrderEntryResponseRepr {
            timestamp_ns: 1,
            user_ref_num: probe.user_ref_num,
            firm: probe.firm,
        },
    ));
    assert!(desk.gateway().session_open());
    assert_eq!((desk.status(lost), desk.gateway().counters().voided), (OrdStatus::Rejected, 1));
    desk.check_fold();
}

#[test]
fn at_l2_an_order_waits_for_the_disk_and_a_kill_overtakes_it() {
    let mut desk = Desk::open_with(settings(Durability::L2));
    let orders = |desk: &Desk| desk.wire.iter().filter(|m| matches!(m, InboundRepr::EnterOrder(_))).count();
    desk.new_order(10);
    assert_eq!(orders(&desk), 0, "it waits");
    let through = desk.gateway().journal_sequence();
    desk.input(Input::Durable { journal_sequence: through });
    assert_eq!(orders(&desk), 1);
    let id = desk.new_order(10);
    desk.input(Input::Kill { generation: 1 });
    assert_eq!((desk.status(id), orders(&desk)), (OrdStatus::Rejected, 1));
    desk.input(Input::Durable { journal_sequence: u64::MAX });
    assert_eq!(orders(&desk), 1);
    desk.check_fold();
}

#[test]
fn a_stop_cancels_everything_logs_out_and_finishes() {
    let mut desk = Desk::open();
    let (_, number) = desk.working(10);
    desk.control(ControlKind::Stop);
    desk.timers();
    assert!(!desk.finished);
    desk.canceled(number, 10);
    desk.wait(20_000_000);
    assert!(desk.finished);
    assert_eq!(desk.gateway().counters().stopped_with_live, 0);
}

#[test]
fn frames_may_be_cut_anywhere() {
    let mut whole = Desk::open();
    let id = whole.new_order(100);
    let number = whole.last_number();
    let mut stream = whole.sequenced(&accepted(number, 100, id, b'L'));
    stream.extend(whole.sequenced(&executed(number, 60, 1)));
    stream.extend(framed(b'H', &[]));
    stream.extend(whole.sequenced(&executed(number, 40, 2)));
    whole.bytes(&stream);
    assert_eq!(whole.status(id), OrdStatus::Filled);
    for cut in 1..stream.len() {
        let mut desk = Desk::open();
        let id = desk.new_order(100);
        desk.bytes(&stream[..cut]);
        desk.bytes(&stream[cut..]);
        assert_eq!(desk.status(id), OrdStatus::Filled, "cut at {cut}");
        desk.check_fold();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_bytes_break_it(reads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..8)) {
        let mut desk = Desk::open();
        desk.working(10);
        for read in &reads {
            desk.bytes(read);
        }
        desk.wait(20_000_000_000);
        desk.check_fold();
    }

    /// Sequenced messages with valid frames and any content: counted, journaled, never believed beyond its state.
    #[test]
    fn no_venue_message_breaks_it(messages in prop::collection::vec((prop::sample::select(b"AUCDEBJPITMRXGKQS".to_vec()), prop::collection::vec(any::<u8>(), 1..70), 1_u32..6), 1..40)) {
        let mut desk = Desk::open();
        let ids: Vec<_> = (0..3).map(|_| desk.new_order(50)).collect();
        for (kind, body, number) in &messages {
            let mut payload = vec![*kind];
            payload.extend(body);
            if payload.len() >= 13 {
                payload[9..13].copy_from_slice(&number.to_be_bytes());
            }
            if desk.gateway().session_open() {
                let framed = framed(b'S', &payload);
                desk.bytes(&framed);
            }
        }
        for id in ids {
            let order = *desk.gateway().orders().get(id).unwrap();
            prop_assert!(order.leaves_qty.0 >= 0 && order.cum_qty.0 >= 0);
        }
        desk.check_fold();
    }

    #[test]
    fn the_same_inputs_give_the_same_outputs(script in prop::collection::vec(0_u8..8, 1..60)) {
        let mut desk = Desk::open();
        let mut last = (ClOrdId::NONE, 0);
        for step in script {
            match step {
                0 | 1 => {
                    let id = desk.new_order(10);
                    if desk.gateway().orders().get(id).is_some() {
                        last = (id, desk.last_number());
                    }
                }
                2 => { desk.cancel(last.0); }
                3 => { desk.replace(last.0, 20); }
                4 => desk.accepted(last.1, 10, last.0),
                5 => desk.executed(last.1, 5, u64::from(last.1)),
                6 => desk.canceled(last.1, 5),
                _ => desk.epoch(Role::Strategy, 1, 2),
            }
        }
        desk.check_fold();
        let mut again = Stepper::new(Gateway::new(settings(Durability::L0), 0), Nanos(0));
        let mut outputs = Vec::new();
        for (now, input) in &desk.steps {
            let mut emit = |output| outputs.push(output);
            match input {
                Some(input) => { again.input(*now, input, &mut emit); }
                None => { prop_assert_eq!(again.timer(*now, &mut emit), Some(*now)); }
            }
        }
        prop_assert_eq!(outputs, desk.outputs);
    }

    #[test]
    fn effects_round_trip(number in any::<u32>(), at in any::<u32>(), index in 0_u8..8, held: bool) {
        let now = Nanos(9);
        let inputs = [
            Input::Connected,
            Input::Disconnected,
            Input::Sent { user_ref_num: number, send_ns: Nanos(u64::from(at)), write_ns: 1 },
            Input::NotSent { user_ref_num: number, reason: RejectReason::RiskLease },
            Input::Durable { journal_sequence: u64::from(at) },
            Input::Journal { available: held },
            Input::Kill { generation: u64::from(at) },
            Input::Lease { role: Role::Risk, index, held },
        ];
        for input in inputs {
            let step = effects::to_step(&input, now).unwrap();
            prop_assert_eq!(format!("{:?}", effects::from_step(&step).unwrap()), format!("{input:?}"));
        }
    }
}
