//! A venue that refuses, or does not answer: how often it is asked, and what becomes of the orders.
#![forbid(unsafe_code)]

mod desk;

use desk::{Desk, SHARE, executed, settings};
use execution_gateway::Input;
use execution_gateway::config::Durability;
use journal::Record;
use journal::record::SessionEvent;
use protocols::ouch::InboundRepr;
use shm_layout::types::{OrdStatus, Qty, RejectReason};

const MS: u64 = 1_000_000;

/// Milliseconds until the gateway connects again, in steps of 100.
fn until_connect(desk: &mut Desk) -> u64 {
    let connects = desk.connects;
    (1..=1_000)
        .find(|_| {
            desk.wait(100 * MS);
            desk.connects > connects
        })
        .expect("it connects again")
        * 100
}

#[test]
fn refused_logins_come_ever_more_seldom_until_a_session_opens() {
    let mut desk = Desk::new(settings(Durability::L0));
    desk.timers();
    let mut waits = Vec::new();
    for _ in 0..9 {
        desk.input(Input::Connected);
        desk.frame(b'J', b"A");
        waits.push(until_connect(&mut desk));
    }
    assert_eq!(waits, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 32_000, 32_000]);
    assert_eq!(desk.gateway().counters().logins_refused, 9);
    let refused = |record: &&Record| matches!(record, Record::SessionEvent(e) if (e.kind, e.reason) == (SessionEvent::REFUSED, b'A'));
    assert_eq!(desk.journal.iter().filter(refused).count(), 9);
    // A connection that cannot be made is no refusal, and no pardon either.
    desk.input(Input::Disconnected);
    assert_eq!(until_connect(&mut desk), 32_000);
    desk.reconnect(1);
    assert!(desk.gateway().session_open());
    desk.input(Input::Disconnected);
    assert_eq!(until_connect(&mut desk), 500);
}

#[test]
fn a_venue_that_does_not_answer_the_query_or_the_probe_is_left_and_doubts_stay() {
    let mut desk = Desk::open();
    let id = desk.new_order(10);
    let number = desk.last_number();
    desk.input(Input::Disconnected);
    for (round, probed) in [false, true, false].into_iter().enumerate() {
        until_connect(&mut desk);
        desk.input(Input::Connected);
        desk.accept_login(2 + u64::from(round > 1));
        if probed {
            desk.query_answer(number);
            assert!(matches!(desk.wire.last(), Some(InboundRepr::EnableOrderEntry(_))));
        }
        // It is alive all the while, and says nothing to the purpose.
        for _ in 0..14 {
            desk.wait(1_000 * MS);
            desk.frame(b'H', &[]);
            assert_eq!(desk.gateway().counters().unanswered, round as u64);
        }
        desk.wait(1_100 * MS);
        let counters = desk.gateway().counters();
        assert_eq!(
            (counters.unanswered, counters.silences, desk.status(id)),
            (round as u64 + 1, 0, OrdStatus::Unknown)
        );
        desk.new_order(1);
        assert_eq!(desk.reason(), RejectReason::SessionDown);
    }
    until_connect(&mut desk);
    desk.reconnect(number);
    assert_eq!((desk.status(id), desk.gateway().session_open()), (OrdStatus::Rejected, true));
    desk.check_fold();
}

/// A blackhole (row 40 of the fault matrix): nothing arrives any more, and nobody says so.
#[test]
fn a_silent_venue_is_given_up_within_its_time() {
    let mut desk = Desk::open();
    let id = desk.new_order(10);
    desk.wait(14_900 * MS);
    assert_eq!((desk.gateway().counters().silences, desk.status(id)), (0, OrdStatus::PendingNew));
    desk.wait(200 * MS);
    assert_eq!((desk.gateway().counters().silences, desk.status(id)), (1, OrdStatus::Unknown));
}

/// A reset in the middle of a message (row 41): wherever it is cut, the message is asked for again and counts once.
#[test]
fn a_connection_that_is_cut_in_a_message_gets_it_whole_on_the_next() {
    let length = Desk::open().sequenced(&executed(1, 4, 1)).len();
    for cut in 0..=length {
        let mut desk = Desk::open();
        let (id, number) = desk.working(10);
        let message = desk.sequenced(&executed(number, 4, 1));
        desk.bytes(&message[..cut]);
        desk.input(Input::Disconnected);
        desk.wait(600 * MS);
        desk.input(Input::Connected);
        let (_, sequence) = desk.login_request();
        // The query's answer, the acceptance, the execution.
        assert_eq!(sequence, if cut < length { 3 } else { 4 });
        desk.accept_login(sequence);
        if sequence == 3 {
            desk.bytes(&message);
        }
        desk.query_answer(number + 1);
        assert_eq!(desk.gateway().orders().get(id).unwrap().cum_qty, Qty(4 * SHARE), "cut at {cut}");
        assert!(desk.gateway().session_open());
        desk.check_fold();
    }
}
