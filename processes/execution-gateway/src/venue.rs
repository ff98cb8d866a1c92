//! Evidence of the venue: each sequenced message is journaled as it came, then its effect, once.

use crate::io::Output;
use crate::machine::Gateway;
use crate::matches::Execution as Match;
use crate::user_refs::{RefKind, UserRef};
use journal::Record;
use journal::record::{Adopted, VenueMessage};
use machine::Nanos;
use orders::order::{Event, LiveState, Order, Outcome};
use orders::report::Stamps;
use orders::table::Row;
use protocols::ouch::Outbound;
use shm_layout::message::order::{NewOrderSingle, OrderKind, OrderRequest};
use shm_layout::types::{ClOrdId, InstrumentId, Notional, OrdType, Price, Qty, RejectReason, Side, TimeInForce};

/// Order state `D` on an acceptance: ended at once.
const DEAD: u8 = b'D';

impl Gateway {
    pub(crate) fn on_venue(
        &mut self,
        now: Nanos,
        receive_ns: Nanos,
        sequence: u64,
        payload: &[u8],
        emit: &mut impl FnMut(Output),
    ) {
        self.journal(Record::VenueMessage(VenueMessage::new(sequence, receive_ns, payload)), emit);
        let Ok(message) = Outbound::parse(payload) else {
            self.counters.malformed_messages += 1;
            return;
        };
        let evidence = Evidence { now, receive_ns };
        match message {
            Outbound::OrderAccepted(m) => self.on_accepted(&evidence, &m, emit),
            Outbound::OrderReplaced(m) => self.on_replaced(&evidence, &m, emit),
            Outbound::OrderCanceled(m) => self.on_canceled(&evidence, m.user_ref_num(), m.decrement(), false, emit),
            Outbound::AiqCanceled(m) => self.on_canceled(&evidence, m.user_ref_num(), m.decrement(), true, emit),
            Outbound::OrderExecuted(m) => {
                let (number, quantity, price) = (m.user_ref_num(), m.quantity(), m.price());
                self.on_executed(&evidence, number, quantity, price, m.match_number(), emit);
            }
            Outbound::BrokenTrade(m) => self.on_broken(&evidence, m.user_ref_num(), m.match_number(), emit),
            Outbound::OrderRejected(m) => self.on_rejected(&evidence, m.user_ref_num(), emit),
            Outbound::CancelReject(m) => self.on_cancel_reject(&evidence, m.user_ref_num(), emit),
            Outbound::AccountQueryResponse(m) => self.on_query_answer(now, m.next_user_ref_num()),
            Outbound::EnableOrderEntryResponse(m) => self.on_probe_answer(now, m.user_ref_num()),
            _ => self.counters.informational += 1,
        }
    }

    fn attributed(&mut self, user_ref_num: u32) -> Option<(UserRef, Row)> {
        let Some(used) = self.refs.get(user_ref_num).copied() else {
            self.counters.unattributed += 1;
            return None;
        };
        let row = self.row_of(&used);
        if row.is_none() && used.kind != RefKind::Session {
            self.counters.evicted_evidence += 1;
        }
        row.map(|row| (used, row))
    }

    fn evidence_stamps(&self, evidence: &Evidence, reason: RejectReason) -> Stamps {
        Stamps {
            receive_ns: evidence.receive_ns,
            gateway_delta_ns: evidence.now.delta_from(evidence.receive_ns),
            ..self.stamps(reason)
        }
    }

    fn tell(
        &mut self,
        evidence: &Evidence,
        row: Row,
        event: &Event,
        reason: RejectReason,
        match_number: u64,
        emit: &mut impl FnMut(Output),
    ) -> Option<Outcome> {
        self.chains[row.index()].told = true;
        let stamps = self.evidence_stamps(evidence, reason);
        self.apply_counted(evidence.now, row, event, &stamps, match_number, emit)
    }

    fn on_accepted(
        &mut self,
        evidence: &Evidence,
        m: &protocols::ouch::OrderAccepted<'_>,
        emit: &mut impl FnMut(Output),
    ) {
        if self.refs.get(m.user_ref_num()).is_none() {
            self.adopt(evidence, m, emit);
        }
        let Some((_, row)) = self.attributed(m.user_ref_num()) else { return };
        let (Some(order_qty), Some(price)) = (qty(m.quantity()), px(m.price())) else {
            self.counters.malformed_messages += 1;
            return;
        };
        let event = Event::Accepted { order_qty, price, dead: m.order_state() == DEAD };
        if self.tell(evidence, row, &event, RejectReason::None, 0, emit).is_some() {
            self.counters.accepted += 1;
        }
    }

    /// An order that the venue holds and the journal does not: attributed by its ClOrdID, reserved at once, alarmed.
    fn adopt(&mut self, evidence: &Evidence, m: &protocols::ouch::OrderAccepted<'_>, emit: &mut impl FnMut(Output)) {
        let text = m.cl_ord_id();
        let id = ClOrdId::from_text(text.trimmed());
        let instrument = self.settings.symbols.iter().position(|symbol| *symbol == m.symbol());
        let (Some(id), Some(instrument)) = (id, instrument) else { return };
        let strategy = id.strategy();
        let (Some(order_qty), Some(price)) = (qty(m.quantity()), px(m.price())) else { return };
        if usize::from(strategy) >= self.strategies.len() || !self.orders.has_room() {
            return;
        }
        let mut request = NewOrderSingle { price, order_qty, ..NewOrderSingle::default() };
        let header = &mut request.header;
        header.kind = OrderKind::NewOrderSingle as u8;
        header.side = if m.side() == b'B' { Side::Buy } else { Side::Sell } as u8;
        header.ord_type = OrdType::Limit as u8;
        header.time_in_force = TimeInForce::Day as u8;
        header.strategy_id = strategy;
        header.cl_ord_id = id;
        header.instrument_id = InstrumentId(instrument as u32);
        let Ok(row) = self.orders.insert(Order::adopted(&request)) else { return };
        let user_ref_num = m.user_ref_num();
        self.counters.adopted += 1;
        self.chains[row.index()] =
            crate::machine::Chain { root: user_ref_num, working: user_ref_num, ..Default::default() };
        self.refs.learn(UserRef {
            user_ref_num,
            root: user_ref_num,
            row: row.index() as u32,
            kind: RefKind::New,
            side: request.header.side(),
            sent: true,
            strategy_id: strategy,
            account_id: request.header.account_id,
            instrument_id: request.header.instrument_id,
            cl_ord_id: id,
            receive_ns: Nanos(0),
        });
        let adopted = Adopted {
            request: OrderRequest::NewOrderSingle(request).encode(),
            user_ref_num,
            reserved: 0,
            order_reference_number: m.order_reference_number(),
            now_ns: evidence.now,
        };
        self.journal(Record::Adopted(adopted), emit);
        let order = self.orders.order(row);
        let stamps = self.evidence_stamps(evidence, RejectReason::None);
        if let Some(execution) = order.execution(&order.in_doubt(), &stamps) {
            self.publish(evidence.now, &execution, 0, emit);
        }
        self.sweep_adopted(evidence.now, usize::from(strategy));
    }

    fn on_replaced(
        &mut self,
        evidence: &Evidence,
        m: &protocols::ouch::OrderReplaced<'_>,
        emit: &mut impl FnMut(Output),
    ) {
        let Some((used, row)) = self.attributed(m.user_ref_num()) else { return };
        let chain = self.chains[row.index()];
        if used.kind != RefKind::Replace
            || (chain.replacing, chain.working) != (m.user_ref_num(), m.orig_user_ref_num())
        {
            self.counters.illegal += 1;
            return;
        }
        let (Some(leaves_qty), Some(price)) = (qty(m.quantity()), px(m.price())) else {
            self.counters.malformed_messages += 1;
            return;
        };
        let event = Event::Replaced { leaves_qty, price, dead: m.order_state() == DEAD };
        if self.tell(evidence, row, &event, RejectReason::None, 0, emit).is_some() {
            self.counters.replaced += 1;
            let chain = &mut self.chains[row.index()];
            (chain.working, chain.replacing) = (m.user_ref_num(), 0);
        }
    }

    fn on_canceled(
        &mut self,
        evidence: &Evidence,
        user_ref_num: u32,
        decrement: u32,
        prevented: bool,
        emit: &mut impl FnMut(Output),
    ) {
        let Some((_, row)) = self.attributed(user_ref_num) else { return };
        if self.chains[row.index()].working != user_ref_num {
            self.counters.illegal += 1;
            return;
        }
        let Some(quantity) = qty(decrement) else { return };
        let event = Event::Canceled { decrement: quantity };
        if self.tell(evidence, row, &event, RejectReason::None, 0, emit).is_some() {
            self.counters.canceled += 1;
            if prevented {
                let chain = &mut self.chains[row.index()];
                chain.prevented = chain.prevented.saturating_add(decrement);
            }
        }
    }

    fn on_executed(
        &mut self,
        evidence: &Evidence,
        user_ref_num: u32,
        quantity: u32,
        price: u64,
        match_number: u64,
        emit: &mut impl FnMut(Output),
    ) {
        if self.matches.find(user_ref_num, match_number).is_some() {
            self.counters.repeated_executions += 1;
            return;
        }
        let (Some(qty), Some(px)) = (qty(quantity), px(price)) else {
            self.counters.malformed_messages += 1;
            return;
        };
        let event = Event::Executed { qty, px };
        let before = Match { user_ref_num, broken: false, match_number, qty: Qty::ZERO, px };
        if self.tell_of_trade(evidence, &before, &event, emit) {
            self.counters.fills += 1;
            self.matches.insert(Match { user_ref_num, broken: false, match_number, qty, px });
        }
    }

    fn on_broken(&mut self, evidence: &Evidence, user_ref_num: u32, match_number: u64, emit: &mut impl FnMut(Output)) {
        let Some(trade) = self.matches.find(user_ref_num, match_number).copied().filter(|trade| !trade.broken) else {
            self.counters.unmatched_broken += 1;
            return;
        };
        let event = Event::Broken { qty: trade.qty, px: trade.px, reinstated: false };
        if self.tell_of_trade(evidence, &trade, &event, emit) {
            self.counters.broken += 1;
            self.matches.mark_broken(user_ref_num, match_number);
        }
    }

    /// An execution or its break. Positions need it also when its order has left the table; then it is told with what is
    /// known: `executed` is what of the order was executed before.
    fn tell_of_trade(
        &mut self,
        evidence: &Evidence,
        executed: &Match,
        event: &Event,
        emit: &mut impl FnMut(Output),
    ) -> bool {
        let match_number = executed.match_number;
        if let Some((_, row)) = self.attributed(executed.user_ref_num) {
            return self.tell(evidence, row, event, RejectReason::None, match_number, emit).is_some();
        }
        let Some(used) = self.refs.get(executed.user_ref_num).copied() else { return false };
        // A number of the session's has no order; an id that names another order would be taken for that one's.
        if used.kind == RefKind::Session || self.orders.find(used.cl_ord_id).is_some() {
            self.counters.illegal += 1;
            return false;
        }
        let mut order = ended(&used, executed);
        let Ok(outcome) = order.apply(event) else {
            self.counters.illegal += 1;
            return false;
        };
        let stamps = self.evidence_stamps(evidence, RejectReason::None);
        let told = order.execution(&outcome, &stamps);
        told.is_some_and(|execution| self.publish(evidence.now, &execution, match_number, emit))
    }

    fn on_rejected(&mut self, evidence: &Evidence, user_ref_num: u32, emit: &mut impl FnMut(Output)) {
        if self.is_session_number(user_ref_num) {
            self.counters.informational += 1;
            return;
        }
        let Some((used, row)) = self.attributed(user_ref_num) else { return };
        let chain = self.chains[row.index()];
        let event = if used.kind == RefKind::Replace && chain.replacing == user_ref_num {
            self.chains[row.index()].replacing = 0;
            Event::CancelRejected(OrderKind::OrderCancelReplaceRequest)
        } else if used.kind == RefKind::New && chain.working == user_ref_num {
            Event::Rejected
        } else {
            self.counters.illegal += 1;
            return;
        };
        if self.tell(evidence, row, &event, RejectReason::Venue, 0, emit).is_some() {
            self.counters.reject(RejectReason::Venue);
        }
    }

    fn on_cancel_reject(&mut self, evidence: &Evidence, user_ref_num: u32, emit: &mut impl FnMut(Output)) {
        let Some((_, row)) = self.attributed(user_ref_num) else { return };
        let event = Event::CancelRejected(OrderKind::OrderCancelRequest);
        self.tell(evidence, row, &event, RejectReason::TooLateToCancel, 0, emit);
    }
}

/// An order that has left the table: ended, with `executed` as all that is known of its executions.
fn ended(used: &UserRef, executed: &Match) -> Order {
    let mut request = NewOrderSingle { price: executed.px, order_qty: executed.qty, ..NewOrderSingle::default() };
    let header = &mut request.header;
    header.side = used.side as u8;
    header.strategy_id = used.strategy_id;
    header.account_id = used.account_id;
    header.cl_ord_id = used.cl_ord_id;
    header.instrument_id = used.instrument_id;
    let (cum_qty, cum_notional) = (executed.qty, Notional::of(executed.px, executed.qty));
    let state = if cum_qty == Qty::ZERO { LiveState::Canceled } else { LiveState::Filled };
    Order { state, leaves_qty: Qty::ZERO, cum_qty, cum_notional, ..Order::new(&request) }
}

/// When a message was received and read.
struct Evidence {
    now: Nanos,
    receive_ns: Nanos,
}

fn qty(shares: u32) -> Option<Qty> {
    Qty::from_decimals(i64::from(shares), 0)
}

fn px(price: u64) -> Option<Price> {
    i64::try_from(price).ok().and_then(|price| Price::from_decimals(price, 4))
}
