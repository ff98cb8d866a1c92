//! The gateway dies after each of its outputs, in the middle of a step, and its next life meets the venue that has what had
//! left by then (rows 3 to 7 of the fault matrix): nothing is sent twice, lost, counted twice, or left open.
#![forbid(unsafe_code)]

mod desk;

use desk::{Desk, SHARE, accepted, executed, framed, replaced};
use protocols::ouch::{self, InboundRepr, OutboundRepr};
use shm_layout::types::{ClOrdId, InstrumentId, Qty};
use std::collections::BTreeMap;

/// A venue that accepts every order, executes 4 shares of it at once, and remembers what it said.
struct Venue {
    said: Vec<OutboundRepr>,
    delivered: usize,
    /// Messages of the desk's wire that it has read.
    read: usize,
    next_number: u32,
    open: BTreeMap<u32, u32>,
    bought: i64,
}

impl Venue {
    /// One that a desk has logged in at: it has answered the query.
    fn new(desk: &Desk) -> Self {
        let answer = ouch::AccountQueryResponseRepr { timestamp_ns: 1, next_user_ref_num: 1 };
        let said = vec![OutboundRepr::AccountQueryResponse(answer)];
        Self { said, delivered: 1, read: desk.wire.len(), next_number: 1, open: BTreeMap::new(), bought: 0 }
    }

    fn cancel(&mut self, user_ref_num: u32) {
        if let Some(decrement) = self.open.remove(&user_ref_num) {
            let canceled = ouch::OrderCanceledRepr { timestamp_ns: 1, user_ref_num, decrement, reason: b'U' };
            self.said.push(OutboundRepr::OrderCanceled(canceled));
        }
    }

    fn take(&mut self, message: &InboundRepr) {
        match message {
            InboundRepr::EnterOrder(enter) => {
                let number = enter.user_ref_num;
                assert!(number >= self.next_number, "the venue would ignore {number}");
                self.next_number = number + 1;
                let id = ClOrdId::from_text(enter.cl_ord_id.trimmed()).unwrap();
                self.said.push(accepted(number, enter.quantity, id, b'L'));
                self.said.push(executed(number, 4, u64::from(number)));
                self.bought += 4;
                self.open.insert(number, enter.quantity - 4);
            }
            InboundRepr::ReplaceOrder(replace) => {
                let (number, orig) = (replace.user_ref_num, replace.orig_user_ref_num);
                assert!(number >= self.next_number, "the venue would ignore {number}");
                if self.open.remove(&orig).is_some() {
                    self.next_number = number + 1;
                    let left = replace.quantity - 4;
                    let id = ClOrdId::from_text(replace.cl_ord_id.trimmed()).unwrap();
                    self.said.push(replaced(orig, number, left, id));
                    self.open.insert(number, left);
                }
            }
            InboundRepr::CancelOrder(cancel) => self.cancel(cancel.user_ref_num),
            InboundRepr::AccountQuery(_) => {
                let answer = ouch::AccountQueryResponseRepr { timestamp_ns: 1, next_user_ref_num: self.next_number };
                self.said.push(OutboundRepr::AccountQueryResponse(answer));
            }
            InboundRepr::EnableOrderEntry(probe) => {
                let (user_ref_num, firm) = (probe.user_ref_num, probe.firm);
                self.next_number = user_ref_num + 1;
                let answer = ouch::EnableOrderEntryResponseRepr { timestamp_ns: 1, user_ref_num, firm };
                self.said.push(OutboundRepr::EnableOrderEntryResponse(answer));
            }
            other => panic!("{other:?}"),
        }
    }

    /// Reads what was sent, and answers for as long as there is something to say to a gateway that lives.
    fn serve(&mut self, desk: &mut Desk) {
        loop {
            while let Some(message) = desk.wire.get(self.read).cloned() {
                self.read += 1;
                self.take(&message);
            }
            if desk.is_dead() || self.delivered == self.said.len() {
                return;
            }
            let mut payload = [0; 128];
            let length = self.said[self.delivered].encode_into(&mut payload).unwrap();
            self.delivered += 1;
            desk.bytes(&framed(b'S', &payload[..length]));
        }
    }
}

/// Trades, dies after `outputs` outputs, and lives again; true when the script was over before.
fn dies_after(outputs: usize, cancels_on_disconnect: bool) -> bool {
    let mut desk = Desk::open();
    let mut venue = Venue::new(&desk);
    desk.dies_after(outputs);
    let first = desk.new_order(10);
    venue.serve(&mut desk);
    desk.new_order(7);
    desk.cancel(first);
    venue.serve(&mut desk);
    let third = desk.new_order(10);
    venue.serve(&mut desk);
    desk.replace(third, 12);
    venue.serve(&mut desk);
    let survived = !desk.is_dead();
    // What had left is read; then the venue sees the end of the connection.
    venue.serve(&mut desk);
    if cancels_on_disconnect {
        venue.open.clone().into_keys().for_each(|number| venue.cancel(number));
    }
    let mut desk = desk.second_life();
    let (_, sequence) = desk.login_request();
    (venue.read, venue.delivered) = (0, sequence as usize - 1);
    desk.accept_login(sequence);
    venue.serve(&mut desk);
    desk.wait(20_000_000);
    venue.serve(&mut desk);
    let gateway = desk.gateway();
    assert!(gateway.session_open(), "after {outputs} outputs: {:?}", desk.wire);
    assert_eq!((gateway.orders().live_count(), venue.open.len()), (0, 0), "after {outputs} outputs");
    let position = gateway.published().position(0, InstrumentId(0)).qty;
    assert_eq!(position, Qty(venue.bought * SHARE), "after {outputs} outputs");
    assert_eq!(gateway.counters().adopted, 0);
    desk.check_journal();
    // It trades again, under numbers that the venue takes.
    desk.new_order(9);
    venue.serve(&mut desk);
    assert_eq!(desk.gateway().orders().live_count(), 1);
    survived
}

#[test]
fn each_death_is_survived() {
    for cancels_on_disconnect in [false, true] {
        let deaths = (0..1_000).take_while(|outputs| !dies_after(*outputs, cancels_on_disconnect)).count();
        // Two orders: intent, send, report; sent mark; acceptance and execution with their raw records; a cancel.
        assert!(deaths > 25, "{deaths}");
    }
}
