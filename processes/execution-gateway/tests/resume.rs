//! A second life on the same venue day: what the first one did is neither done again nor forgotten.
#![forbid(unsafe_code)]

mod desk;

use desk::{Desk, SHARE};
use journal::Record;
use protocols::ouch::{self, InboundRepr, OutboundRepr};
use shm_layout::message::control::ControlKind;
use shm_layout::types::{InstrumentId, OrdStatus, Qty, RejectReason};

fn position(desk: &Desk) -> Qty {
    desk.gateway().published().position(0, InstrumentId(0)).qty
}

fn answer_probe(desk: &mut Desk) {
    let Some(InboundRepr::EnableOrderEntry(probe)) = desk.wire.last().cloned() else { panic!("a probe is out") };
    desk.says(&OutboundRepr::EnableOrderEntryResponse(ouch::EnableOrderEntryResponseRepr {
        timestamp_ns: 1,
        user_ref_num: probe.user_ref_num,
        firm: probe.firm,
    }));
}

#[test]
fn a_second_life_goes_on_where_the_journal_ends() {
    let mut desk = Desk::open();
    let (partly, partly_number) = desk.working(10);
    desk.executed(partly_number, 4, 1);
    let (_, filled_number) = desk.working(5);
    desk.executed(filled_number, 5, 2);
    let lost = desk.new_order(7);
    let lost_number = desk.last_number();
    // Login's query answer, two acceptances, two executions.
    let mut desk = desk.second_life();
    assert_eq!(desk.login_request(), ("SESSION001".to_owned(), 6));
    desk.accept_login(6);
    assert_eq!(desk.status(lost), OrdStatus::Unknown);
    // Nobody watched what it left: it is cancelled; the venue's cancel-on-disconnect had been there first.
    desk.wait(20_000_000);
    assert!(desk.wire.iter().any(|m| matches!(m, InboundRepr::CancelOrder(c) if c.user_ref_num == partly_number)));
    desk.canceled(partly_number, 6);
    // A new order is refused while the past is open.
    desk.new_order(1);
    assert_eq!(desk.reason(), RejectReason::SessionDown);
    desk.says(&OutboundRepr::AccountQueryResponse(ouch::AccountQueryResponseRepr {
        timestamp_ns: 1,
        next_user_ref_num: lost_number,
    }));
    answer_probe(&mut desk);
    assert!(desk.gateway().session_open());
    assert_eq!((desk.status(partly), desk.status(lost)), (OrdStatus::Canceled, OrdStatus::Rejected));
    // What was executed before is known: told again it counts once, broken it is found.
    desk.executed(filled_number, 5, 2);
    assert_eq!((position(&desk), desk.gateway().counters().repeated_executions), (Qty(9 * SHARE), 1));
    desk.says(&OutboundRepr::BrokenTrade(ouch::BrokenTradeRepr {
        timestamp_ns: 1,
        user_ref_num: filled_number,
        match_number: 2,
        reason: b'E',
        cl_ord_id: protocols::Alpha::BLANK,
    }));
    assert_eq!(position(&desk), Qty(4 * SHARE));
    let (new, number) = desk.working(3);
    assert!(number > lost_number, "numbers are never used twice");
    assert_eq!((desk.status(new), desk.gateway().counters().adopted), (OrdStatus::New, 0));
    desk.check_fold();
}

#[test]
fn a_message_that_was_journaled_and_not_acted_on_is_asked_for_again() {
    let mut desk = Desk::open();
    let (_, number) = desk.working(10);
    desk.executed(number, 4, 1);
    // The gateway died after the raw record, before the effect.
    let raw = desk.journal.iter().rposition(|record| matches!(record, Record::VenueMessage(_))).unwrap();
    desk.journal.truncate(raw + 1);
    let told = |execution: &shm_layout::message::execution::Execution| execution.journal_sequence() <= raw as u64 + 1;
    desk.published.retain(told);
    let mut desk = desk.second_life();
    assert_eq!(desk.login_request().1, 3, "the execution has sequence 3");
    desk.accept_login(3);
    desk.executed(number, 4, 1);
    assert_eq!(position(&desk), Qty(4 * SHARE));
    desk.check_fold();
    // A third life has both, once.
    let mut desk = desk.second_life();
    assert_eq!(desk.login_request().1, 4);
    desk.accept_login(4);
    desk.executed(number, 4, 1);
    assert_eq!(position(&desk), Qty(4 * SHARE));
    desk.check_fold();
}

#[test]
fn another_session_of_the_venue_begins_at_its_beginning() {
    for refused in [true, false] {
        let mut desk = Desk::open();
        let (old, number) = desk.working(10);
        desk.executed(number, 4, 1);
        let mut desk = desk.second_life();
        if refused {
            desk.frame(b'J', b"S");
        } else {
            // The same name, and less of it than was received: a venue that began again.
            desk.accept_login(1);
        }
        assert!(!desk.gateway().session_open());
        desk.wait(600_000_000);
        desk.input(execution_gateway::Input::Connected);
        assert_eq!(desk.login_request(), (String::new(), 1));
        desk.accept_login(1);
        desk.says(&OutboundRepr::AccountQueryResponse(ouch::AccountQueryResponseRepr {
            timestamp_ns: 1,
            next_user_ref_num: 1,
        }));
        assert!(desk.gateway().session_open(), "refused {refused}: {:?}", desk.wire);
        // The old session's order is nobody's number now, and is shown as it was last known.
        desk.executed(number, 6, 1);
        assert_eq!((position(&desk), desk.status(old)), (Qty(4 * SHARE), OrdStatus::PartiallyFilled));
        // It has no number to cancel it by.
        desk.cancel(old);
        assert_eq!(desk.reason(), RejectReason::GatewayUnknownOrder);
        desk.control(ControlKind::CancelAll);
        desk.wait(200_000_000);
        assert_eq!(desk.status(old), OrdStatus::PartiallyFilled);
        desk.check_fold();
    }
}
