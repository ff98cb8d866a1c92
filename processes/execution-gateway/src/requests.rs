//! Requests: new, cancel, replace; and the shell's answer to what was handed to the socket.

use crate::io::{Output, SendTag};
use crate::machine::{Chain, Gateway, Waiting, waits};
use crate::user_refs::{RefKind, UserRef};
use journal::Record;
use journal::record::{Intent, NotSent, Sent};
use machine::Nanos;
use orders::order::{Event, Order};
use orders::report::refusal;
use orders::table::Row;
use protocols::ouch::{self, CancelOrderRepr, EnterOrderRepr, InboundRepr, ReplaceOrderRepr};
use shm_layout::message::order::{
    NewOrderSingle, OrderCancelReplaceRequest, OrderCancelRequest, OrderHeader, OrderKind, OrderRequest,
};
use shm_layout::types::{ClOrdId, InstrumentId, Price, Qty, RejectReason, Side, TimeInForce};

/// ITCH and OUCH prices have four decimals, quantities none.
const PRICE_DECIMALS: u32 = 4;

impl Gateway {
    pub(crate) fn on_request(&mut self, now: Nanos, request: &OrderRequest, emit: &mut impl FnMut(Output)) {
        let header = request.header();
        if usize::from(header.strategy_id) >= self.strategies.len()
            || header.instrument_id.index() >= self.settings.symbols.len()
        {
            self.counters.misidentified += 1;
            return;
        }
        // A refusal under an id that names an order would be taken for that order's end.
        let known = self.orders.find(header.cl_ord_id).is_some();
        if known {
            self.counters.misidentified += 1;
            return;
        }
        let verdict = if header.reject_reason == 0 { self.take(now, request, emit) } else { self.pass_refusal(header) };
        if let Err(reason) = verdict {
            self.counters.reject(reason);
            let named = self.orders.get(request.orig_cl_ord_id()).copied();
            let own = named.filter(|order| order.strategy_id == header.strategy_id);
            let stamps = self.stamps(reason);
            // The answer is the sender's; it may not name another strategy's order, in whose name it would be read.
            let execution = match (named, own) {
                (Some(_), None) => refusal(&without_order(request), None, &stamps),
                _ => refusal(request, own.as_ref(), &stamps),
            };
            self.publish(now, &execution, 0, emit);
        }
    }

    /// Risk has refused it: it goes on as a rejected order. Its id and token are used up all the same.
    fn pass_refusal(&mut self, header: &OrderHeader) -> Result<(), RejectReason> {
        let _ = self.check_token(header);
        if let Some(owner) = self.strategies.get_mut(usize::from(header.strategy_id)) {
            owner.last = owner.last.max(header.cl_ord_id);
        }
        Err(header.reject_reason())
    }

    fn take(&mut self, now: Nanos, request: &OrderRequest, emit: &mut impl FnMut(Output)) -> Result<(), RejectReason> {
        match request {
            OrderRequest::NewOrderSingle(message) => self.on_new(now, message, emit),
            OrderRequest::OrderCancelRequest(message) => self.on_cancel(now, message, emit),
            OrderRequest::OrderCancelReplaceRequest(message) => self.on_replace(now, message, emit),
        }
    }

    fn on_new(&mut self, now: Nanos, new: &NewOrderSingle, emit: &mut impl FnMut(Output)) -> Result<(), RejectReason> {
        let header = &new.header;
        self.admit(header)?;
        let user_ref_num = self.next_user_ref_num()?;
        let message = InboundRepr::EnterOrder(self.enter_order(new, user_ref_num)?);
        if !self.orders.has_room() {
            return Err(RejectReason::GatewayCapacity);
        }
        self.check_capital(new.price, new.order_qty)?;
        let row = self.orders.insert(Order::new(new)).map_err(|_| RejectReason::GatewayCapacity)?;
        self.chains[row.index()] = Chain { root: user_ref_num, working: user_ref_num, ..Chain::default() };
        self.refs.take(used(header, user_ref_num, user_ref_num, row, RefKind::New));
        self.hand_over(now, &OrderRequest::NewOrderSingle(*new), user_ref_num, message, emit);
        let order = self.orders.order(row);
        if let Some(execution) = order.execution(&order.pending_new(), &self.stamps(RejectReason::None)) {
            self.publish(now, &execution, 0, emit);
        }
        Ok(())
    }

    fn on_replace(
        &mut self,
        now: Nanos,
        replace: &OrderCancelReplaceRequest,
        emit: &mut impl FnMut(Output),
    ) -> Result<(), RejectReason> {
        let header = &replace.header;
        self.admit(header)?;
        let (row, order) = self.owned(header, replace.orig_cl_ord_id)?;
        if order.cancel.is_some() || order.replace.is_some() {
            return Err(RejectReason::RequestInFlight);
        }
        if order.ord_status() == shm_layout::types::OrdStatus::Unknown {
            return Err(RejectReason::GatewayUnknownOrder);
        }
        let user_ref_num = self.next_user_ref_num()?;
        let chain = self.chains[row.index()];
        let message = InboundRepr::ReplaceOrder(self.replace_order(replace, user_ref_num, chain)?);
        self.check_capital(replace.price, replace.order_qty)?;
        let event =
            Event::ReplaceRequested { cl_ord_id: header.cl_ord_id, order_qty: replace.order_qty, price: replace.price };
        let outcome = self.orders.apply(row, &event).map_err(|_| RejectReason::RequestInFlight)?;
        self.chains[row.index()].replacing = user_ref_num;
        self.refs.take(used(header, user_ref_num, chain.root, row, RefKind::Replace));
        self.hand_over(now, &OrderRequest::OrderCancelReplaceRequest(*replace), user_ref_num, message, emit);
        if let Some(execution) = self.orders.order(row).execution(&outcome, &self.stamps(RejectReason::None)) {
            self.publish(now, &execution, 0, emit);
        }
        Ok(())
    }

    fn on_cancel(
        &mut self,
        now: Nanos,
        cancel: &OrderCancelRequest,
        emit: &mut impl FnMut(Output),
    ) -> Result<(), RejectReason> {
        let _ = self.check_token(&cancel.header);
        if let Some(owner) = self.strategies.get_mut(usize::from(cancel.header.strategy_id)) {
            owner.last = owner.last.max(cancel.header.cl_ord_id);
        }
        let (row, order) = self.owned(&cancel.header, cancel.orig_cl_ord_id)?;
        if order.cancel.is_some() {
            return Err(RejectReason::RequestInFlight);
        }
        if !self.session.is_logged_in() {
            return Err(RejectReason::SessionDown);
        }
        self.cancel(now, row, cancel, 0, emit)
    }

    /// Cancels an order on a request: of its owner, or (flag) of the gateway's own.
    pub(crate) fn cancel(
        &mut self,
        now: Nanos,
        row: Row,
        request: &OrderCancelRequest,
        flags: u32,
        emit: &mut impl FnMut(Output),
    ) -> Result<(), RejectReason> {
        if self.chains[row.index()].working == 0 {
            return Err(RejectReason::GatewayUnknownOrder);
        }
        let event = Event::CancelRequested { cl_ord_id: request.header.cl_ord_id };
        let outcome = self.orders.apply(row, &event).map_err(|_| RejectReason::RequestInFlight)?;
        let working = self.chains[row.index()].working;
        self.journal(Record::intent(&OrderRequest::OrderCancelRequest(*request), working, flags, now), emit);
        self.send_cancels(now, row, emit);
        if let Some(execution) = self.orders.order(row).execution(&outcome, &self.stamps(RejectReason::None)) {
            self.publish(now, &execution, 0, emit);
        }
        Ok(())
    }

    /// Sends the cancel of an order, also under the number of a replace in flight: whichever the venue has taken by then
    /// names the working order, and the other is ignored.
    pub(crate) fn send_cancels(&mut self, now: Nanos, row: Row, emit: &mut impl FnMut(Output)) {
        let Chain { working, replacing, .. } = self.chains[row.index()];
        for user_ref_num in [working, replacing].into_iter().filter(|number| *number != 0) {
            let message = InboundRepr::CancelOrder(CancelOrderRepr { user_ref_num, quantity: 0 });
            if self.send(now, &message, SendTag::Closing { user_ref_num }, emit) {
                self.counters.cancels_sent += 1;
            }
        }
        let session = self.session.number();
        let chain = &mut self.chains[row.index()];
        (chain.cancel_sent, chain.cancel_session, chain.told) = (now, session, false);
        chain.cancels = chain.cancels.saturating_add(1);
    }

    /// Journals the intent, then hands the message to the socket, or lets it wait for the journal (L2).
    fn hand_over(
        &mut self,
        now: Nanos,
        request: &OrderRequest,
        user_ref_num: u32,
        message: InboundRepr,
        emit: &mut impl FnMut(Output),
    ) {
        let intent_sequence = self.journal(Record::intent(request, user_ref_num, 0, now), emit);
        if waits(self.settings.durability) {
            self.waiting.push_back(Waiting { user_ref_num, intent_sequence, message });
            return;
        }
        let tag = SendTag::Opening { user_ref_num, strategy: request.header().strategy_id };
        // The session is open and its buffer was drained: it takes the message.
        let framed = self.send(now, &message, tag, emit);
        assert!(framed, "an open session took no message");
    }

    pub(crate) fn on_sent(
        &mut self,
        now: Nanos,
        user_ref_num: u32,
        (send_ns, write_ns): (Nanos, u32),
        emit: &mut impl FnMut(Output),
    ) {
        let Some(used) = self.refs.get(user_ref_num).copied() else { return };
        let kind = match used.kind {
            // Handed over before: what was handed over now is its cancel.
            _ if used.sent => return self.on_cancel_sent(now, user_ref_num, emit),
            RefKind::Session => return,
            RefKind::New => {
                self.counters.orders_sent += 1;
                OrderKind::NewOrderSingle
            }
            RefKind::Replace => {
                self.counters.replaces_sent += 1;
                OrderKind::OrderCancelReplaceRequest
            }
        };
        self.refs.mark_sent(user_ref_num);
        let (cl_ord_id, receive_ns) = (used.cl_ord_id, used.receive_ns);
        self.journal(Record::Sent(Sent { cl_ord_id, user_ref_num, write_ns, send_ns, receive_ns }), emit);
        self.mark_sent(now, &used, kind, emit);
    }

    /// A cancel was handed over; its order may not have been.
    pub(crate) fn on_cancel_sent(&mut self, now: Nanos, user_ref_num: u32, emit: &mut impl FnMut(Output)) {
        if let Some(used) = self.refs.get(user_ref_num).copied() {
            self.mark_sent(now, &used, OrderKind::OrderCancelRequest, emit);
        }
    }

    fn mark_sent(&mut self, now: Nanos, used: &UserRef, kind: OrderKind, emit: &mut impl FnMut(Output)) {
        if let Some(row) = self.row_of(used) {
            // An answer of the venue may have come first: then there is nothing left to mark.
            let stamps = self.stamps(RejectReason::None);
            let _ = self.apply(now, row, &Event::Sent(kind), &stamps, 0, emit);
        }
    }

    pub(crate) fn on_not_sent(
        &mut self,
        now: Nanos,
        user_ref_num: u32,
        reason: RejectReason,
        emit: &mut impl FnMut(Output),
    ) {
        let Some(used) = self.refs.get(user_ref_num).copied() else { return };
        let (cl_ord_id, reason_code) = (used.cl_ord_id, reason as u32);
        self.counters.not_sent += 1;
        self.counters.reject(reason);
        self.journal(Record::NotSent(NotSent { cl_ord_id, user_ref_num, reason: reason_code, now_ns: now }), emit);
        let Some(row) = self.row_of(&used) else { return };
        let kind = match used.kind {
            RefKind::New => OrderKind::NewOrderSingle,
            RefKind::Replace => OrderKind::OrderCancelReplaceRequest,
            RefKind::Session => return,
        };
        if used.kind == RefKind::Replace {
            self.chains[row.index()].replacing = 0;
        }
        let stamps = self.stamps(reason);
        self.apply_counted(now, row, &Event::NotSent(kind), &stamps, 0, emit);
    }

    /// The live order that a request names, which must be its owner's.
    fn owned(&self, header: &OrderHeader, orig: ClOrdId) -> Result<(Row, Order), RejectReason> {
        let (row, order) = self.found(orig).ok_or(RejectReason::GatewayUnknownOrder)?;
        if order.is_terminal() || order.strategy_id != header.strategy_id {
            return Err(RejectReason::GatewayUnknownOrder);
        }
        Ok((row, order))
    }

    pub(crate) fn next_user_ref_num(&self) -> Result<u32, RejectReason> {
        let busy = |used: &UserRef| {
            let row = used.row as usize;
            // The root names the chain that holds the row now: no look-up by id is needed to know whether it lives.
            used.user_ref_num != 0
                && self.chains.get(row).is_some_and(|chain| chain.root == used.root)
                && self.orders.at(row).is_some_and(|order| !order.is_terminal())
        };
        self.refs.available(busy).ok_or(RejectReason::GatewayCapacity)
    }

    pub(crate) fn symbol(&self, instrument: InstrumentId) -> ouch::Symbol {
        self.settings.symbols[instrument.index()]
    }

    fn enter_order(&self, new: &NewOrderSingle, user_ref_num: u32) -> Result<EnterOrderRepr, RejectReason> {
        let header = &new.header;
        Ok(EnterOrderRepr {
            user_ref_num,
            side: if header.side() == Side::Buy { b'B' } else { b'S' },
            quantity: shares(new.order_qty, 0)?,
            symbol: self.symbol(header.instrument_id),
            price: limit_price(new.price)?,
            time_in_force: time_in_force(header)?,
            display: b'Y',
            capacity: b'P',
            intermarket_sweep: b'N',
            cross_type: b'N',
            cl_ord_id: cl_ord_id(header.cl_ord_id),
        })
    }

    fn replace_order(
        &self,
        replace: &OrderCancelReplaceRequest,
        user_ref_num: u32,
        chain: Chain,
    ) -> Result<ReplaceOrderRepr, RejectReason> {
        Ok(ReplaceOrderRepr {
            orig_user_ref_num: chain.working,
            user_ref_num,
            quantity: shares(replace.order_qty, chain.prevented)?,
            price: limit_price(replace.price)?,
            time_in_force: time_in_force(&replace.header)?,
            display: b'Y',
            intermarket_sweep: b'N',
            cl_ord_id: cl_ord_id(replace.header.cl_ord_id),
        })
    }
}

/// Whole shares, `prevented` ones added, that the venue can carry.
fn shares(qty: Qty, prevented: u32) -> Result<u32, RejectReason> {
    let whole = qty.to_decimals(0).and_then(|whole| u32::try_from(whole).ok()).and_then(|w| w.checked_add(prevented));
    whole.filter(|whole| ouch::is_order_quantity(*whole)).ok_or(RejectReason::NotEncodable)
}

/// A price with four decimals below the price trap.
fn limit_price(price: Price) -> Result<u64, RejectReason> {
    let exact = price.to_decimals(PRICE_DECIMALS).and_then(|price| u64::try_from(price).ok());
    exact.filter(|price| *price > 0 && ouch::is_limit_price(*price)).ok_or(RejectReason::NotEncodable)
}

fn time_in_force(header: &OrderHeader) -> Result<u8, RejectReason> {
    match TimeInForce::from_u8(header.time_in_force) {
        Some(TimeInForce::Day) => Ok(b'0'),
        Some(TimeInForce::ImmediateOrCancel) => Ok(b'3'),
        None => Err(RejectReason::Malformed),
    }
}

fn cl_ord_id(id: ClOrdId) -> ouch::ClOrdId {
    let mut text = ouch::ClOrdId::BLANK;
    text.0[..ClOrdId::TEXT_LEN].copy_from_slice(&id.to_text());
    text
}

fn used(header: &OrderHeader, user_ref_num: u32, root: u32, row: Row, kind: RefKind) -> UserRef {
    UserRef {
        user_ref_num,
        root,
        row: row.index() as u32,
        kind,
        side: header.side(),
        sent: false,
        strategy_id: header.strategy_id,
        account_id: header.account_id,
        instrument_id: header.instrument_id,
        cl_ord_id: header.cl_ord_id,
        receive_ns: header.receive_ns,
    }
}

/// A request without the order that it names.
fn without_order(request: &OrderRequest) -> OrderRequest {
    let mut request = *request;
    match &mut request {
        OrderRequest::NewOrderSingle(_) => {}
        OrderRequest::OrderCancelRequest(m) => m.orig_cl_ord_id = ClOrdId::NONE,
        OrderRequest::OrderCancelReplaceRequest(m) => m.orig_cl_ord_id = ClOrdId::NONE,
    }
    request
}

/// The cancel that the gateway itself makes of an order.
pub(crate) fn own_cancel(order: &Order) -> OrderCancelRequest {
    let mut request = OrderCancelRequest { orig_cl_ord_id: order.cl_ord_id, ..OrderCancelRequest::default() };
    let header = &mut request.header;
    header.kind = OrderKind::OrderCancelRequest as u8;
    header.side = order.side as u8;
    header.venue_id = order.venue_id;
    header.strategy_id = order.strategy_id;
    header.account_id = order.account_id;
    header.cl_ord_id = order.cl_ord_id;
    header.instrument_id = order.instrument_id;
    header.limit_version = order.limit_version;
    header.risk_epoch = order.risk_epoch;
    header.parent_id = order.parent_id;
    request
}

/// Flag of an intent that the gateway itself made.
pub(crate) const FROM_GATEWAY: u32 = Intent::FROM_GATEWAY;
