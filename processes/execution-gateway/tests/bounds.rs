//! No step causes more than the shell has room for, however many orders it concerns; and nothing is forgotten for it.
//!
//! The desk holds each step against the stated bounds.
#![forbid(unsafe_code)]

mod desk;

use desk::{Desk, settings};
use execution_gateway::config::{Capital, Durability, Settings};
use execution_gateway::{Gateway, Input};
use journal::Record;
use machine::Machine;
use proptest::prelude::*;
use protocols::ouch::InboundRepr;
use shm_layout::message::control::ControlKind;
use shm_layout::types::{ClOrdId, Notional, OrdStatus, RejectReason, Role};

/// Live orders of the large tests.
const ORDERS: usize = 10_000;

fn large(durability: Durability) -> Settings {
    let capital = Capital { orders_max: Some(1_000_000), notional_max: Some(Notional(i128::MAX)) };
    // A checkpoint hashes all orders; it has a test of its own.
    Settings { orders_max: 16_384, capital, checkpoint_ns: 3_600_000_000_000, ..settings(durability) }
}

/// A desk with that many orders, of which the venue has accepted every second: ids and numbers.
fn crowded() -> (Desk, Vec<(ClOrdId, u32)>) {
    let mut desk = Desk::open_with(large(Durability::L0));
    let orders = (0..ORDERS).map(|index| {
        if index % 2 == 0 {
            return desk.working(1);
        }
        let id = desk.new_order(1);
        (id, desk.last_number())
    });
    let orders = orders.collect();
    (desk, orders)
}

#[test]
fn a_kill_or_a_lost_lease_cancels_ten_thousand_orders_a_few_a_step() {
    let inputs = [
        Input::Kill { generation: 1 },
        Input::Lease { role: Role::Risk, index: 0, held: false },
        Input::Lease { role: Role::Strategy, index: 0, held: false },
    ];
    for input in inputs {
        let (mut desk, orders) = crowded();
        desk.give(input);
        assert_eq!(desk.cancelled(), [], "an input only says what is to be done");
        let mut steps = 0;
        while desk.cancelled_count() < ORDERS {
            assert!(desk.timer(), "{} of {ORDERS} cancelled, and nothing is due", desk.cancelled_count());
            steps += 1;
            if steps == 100 {
                // What the venue says meanwhile is told at once.
                desk.give_execution(orders[9_998].1, 1);
                assert_eq!(desk.status(orders[9_998].0), OrdStatus::Filled);
                break;
            }
        }
        desk.timers();
        let mut cancelled = desk.cancelled();
        cancelled.sort_unstable();
        let expected: Vec<u32> = orders.iter().map(|(_, number)| *number).filter(|n| *n != orders[9_998].1).collect();
        assert_eq!(cancelled, expected, "each live order once");
        assert!(desk.most > 16, "a step does as much as it may: {}", desk.most);
    }
}

#[test]
fn a_lost_session_puts_thousands_in_doubt_a_few_a_step_and_resolves_them_so() {
    let (mut desk, orders) = crowded();
    let connects = desk.connects;
    desk.give(Input::Disconnected);
    desk.now = desk.now.plus(10_000_000_000);
    while desk.gateway().counters().in_doubt < ORDERS as u64 / 2 {
        assert_eq!(desk.connects, connects, "doubts are told before the next session");
        assert!(desk.timer());
    }
    desk.timers();
    assert_eq!(desk.connects, connects + 1);
    // The venue took the first 8,000 numbers, and the acceptances are lost for good.
    desk.reconnect(orders[8_000].1);
    let counters = desk.gateway().counters();
    assert_eq!((counters.voided, counters.unresolved), (1_000, 4_000));
    assert!(desk.gateway().session_open());
    let status = |index: usize| desk.status(orders[index].0);
    assert_eq!([7_999, 8_000, 8_001].map(status), [OrdStatus::Unknown, OrdStatus::New, OrdStatus::Rejected]);
    desk.check_fold();
}

#[test]
fn a_kill_voids_ten_thousand_orders_that_wait_for_the_disk() {
    let mut desk = Desk::open_with(large(Durability::L2));
    let first = desk.new_order(1);
    for _ in 1..ORDERS {
        desk.new_order(1);
    }
    desk.give(Input::Kill { generation: 1 });
    assert_eq!(desk.status(first), OrdStatus::PendingNew);
    // They become durable now, and none of them leaves.
    desk.give(Input::Durable { journal_sequence: u64::MAX });
    desk.timers();
    assert_eq!((desk.gateway().orders().live_count(), desk.gateway().counters().not_sent), (0, ORDERS as u64));
    assert_eq!(desk.reason(), RejectReason::GatewayKilled);
    assert!(!desk.wire.iter().any(|message| matches!(message, InboundRepr::EnterOrder(_))));
    desk.check_fold();
}

#[test]
fn what_became_durable_together_leaves_a_few_a_step() {
    let mut desk = Desk::open_with(large(Durability::L2));
    for _ in 0..1_000 {
        desk.new_order(1);
    }
    desk.give(Input::Durable { journal_sequence: desk.gateway().journal_sequence() });
    assert_eq!(desk.gateway().counters().orders_sent, 0);
    desk.timers();
    assert_eq!(desk.gateway().counters().orders_sent, 1_000);
    let intents = desk.journal.iter().filter(|record| matches!(record, Record::Intent(_))).count();
    assert_eq!(intents, 1_000);
    desk.check_fold();
}

/// The densest read that there can be: whole messages of nothing but a type.
#[test]
fn a_read_of_the_smallest_frames_stays_in_its_bound() {
    let mut desk = Desk::open();
    let before = desk.outputs.len();
    desk.bytes(&[0, 1, b'S'].repeat(execution_gateway::io::RECEIVE_BYTES / 3));
    let caused = desk.outputs.len() - before;
    assert!((execution_gateway::io::RECEIVE_BYTES / 3..=Gateway::OUTPUTS_MAX).contains(&caused), "{caused}");
}

fn act(desk: &mut Desk, action: u8, pick: usize, orders: &mut Vec<(ClOrdId, u32)>) {
    let picked = orders.get(pick % orders.len().max(1)).copied();
    match (action, picked) {
        (0..=4, _) => {
            let id = desk.new_order(10);
            if let Some(order) = desk.gateway().orders().get(id).filter(|order| !order.is_terminal()) {
                let id = order.cl_ord_id;
                let number = desk.journal.iter().rev().find_map(|record| match record {
                    Record::Intent(intent) => Some(intent.user_ref_num),
                    _ => None,
                });
                orders.push((id, number.expect("its intent is journaled")));
            }
        }
        (5, Some((id, number))) => desk.accepted(number, 10, id),
        (6, Some((_, number))) => desk.executed(number, 3, pick as u64),
        (7, Some((id, _))) => drop(desk.cancel(id)),
        (8, Some((id, _))) => drop(desk.replace(id, 20)),
        (9, Some((_, number))) => desk.canceled(number, 10),
        (10, _) => desk.input(Input::Kill { generation: (pick % 2) as u64 }),
        (11, _) => desk.input(Input::Lease { role: Role::Risk, index: 0, held: pick.is_multiple_of(2) }),
        (12, _) => desk.input(Input::Lease { role: Role::Strategy, index: 0, held: pick.is_multiple_of(2) }),
        (13, _) => desk.input(Input::Disconnected),
        (14, _) => {
            let connects = desk.connects;
            desk.wait(40_000_000_000);
            if desk.connects > connects {
                desk.reconnect(1 + pick as u32 % 100);
            }
        }
        (15, _) => desk.input(Input::Durable { journal_sequence: desk.gateway().journal_sequence() }),
        (16, _) => desk.input(Input::Journal { available: pick.is_multiple_of(2) }),
        (17, _) => desk.control(ControlKind::CancelAll),
        _ => desk.wait(pick as u64 * 1_000_000),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// The desk counts the outputs of every step; and however the work is cut, what is told folds to what is held.
    #[test]
    fn no_step_exceeds_its_bound(
        durable: bool,
        crowd in 0_usize..64,
        script in prop::collection::vec((0_u8..19, any::<u16>()), 1..80),
    ) {
        let mut desk = Desk::open_with(settings(if durable { Durability::L2 } else { Durability::L0 }));
        let mut orders = Vec::new();
        for pick in 0..crowd {
            act(&mut desk, 0, pick, &mut orders);
        }
        for (action, pick) in script {
            act(&mut desk, action, usize::from(pick), &mut orders);
        }
        desk.check_fold();
    }
}
