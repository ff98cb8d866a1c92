//! OUCH 5.0 at the venue: one function per request.
//!
//! A UserRefNum that does not increase is ignored, and so is a request for an order that is gone: silence is the
//! protocol's answer to what came too late. A replacement whose terms are invalid cancels its original. What was
//! ignored does not use up its UserRefNum.

use crate::account::{AccountOrder, OrderState};
use crate::instrument::{Instrument, LIMIT_PRICE_MAX, PriceTicks};
use crate::itch_out::DAY_NS;
use crate::market::{Execution, NewOrder, Placed};
use crate::venue::{Phase, Venue, VenueOut};
use protocols::Alpha;
use protocols::ouch::{
    AccountQueryResponseRepr, AiqCanceledRepr, CancelOrder, DisableOrderEntry, DisableOrderEntryResponseRepr,
    EnableOrderEntry, EnableOrderEntryResponseRepr, EnterOrder, Inbound, MassCancel, MassCancelResponseRepr,
    ModifyOrder, OrderAcceptedRepr, OrderCanceledRepr, OrderExecutedRepr, OrderModifiedRepr, OrderRejectedRepr,
    OrderReplacedRepr, OutboundRepr, QUANTITY_MAX, ReplaceOrder, SystemEventRepr,
};
use shm_layout::types::Side;

/// Reject reasons, after Nasdaq's published list. No primary text was at hand for the numbers: a client treats any of
/// them as "rejected" and shows the number.
pub mod reason {
    /// The market is not open.
    pub const DESTINATION_CLOSED: u16 = 0x0002;
    /// Hidden orders are not taken here.
    pub const INVALID_DISPLAY: u16 = 0x0003;
    /// Not B, S, T or E.
    pub const INVALID_SIDE: u16 = 0x0009;
    /// Order entry of the firm is disabled.
    pub const FIRM_NOT_AUTHORIZED: u16 = 0x000C;
    /// Minimum quantities are not taken here.
    pub const INVALID_MIN_QUANTITY: u16 = 0x000D;
    /// Another time in force or cross than the venue runs.
    pub const OTHER: u16 = 0x000F;
    /// Zero, or a million shares and more.
    pub const INVALID_QUANTITY: u16 = 0x0013;
    /// Zero, above the limit, or not a multiple of the tick.
    pub const INVALID_PRICE: u16 = 0x0016;
    /// Not listed here.
    pub const INVALID_SYMBOL: u16 = 0x0017;
    /// The instrument is halted.
    pub const HALTED: u16 = 0x0018;
}

/// Order state in `A` and `U`.
const LIVE: u8 = b'L';
const DEAD: u8 = b'D';
/// Self-match prevention, as the reason and as the strategy: the newer order is canceled.
const SELF_MATCH: u8 = b'Q';
const CANCEL_NEWEST: u8 = b'N';

const fn side_of(code: u8) -> Option<Side> {
    match code {
        b'B' => Some(Side::Buy),
        b'S' | b'T' | b'E' => Some(Side::Sell),
        _ => None,
    }
}

/// The terms that an order and a replacement have in common, checked.
struct Terms {
    price: PriceTicks,
    immediate: bool,
}

fn check_terms(
    instrument: &Instrument,
    quantity: u32,
    price: u64,
    time_in_force: u8,
    display: u8,
) -> Result<Terms, u16> {
    if quantity == 0 || quantity > QUANTITY_MAX {
        return Err(reason::INVALID_QUANTITY);
    }
    if price == 0 || price > LIMIT_PRICE_MAX || !price.is_multiple_of(u64::from(instrument.tick_size)) {
        return Err(reason::INVALID_PRICE);
    }
    if !matches!(display, b'Y' | b'A') {
        return Err(reason::INVALID_DISPLAY);
    }
    let immediate = match time_in_force {
        b'0' | b'5' => false,
        b'3' => true,
        _ => return Err(reason::OTHER),
    };
    let price = PriceTicks::try_from(price).map_err(|_| reason::INVALID_PRICE)?;
    Ok(Terms { price, immediate })
}

impl Venue {
    /// Takes one OUCH message of the logged-in client.
    pub(crate) fn on_ouch(&mut self, now_ns: u64, message: &[u8], out: &mut VenueOut) {
        match Inbound::parse(message) {
            Ok(Inbound::EnterOrder(request)) => self.on_enter(now_ns, &request, out),
            Ok(Inbound::ReplaceOrder(request)) => self.on_replace(now_ns, &request, out),
            Ok(Inbound::CancelOrder(request)) => self.on_cancel(now_ns, &request, out),
            Ok(Inbound::ModifyOrder(request)) => self.on_modify(now_ns, &request, out),
            Ok(Inbound::MassCancel(request)) => self.on_mass_cancel(now_ns, &request, out),
            Ok(Inbound::DisableOrderEntry(request)) => self.on_disable(now_ns, &request, out),
            Ok(Inbound::EnableOrderEntry(request)) => self.on_enable(now_ns, &request, out),
            Ok(Inbound::AccountQuery(_)) => {
                let next_user_ref_num = self.last_user_ref_num.saturating_add(1);
                let timestamp_ns = now_ns % DAY_NS;
                let repr = AccountQueryResponseRepr { timestamp_ns, next_user_ref_num };
                self.send_ouch(now_ns, &OutboundRepr::AccountQueryResponse(repr), out);
            }
            Ok(Inbound::Unknown(..)) | Err(_) => self.account.counts.malformed += 1,
        }
    }

    /// Uses up a UserRefNum; false when it does not increase and the message is to be ignored.
    fn use_up(&mut self, user_ref_num: u32) -> bool {
        let is_new = user_ref_num > self.last_user_ref_num;
        if is_new {
            self.last_user_ref_num = user_ref_num;
        } else {
            self.account.counts.ignored += 1;
        }
        is_new
    }

    fn on_enter(&mut self, now_ns: u64, request: &EnterOrder<'_>, out: &mut VenueOut) {
        self.account.counts.received_new += 1;
        if !self.use_up(request.user_ref_num()) {
            return;
        }
        let firm = request.appendage().firm().map_or([b' '; 4], |firm| firm.0);
        let row = self.instruments.iter().position(|listed| listed.symbol == request.symbol().0);
        let order = AccountOrder {
            user_ref_num: request.user_ref_num(),
            cl_ord_id: request.cl_ord_id().0,
            orig_user_ref_num: None,
            symbol: request.symbol().0,
            row: row.unwrap_or(usize::MAX),
            side: side_of(request.side()),
            side_code: request.side(),
            qty: request.quantity(),
            price: request.price(),
            time_in_force: request.time_in_force(),
            capacity: request.capacity(),
            firm,
            reference: 0,
            state: OrderState::Rejected,
            executed_before: 0,
            executed: 0,
            canceled: 0,
            open: 0,
            reject_reason: None,
        };
        match self.check_enter(request, row, firm) {
            Ok((side, terms)) => self.accept(now_ns, request, order, side, &terms, out),
            Err(reason) => self.reject(now_ns, order, reason, out),
        }
    }

    fn check_enter(&self, request: &EnterOrder<'_>, row: Option<usize>, firm: [u8; 4]) -> Result<(Side, Terms), u16> {
        if !matches!(self.phase, Phase::Open { .. }) {
            return Err(reason::DESTINATION_CLOSED);
        }
        let row = row.ok_or(reason::INVALID_SYMBOL)?;
        if !self.market.is_trading(row) {
            return Err(reason::HALTED);
        }
        if self.disabled.iter().any(|disabled| *disabled == firm || *disabled == [b' '; 4]) {
            return Err(reason::FIRM_NOT_AUTHORIZED);
        }
        let side = side_of(request.side()).ok_or(reason::INVALID_SIDE)?;
        if request.appendage().min_qty().is_some_and(|quantity| quantity > 0) {
            return Err(reason::INVALID_MIN_QUANTITY);
        }
        if request.cross_type() != b'N' {
            return Err(reason::OTHER);
        }
        let (quantity, price) = (request.quantity(), request.price());
        let terms = check_terms(&self.instruments[row], quantity, price, request.time_in_force(), request.display())?;
        Ok((side, terms))
    }

    fn reject(&mut self, now_ns: u64, mut order: AccountOrder, reason: u16, out: &mut VenueOut) {
        order.reject_reason = Some(reason);
        let repr = OrderRejectedRepr {
            timestamp_ns: now_ns % DAY_NS,
            user_ref_num: order.user_ref_num,
            reason,
            cl_ord_id: Alpha(order.cl_ord_id),
        };
        self.account.counts.rejected += 1;
        self.account.record(order);
        self.send_ouch(now_ns, &OutboundRepr::OrderRejected(repr), out);
    }

    fn accept(
        &mut self,
        now_ns: u64,
        request: &EnterOrder<'_>,
        mut order: AccountOrder,
        side: Side,
        terms: &Terms,
        out: &mut VenueOut,
    ) {
        let (row, user_ref_num, shares) = (order.row, order.user_ref_num, request.quantity());
        let is_marketable = self.market.is_marketable(row, side, terms.price);
        let is_post_only = request.appendage().post_only() == Some(b'P');
        let new = NewOrder { user_ref_num, row, side, price: terms.price, shares, immediate: terms.immediate };
        let placed = if is_post_only && is_marketable {
            // It may not take and so may not live, as if it had been an immediate order that found nothing. It never
            // reaches the market, and no resting order has the reference 0.
            Placed { reference: 0, resting: 0, canceled: shares, prevented: None }
        } else {
            self.market.enter(&new, &mut self.scratch)
        };
        let is_dead = placed.canceled == shares && placed.prevented.is_none();
        order.reference = placed.reference;
        order.state = OrderState::Live;
        order.open = shares;
        self.account.counts.accepted += 1;
        self.account.record(order);
        let repr = OrderAcceptedRepr {
            timestamp_ns: now_ns % DAY_NS,
            user_ref_num,
            side: request.side(),
            quantity: shares,
            symbol: request.symbol(),
            price: request.price(),
            time_in_force: request.time_in_force(),
            display: request.display(),
            order_reference_number: placed.reference,
            capacity: request.capacity(),
            intermarket_sweep: request.intermarket_sweep(),
            cross_type: request.cross_type(),
            order_state: if is_dead { DEAD } else { LIVE },
            cl_ord_id: request.cl_ord_id(),
        };
        self.send_ouch(now_ns, &OutboundRepr::OrderAccepted(repr), out);
        self.finish_placed(now_ns, user_ref_num, &placed, is_dead, out);
    }

    /// After `A` or `U`: the executions, then what was canceled at once. A dead order was canceled by its state.
    fn finish_placed(&mut self, now_ns: u64, user_ref_num: u32, placed: &Placed, is_dead: bool, out: &mut VenueOut) {
        self.settle(now_ns, out);
        if placed.canceled == 0 {
            return;
        }
        self.account.canceled(user_ref_num, placed.canceled);
        if let Some(prevented) = placed.prevented {
            self.account.counts.self_match_prevented += 1;
            let repr = AiqCanceledRepr {
                timestamp_ns: now_ns % DAY_NS,
                user_ref_num,
                decrement: placed.canceled,
                reason: SELF_MATCH,
                quantity_prevented: prevented.shares,
                execution_price: u64::from(prevented.price),
                liquidity_flag: b'R',
                aiq_strategy: CANCEL_NEWEST,
            };
            self.send_ouch(now_ns, &OutboundRepr::AiqCanceled(repr), out);
        } else if !is_dead {
            self.send_canceled(now_ns, user_ref_num, placed.canceled, b'I', out);
        }
    }

    fn on_replace(&mut self, now_ns: u64, request: &ReplaceOrder<'_>, out: &mut VenueOut) {
        self.account.counts.received_replace += 1;
        let original = self.account.order(request.orig_user_ref_num()).filter(|o| o.state == OrderState::Live).cloned();
        let Some(original) = original.filter(|_| request.user_ref_num() > self.last_user_ref_num) else {
            self.account.counts.ignored += 1;
            return;
        };
        let instrument = &self.instruments[original.row];
        let quantity = request.quantity();
        let terms = check_terms(instrument, quantity, request.price(), request.time_in_force(), request.display());
        let executed = original.executed_before + original.executed;
        let terms = match terms {
            Ok(terms) if quantity > executed => terms,
            // Invalid terms, or no more than what is executed: nothing of the order may stay open.
            Ok(_) => return self.cancel_order(now_ns, original.user_ref_num, original.open, b'U', out),
            Err(_) => return self.cancel_order(now_ns, original.user_ref_num, original.open, b'Z', out),
        };
        self.last_user_ref_num = request.user_ref_num();
        self.replace_live(now_ns, request, &original, &terms, quantity - executed, out);
    }

    fn replace_live(
        &mut self,
        now_ns: u64,
        request: &ReplaceOrder<'_>,
        original: &AccountOrder,
        terms: &Terms,
        shares: u32,
        out: &mut VenueOut,
    ) {
        let side = original.side.expect("a live order has a side");
        let (row, user_ref_num) = (original.row, request.user_ref_num());
        let new = NewOrder { user_ref_num, row, side, price: terms.price, shares, immediate: terms.immediate };
        let placed = self.market.replace(original.reference, &new, &mut self.scratch);
        let is_dead = placed.canceled == shares && placed.prevented.is_none();
        self.account.replaced(original.user_ref_num);
        self.account.counts.accepted += 1;
        self.account.record(AccountOrder {
            user_ref_num,
            cl_ord_id: request.cl_ord_id().0,
            orig_user_ref_num: Some(original.user_ref_num),
            qty: request.quantity(),
            price: request.price(),
            time_in_force: request.time_in_force(),
            reference: placed.reference,
            executed_before: original.executed_before + original.executed,
            executed: 0,
            canceled: 0,
            open: shares,
            ..original.clone()
        });
        let repr = OrderReplacedRepr {
            timestamp_ns: now_ns % DAY_NS,
            orig_user_ref_num: original.user_ref_num,
            user_ref_num,
            side: original.side_code,
            quantity: shares,
            symbol: Alpha(original.symbol),
            price: request.price(),
            time_in_force: request.time_in_force(),
            display: request.display(),
            order_reference_number: placed.reference,
            capacity: original.capacity,
            intermarket_sweep: request.intermarket_sweep(),
            cross_type: b'N',
            order_state: if is_dead { DEAD } else { LIVE },
            cl_ord_id: request.cl_ord_id(),
        };
        self.send_ouch(now_ns, &OutboundRepr::OrderReplaced(repr), out);
        self.finish_placed(now_ns, user_ref_num, &placed, is_dead, out);
    }

    fn on_cancel(&mut self, now_ns: u64, request: &CancelOrder<'_>, out: &mut VenueOut) {
        self.account.counts.received_cancel += 1;
        let decrement = self.decrement_to(request.user_ref_num(), request.quantity());
        match decrement {
            Some(decrement) => self.cancel_order(now_ns, request.user_ref_num(), decrement, b'U', out),
            None => self.account.counts.ignored += 1,
        }
    }

    /// Shares to take off a live order so that its total becomes `total`; `None` when that changes nothing.
    fn decrement_to(&self, user_ref_num: u32, total: u32) -> Option<u32> {
        let order = self.account.order(user_ref_num).filter(|order| order.state == OrderState::Live)?;
        let executed = order.executed_before + order.executed;
        let open = total.saturating_sub(executed);
        order.open.checked_sub(open).filter(|decrement| *decrement > 0)
    }

    fn on_modify(&mut self, now_ns: u64, request: &ModifyOrder<'_>, out: &mut VenueOut) {
        self.account.counts.received_modify += 1;
        let user_ref_num = request.user_ref_num();
        let live = self.account.order(user_ref_num).filter(|order| order.state == OrderState::Live);
        let known = live.map(|order| (order.side, order.executed_before + order.executed, order.open));
        let side = side_of(request.side());
        let Some((_, executed, open)) = known.filter(|(own, _, _)| *own == side && side.is_some()) else {
            self.account.counts.ignored += 1;
            return;
        };
        // A modification only ever shrinks, and a total that leaves nothing open is a cancel.
        let left = request.quantity().saturating_sub(executed).min(open);
        if left == 0 {
            return self.cancel_order(now_ns, user_ref_num, open, b'U', out);
        }
        self.account.modified(user_ref_num, request.side());
        if left < open {
            self.shrink(now_ns, user_ref_num, open - left, out);
        }
        let timestamp_ns = now_ns % DAY_NS;
        let repr = OrderModifiedRepr { timestamp_ns, user_ref_num, side: request.side(), quantity: left };
        self.send_ouch(now_ns, &OutboundRepr::OrderModified(repr), out);
    }

    fn on_mass_cancel(&mut self, now_ns: u64, request: &MassCancel<'_>, out: &mut VenueOut) {
        self.account.counts.received_mass_cancel += 1;
        if !self.use_up(request.user_ref_num()) {
            return;
        }
        let (firm, symbol) = (request.firm(), request.symbol());
        for user_ref_num in self.account.live() {
            let order = self.account.order(user_ref_num).expect("a live order is recorded");
            // An order without a firm belongs to the account's default, which every firm of the account may cancel.
            let of_firm = firm.is_blank() || order.firm == firm.0 || order.firm == [b' '; 4];
            let of_symbol = symbol.is_blank() || order.symbol == symbol.0;
            let open = order.open;
            if of_firm && of_symbol {
                self.cancel_order(now_ns, user_ref_num, open, b'U', out);
            }
        }
        let timestamp_ns = now_ns % DAY_NS;
        let repr = MassCancelResponseRepr { timestamp_ns, user_ref_num: request.user_ref_num(), firm, symbol };
        self.send_ouch(now_ns, &OutboundRepr::MassCancelResponse(repr), out);
    }

    fn on_disable(&mut self, now_ns: u64, request: &DisableOrderEntry<'_>, out: &mut VenueOut) {
        if !self.use_up(request.user_ref_num()) {
            return;
        }
        let firm = request.firm();
        if !self.disabled.contains(&firm.0) {
            self.disabled.push(firm.0);
        }
        let timestamp_ns = now_ns % DAY_NS;
        let repr = DisableOrderEntryResponseRepr { timestamp_ns, user_ref_num: request.user_ref_num(), firm };
        self.send_ouch(now_ns, &OutboundRepr::DisableOrderEntryResponse(repr), out);
    }

    fn on_enable(&mut self, now_ns: u64, request: &EnableOrderEntry<'_>, out: &mut VenueOut) {
        if !self.use_up(request.user_ref_num()) {
            return;
        }
        let firm = request.firm();
        self.disabled.retain(|disabled| *disabled != firm.0);
        let timestamp_ns = now_ns % DAY_NS;
        let repr = EnableOrderEntryResponseRepr { timestamp_ns, user_ref_num: request.user_ref_num(), firm };
        self.send_ouch(now_ns, &OutboundRepr::EnableOrderEntryResponse(repr), out);
    }

    /// Cancels every live order of the account with a reason; returns how many there were.
    pub(crate) fn cancel_all(&mut self, now_ns: u64, reason: u8, out: &mut VenueOut) -> u64 {
        let live = self.account.live();
        for &user_ref_num in &live {
            let open = self.account.order(user_ref_num).map_or(0, |order| order.open);
            self.cancel_order(now_ns, user_ref_num, open, reason, out);
        }
        live.len() as u64
    }

    /// Takes shares off a live order and says so.
    fn cancel_order(&mut self, now_ns: u64, user_ref_num: u32, decrement: u32, reason: u8, out: &mut VenueOut) {
        self.shrink(now_ns, user_ref_num, decrement, out);
        self.send_canceled(now_ns, user_ref_num, decrement, reason, out);
    }

    /// Takes shares off a live order in the market and in the account.
    fn shrink(&mut self, now_ns: u64, user_ref_num: u32, decrement: u32, out: &mut VenueOut) {
        let order = self.account.order(user_ref_num).expect("a live order is recorded");
        let taken = self.market.reduce(order.row, order.reference, decrement, &mut self.scratch);
        assert!(taken == Some(decrement), "market and account agree on order {user_ref_num}");
        self.account.canceled(user_ref_num, decrement);
        self.settle(now_ns, out);
    }

    fn send_canceled(&mut self, now_ns: u64, user_ref_num: u32, decrement: u32, reason: u8, out: &mut VenueOut) {
        let repr = OrderCanceledRepr { timestamp_ns: now_ns % DAY_NS, user_ref_num, decrement, reason };
        self.send_ouch(now_ns, &OutboundRepr::OrderCanceled(repr), out);
    }

    /// Records one execution and says so.
    pub(crate) fn send_execution(&mut self, now_ns: u64, execution: &Execution, out: &mut VenueOut) {
        let Execution { user_ref_num, price, shares, match_number, aggressor } = *execution;
        self.account.executed(user_ref_num, shares, price, match_number);
        let repr = OrderExecutedRepr {
            timestamp_ns: now_ns % DAY_NS,
            user_ref_num,
            quantity: shares,
            price: u64::from(price),
            liquidity_flag: if aggressor { b'R' } else { b'A' },
            match_number,
        };
        self.send_ouch(now_ns, &OutboundRepr::OrderExecuted(repr), out);
    }

    pub(crate) fn send_system_event(&mut self, now_ns: u64, event_code: u8, out: &mut VenueOut) {
        let repr = SystemEventRepr { timestamp_ns: now_ns % DAY_NS, event_code };
        self.send_ouch(now_ns, &OutboundRepr::SystemEvent(repr), out);
    }

    fn send_ouch(&mut self, now_ns: u64, message: &OutboundRepr, out: &mut VenueOut) {
        let mut bytes = [0; 128];
        let length = message.encode_into(&mut bytes).expect("the venue's own values fit their fields");
        self.sessions.send(now_ns, &bytes[..length], out);
    }
}
