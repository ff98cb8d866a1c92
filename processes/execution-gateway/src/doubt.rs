//! Orders in doubt: what a lost session left open, and how the venue's evidence settles it.
//!
//! After the replay the venue's next number tells which requests it never took, but only the reply to the probe, which has
//! a higher number, proves that nothing of the old connection can still arrive. It never guesses: what the evidence does
//! not settle stays `Unknown`.

use crate::backlog::Walk;
use crate::io::{Output, SendTag};
use crate::machine::Gateway;
use crate::session::Phase;
use journal::record::SessionEvent;
use machine::Nanos;
use orders::order::{Event, LiveState, Order, Outcome};
use orders::table::Row;
use protocols::ouch::{EnableOrderEntryRepr, InboundRepr};
use shm_layout::message::order::{OrderCancelReplaceRequest, OrderKind};
use shm_layout::types::RejectReason;

const fn in_doubt(order: &Order) -> bool {
    matches!(order.state, LiveState::Unknown) || order.replace.is_some() || order.cancel.is_some()
}

impl Gateway {
    /// The session is lost. What was in flight is in doubt; what works, works on until the venue says otherwise
    /// (cancel-on-disconnect may have acted: the replay will tell).
    pub(crate) fn doubt(&mut self, now: Nanos, row: Row, emit: &mut impl FnMut(Output)) {
        let stamps = self.stamps(RejectReason::None);
        if let Some(Outcome::Report { .. }) = self.apply_counted(now, row, &Event::SessionLost, &stamps, 0, emit) {
            self.counters.in_doubt += 1;
        }
        let own = |untold: &(u32, OrderCancelReplaceRequest)| self.orders.find(untold.1.orig_cl_ord_id) == Some(row);
        let Some((number, replace)) = self.backlog.untold.take_if(|untold| own(untold)) else { return };
        let (cl_ord_id, order_qty, price) = (replace.header.cl_ord_id, replace.order_qty, replace.price);
        let event = Event::ReplaceRequested { cl_ord_id, order_qty, price };
        let stamps = self.stamps(RejectReason::None);
        if self.apply_counted(now, row, &event, &stamps, 0, emit).is_some() {
            self.chains[row.index()].replacing = number;
        }
    }

    /// The answer to the query: everything sent before it on this session has been answered.
    pub(crate) fn on_query_answer(&mut self, now: Nanos, venue_next: u32) {
        if self.session.phase != Phase::Querying {
            return;
        }
        self.refs.advance(venue_next);
        self.session.phase = Phase::Surveying;
        self.backlog.begin(now, Walk::Survey { venue_next, doubts: false });
    }

    /// Notes the venue's next number beside an order in doubt; true when it is one. What the venue said first stands: a
    /// later query also counts the probes of sessions that were lost again.
    pub(crate) fn survey(&mut self, row: Row, venue_next: u32) -> bool {
        let doubtful = in_doubt(self.orders.order(row));
        let chain = &mut self.chains[row.index()];
        chain.venue_next = match (doubtful, chain.venue_next) {
            (false, _) => 0,
            (true, 0) => venue_next,
            (true, first) => first,
        };
        doubtful
    }

    pub(crate) fn on_surveyed(&mut self, now: Nanos, doubts: bool, emit: &mut impl FnMut(Output)) {
        if !doubts {
            self.open(now, emit);
            return;
        }
        let Ok(probe) = self.next_user_ref_num() else {
            self.refuse_session(now, emit);
            return;
        };
        self.refs.take_session(probe);
        self.session.await_answer(now, self.settings.timing, Phase::Probing(probe));
        let message = EnableOrderEntryRepr { user_ref_num: probe, firm: self.settings.firm };
        self.send(now, &InboundRepr::EnableOrderEntry(message), SendTag::Session, emit);
    }

    /// The answer to a request with a higher number: what the venue had not taken before it, it never will.
    pub(crate) const fn on_probe_answer(&mut self, now: Nanos, user_ref_num: u32) {
        if let Phase::Probing(probe) = self.session.phase
            && probe == user_ref_num
        {
            self.session.phase = Phase::Resolving;
            self.backlog.begin(now, Walk::Resolve);
        }
    }

    /// Voids what of an order the venue never took: its number is not below the one that the venue expected.
    pub(crate) fn resolve(&mut self, now: Nanos, row: Row, emit: &mut impl FnMut(Output)) {
        let chain = self.chains[row.index()];
        let order = *self.orders.order(row);
        // Without the venue's word nothing is void.
        let never_taken = |number: u32| chain.venue_next != 0 && number >= chain.venue_next;
        let stamps = self.stamps(RejectReason::SessionDown);
        if order.state == LiveState::Unknown {
            if never_taken(chain.root) {
                self.counters.voided += 1;
                self.apply_counted(now, row, &Event::NotSent(OrderKind::NewOrderSingle), &stamps, 0, emit);
            } else {
                self.counters.unresolved += 1;
            }
            return;
        }
        if order.replace.is_some() && never_taken(chain.replacing) {
            self.counters.voided += 1;
            self.chains[row.index()].replacing = 0;
            self.apply_counted(now, row, &Event::NotSent(OrderKind::OrderCancelReplaceRequest), &stamps, 0, emit);
        }
        if order.cancel.is_some() {
            // A cancel has no number of its own: sending it again is harmless, and its answer ends the doubt.
            self.send_cancels(now, row, emit);
        }
        self.chains[row.index()].venue_next = 0;
    }

    /// The past is settled: new orders may be taken.
    pub(crate) fn open(&mut self, now: Nanos, emit: &mut impl FnMut(Output)) {
        self.session.opened();
        self.session_event(now, SessionEvent::RECONCILED, 0, 0, emit);
    }
}
