//! How often an order is cancelled by a sweep: once a session, and again on evidence only.
#![forbid(unsafe_code)]

mod desk;

use desk::{Desk, accepted};
use execution_gateway::Input;
use protocols::ouch::{self, OutboundRepr};
use shm_layout::message::control::ControlKind;
use shm_layout::types::OrdStatus;

const MS: u64 = 1_000_000;

/// An order that stays in doubt for ever: the venue says that it took it, and never speaks of it again.
fn unknown() -> (Desk, shm_layout::types::ClOrdId, u32) {
    let mut desk = Desk::open();
    let id = desk.new_order(10);
    let number = desk.last_number();
    desk.input(Input::Disconnected);
    desk.wait(600 * MS);
    desk.reconnect(number + 1);
    assert_eq!(desk.status(id), OrdStatus::Unknown);
    (desk, id, number)
}

#[test]
fn an_order_that_the_venue_never_speaks_of_is_cancelled_once_a_session() {
    let (mut desk, _, number) = unknown();
    desk.control(ControlKind::CancelAll);
    desk.wait(60_000 * MS);
    // The session has died of silence meanwhile; the sweep goes on in the next one.
    assert_eq!(desk.cancelled(), [number]);
    desk.input(Input::Disconnected);
    desk.wait(600 * MS);
    desk.reconnect(number + 1);
    assert_eq!(desk.cancelled(), [number; 2]);
    desk.wait(10_000 * MS);
    assert_eq!(desk.cancelled(), [number; 2]);
    desk.check_fold();
}

#[test]
fn evidence_after_the_cancel_is_a_reason_to_cancel_again() {
    let (mut desk, id, number) = unknown();
    desk.control(ControlKind::CancelAll);
    assert_eq!(desk.cancelled(), [number]);
    // The order was still under way and overtaken: the venue has ignored the cancel.
    desk.says(&accepted(number, 10, id, b'L'));
    assert_eq!(desk.cancelled(), [number]);
    desk.wait(200 * MS);
    assert_eq!(desk.cancelled(), [number; 2]);
    desk.wait(10_000 * MS);
    assert_eq!(desk.cancelled(), [number; 2]);
    desk.canceled(number, 10);
    assert!(desk.status(id).is_terminal());
}

#[test]
fn a_venue_that_refuses_every_cancel_is_asked_ever_more_seldom() {
    let mut desk = Desk::open();
    let (id, number) = desk.working(10);
    desk.control(ControlKind::CancelAll);
    let mut asked = 0;
    let mut at = Vec::new();
    for tenth in 0..600_u64 {
        if desk.cancelled().len() > asked {
            asked += 1;
            at.push(tenth);
            desk.says(&OutboundRepr::CancelReject(ouch::CancelRejectRepr { timestamp_ns: 1, user_ref_num: number }));
        }
        desk.wait(100 * MS);
        desk.frame(b'H', &[]);
    }
    // A round of the sweep comes each tenth of a second, so that much is by chance.
    let waits: Vec<u64> = at.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(at.len() <= 11 && waits[0] <= 2 && waits.last() >= Some(&127), "{at:?}");
    assert!(waits.windows(2).all(|pair| pair[0] <= pair[1] + 2), "{at:?}");
    assert_eq!(desk.status(id), OrdStatus::New);
    desk.check_fold();
}
