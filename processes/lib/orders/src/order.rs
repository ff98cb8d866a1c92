//! The state machine of one order: (live state) × (set of requests in flight).
//!
//! ```text
//!                 Rejected, NotSent(new)
//!        ┌──────────────────────────────────────────▶ Rejected
//!        │  ┌─────────────────────────────────────▶ (same)
//!        │  │         Canceled(all), Expired, Accepted(dead)
//!   PendingNew ──────────────────────────────────▶ Canceled / Expired
//!     │    │                                           ▲    │ Executed (late fill, counted)
//!     │    │ Accepted, Executed(part)                  │    ▼
//!     │    └──────────────▶ Working ───────────────────┤  (same), or Filled when all is executed
//!     │ SessionLost            │ ▲  Canceled(all),     │
//!     ▼                        │ │  Expired            │
//!   Unknown ───────────────────┘ │                     │
//!     Accepted, Executed(part)   │ Broken, reinstated  │ Broken, not reinstated
//!     (and to every terminal     │                     │
//!      state as from PendingNew) └────── Filled ───────┘
//!                 Working ─ Executed(all), Replaced(≤ cum) ─▶ Filled
//!
//!   In flight, each at most once, in PendingNew, Unknown or Working:
//!     { }  {cancel}  {replace}  {replace, cancel}        (a replace is not added once a cancel is in flight)
//!     CancelRequested / ReplaceRequested add; CancelRejected, NotSent, Replaced remove; a terminal state empties.
//! ```
//!
//! FIX's one OrdStatus is derived with its precedence (FIX 4.4 volume 4): in doubt (ours), then PendingCancel 12 >
//! PendingReplace 11 > Filled 8 > Canceled 5 > PartiallyFilled 4 > New, Rejected, PendingNew 2.
//!
//! Illegal pairs are an [`Illegal`] value, never a panic, because a venue's bytes can cause them. They are:
//!
//! | event | illegal when |
//! | --- | --- |
//! | `Sent(new)` | not `PendingNew` |
//! | `NotSent(new)` | not `PendingNew` or `Unknown` |
//! | `Sent`, `NotSent` of a cancel or replace | it is not in flight |
//! | `Accepted` | already accepted; `order_qty` below what is executed |
//! | `Rejected` | something was executed, or terminal |
//! | `CancelRequested` | terminal, or a cancel is in flight |
//! | `ReplaceRequested` | terminal, `Unknown`, any request in flight, or a quantity or id that is not positive |
//! | `Canceled` | terminal; more than is left; a part only, of an order that does not work yet |
//! | `Expired` | terminal |
//! | `Replaced` | not `Working`, or no replace in flight |
//! | `CancelRejected` | live and that request is not in flight |
//! | `Executed` | a quantity or price that is not positive; a sum over 64 bits |
//! | `Broken` | more than was executed; reinstated on `Canceled`, `Rejected`, `Expired` |
//! | `Restated` | not `Working` |

mod event;

pub use event::{Anomaly, Event, Illegal, Outcome};
use shm_layout::message::order::{NewOrderSingle, OrderKind};
use shm_layout::types::{ClOrdId, ExecType, InstrumentId, Notional, OrdStatus, Price, Qty, Side};

/// Where an order stands at the venue, as far as the evidence goes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum LiveState {
    /// Journaled; the venue has not answered.
    PendingNew = 1,
    /// In doubt: the session was lost before an answer. Stays reserved.
    Unknown = 2,
    /// Live at the venue (FIX New or PartiallyFilled).
    Working = 3,
    /// All executed.
    Filled = 4,
    /// Cancelled.
    Canceled = 5,
    /// Never worked.
    Rejected = 6,
    /// Ended by its time in force.
    Expired = 7,
}

impl LiveState {
    /// Every state.
    pub const ALL: [Self; 7] =
        [Self::PendingNew, Self::Unknown, Self::Working, Self::Filled, Self::Canceled, Self::Rejected, Self::Expired];

    /// The state of a snapshot's byte.
    #[must_use]
    pub fn from_u8(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|state| *state as u8 == byte)
    }

    /// True when nothing can be left at the venue.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Filled | Self::Canceled | Self::Rejected | Self::Expired)
    }
}

/// One order: identity, quantities, and the requests in flight about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Order {
    /// Its id (FIX 11); changes when the venue confirms a replace.
    pub cl_ord_id: ClOrdId,
    /// Its id before the last replace (FIX 41), still found in the table; `NONE` before the first.
    pub orig_cl_ord_id: ClOrdId,
    /// Row of the instrument table.
    pub instrument_id: InstrumentId,
    /// Row of the host file's venues.
    pub venue_id: u16,
    /// Strategy that owns it.
    pub strategy_id: u16,
    /// Account.
    pub account_id: u16,
    /// Side (FIX 54).
    pub side: Side,
    /// Where it stands.
    pub state: LiveState,
    /// The venue has confirmed it (an execution may come first).
    pub accepted: bool,
    /// Our socket took the order.
    pub sent: bool,
    /// Version of the limits that judged it.
    pub limit_version: u32,
    /// Parent order; 0 = none.
    pub parent_id: u32,
    /// Epoch of the risk process that approved it.
    pub risk_epoch: u32,
    /// Reservation sequence within that epoch.
    pub risk_sequence: u64,
    /// Channel sequence of the market data that caused it.
    pub cause_sequence: u64,
    /// Working limit price (FIX 44), in 1e-8 of the quote currency.
    pub price: Price,
    /// Total intended quantity (FIX 38), in 1e-8 of the instrument's unit: executed plus left while live.
    pub order_qty: Qty,
    /// Left (FIX 151); 0 when terminal.
    pub leaves_qty: Qty,
    /// Executed, net of broken trades (FIX 14).
    pub cum_qty: Qty,
    /// Executed price times quantity, net of broken trades; divided by `cum_qty` it is AvgPx (FIX 6).
    pub cum_notional: Notional,
    /// The cancel in flight.
    pub cancel: Option<PendingCancel>,
    /// The replace in flight.
    pub replace: Option<PendingReplace>,
}

/// An OrderCancelRequest in flight.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PendingCancel {
    /// Id of the request; the order's own when the gateway cancels for a dead owner or a kill.
    pub cl_ord_id: ClOrdId,
    /// Our socket took it.
    pub sent: bool,
}

/// An OrderCancelReplaceRequest in flight.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PendingReplace {
    /// Id of the order once replaced.
    pub cl_ord_id: ClOrdId,
    /// Total intended quantity asked for (FIX 38).
    pub order_qty: Qty,
    /// Price asked for.
    pub price: Price,
    /// Our socket took it.
    pub sent: bool,
}

impl Order {
    /// A new order, journaled for sending. Publish [`Order::pending_new`].
    #[must_use]
    pub fn new(request: &NewOrderSingle) -> Self {
        let header = &request.header;
        Self {
            cl_ord_id: header.cl_ord_id,
            orig_cl_ord_id: ClOrdId::NONE,
            instrument_id: header.instrument_id,
            venue_id: header.venue_id,
            strategy_id: header.strategy_id,
            account_id: header.account_id,
            side: header.side(),
            state: LiveState::PendingNew,
            accepted: false,
            sent: false,
            limit_version: header.limit_version,
            parent_id: header.parent_id,
            risk_epoch: header.risk_epoch,
            risk_sequence: header.risk_sequence,
            cause_sequence: header.cause_sequence,
            price: request.price,
            order_qty: request.order_qty,
            leaves_qty: request.order_qty,
            cum_qty: Qty::ZERO,
            cum_notional: Notional(0),
            cancel: None,
            replace: None,
        }
    }

    /// An order that the venue holds and the journal does not (B15 `Adopted`): in doubt until events follow. Publish
    /// [`Order::in_doubt`].
    #[must_use]
    pub fn adopted(request: &NewOrderSingle) -> Self {
        Self { state: LiveState::Unknown, ..Self::new(request) }
    }

    /// What to publish for a new order.
    #[must_use]
    pub const fn pending_new(&self) -> Outcome {
        self.told(ExecType::PendingNew)
    }

    /// What to publish for an adopted order, or to restate any order as it is.
    #[must_use]
    pub const fn in_doubt(&self) -> Outcome {
        self.told(ExecType::OrderStatus)
    }

    /// True when nothing can be left at the venue.
    #[must_use]
    pub const fn is_terminal(&self) -> bool {
        self.state.is_terminal()
    }

    /// FIX 39, by FIX's precedence.
    #[must_use]
    pub const fn ord_status(&self) -> OrdStatus {
        match (self.state, self.cancel, self.replace) {
            (LiveState::Unknown, _, _) => OrdStatus::Unknown,
            (LiveState::Filled, _, _) => OrdStatus::Filled,
            (LiveState::Canceled, _, _) => OrdStatus::Canceled,
            (LiveState::Rejected, _, _) => OrdStatus::Rejected,
            (LiveState::Expired, _, _) => OrdStatus::Expired,
            (_, Some(_), _) => OrdStatus::PendingCancel,
            (_, None, Some(_)) => OrdStatus::PendingReplace,
            (LiveState::PendingNew, None, None) => OrdStatus::PendingNew,
            (LiveState::Working, None, None) => {
                if self.cum_qty.0 > 0 {
                    OrdStatus::PartiallyFilled
                } else {
                    OrdStatus::New
                }
            }
        }
    }

    /// Applies an event. On [`Illegal`] the order is unchanged.
    ///
    /// # Errors
    /// [`Illegal`], to be counted.
    pub fn apply(&mut self, event: &Event) -> Result<Outcome, Illegal> {
        let mut next = *self;
        let outcome = next.step(event)?;
        next.check();
        *self = next;
        Ok(outcome)
    }

    /// [`Order::apply`] on a copy of the caller's: what an illegal event leaves behind is not an order.
    pub(crate) fn step(&mut self, event: &Event) -> Result<Outcome, Illegal> {
        use LiveState::{Canceled, Expired, Filled, PendingNew, Rejected, Unknown, Working};
        match (self.state, *event) {
            (PendingNew | Unknown | Working, Event::Sent(kind)) => self.on_sent(kind),
            (PendingNew | Unknown | Working, Event::NotSent(kind)) => self.on_not_sent(kind),
            (PendingNew | Unknown | Working, Event::Accepted { order_qty, price, dead }) => {
                self.on_accepted(order_qty, price, dead)
            }
            // An execution of everything came first: the acceptance tells nothing new.
            (Filled | Canceled | Expired, Event::Accepted { .. }) if !self.accepted => Ok(Outcome::Nothing),
            (PendingNew | Unknown | Working, Event::Rejected) if self.cum_qty.0 == 0 => {
                Ok(self.end(Rejected, ExecType::Rejected))
            }
            (PendingNew | Unknown | Working, Event::CancelRequested { cl_ord_id }) => {
                self.on_cancel_requested(cl_ord_id)
            }
            (PendingNew | Working, Event::ReplaceRequested { cl_ord_id, order_qty, price }) => {
                self.on_replace_requested(PendingReplace { cl_ord_id, order_qty, price, sent: false })
            }
            (PendingNew | Unknown | Working, Event::Canceled { decrement }) => self.on_canceled(decrement),
            (PendingNew | Unknown | Working, Event::Expired) => Ok(self.end(Expired, ExecType::Expired)),
            (Working, Event::Replaced { leaves_qty, price, dead }) => self.on_replaced(leaves_qty, price, dead),
            (PendingNew | Unknown | Working, Event::CancelRejected(kind)) => self.on_cancel_rejected(kind),
            // The order ended first; its owner was told, and the request was answered by that.
            (Filled | Canceled | Rejected | Expired, Event::CancelRejected(_)) => Ok(Outcome::Nothing),
            (_, Event::Executed { qty, px }) => self.on_executed(qty, px),
            (_, Event::Broken { qty, px, reinstated }) => self.on_broken(qty, px, reinstated),
            (Working, Event::Restated { leaves_qty, price }) => self.on_restated(leaves_qty, price),
            (PendingNew, Event::SessionLost) => {
                self.state = Unknown;
                Ok(self.told(ExecType::OrderStatus))
            }
            // What the venue confirmed it holds until it says otherwise; its answers come with the replay.
            (Unknown | Working | Filled | Canceled | Rejected | Expired, Event::SessionLost) => Ok(Outcome::Nothing),
            (
                state,
                Event::Sent(_)
                | Event::NotSent(_)
                | Event::Accepted { .. }
                | Event::Rejected
                | Event::CancelRequested { .. }
                | Event::ReplaceRequested { .. }
                | Event::Canceled { .. }
                | Event::Expired
                | Event::Replaced { .. }
                | Event::Restated { .. },
            ) => Err(Illegal::State(state)),
        }
    }

    fn on_sent(&mut self, kind: OrderKind) -> Result<Outcome, Illegal> {
        match (kind, &mut self.cancel, &mut self.replace) {
            (OrderKind::NewOrderSingle, _, _) if self.state == LiveState::PendingNew => self.sent = true,
            (OrderKind::NewOrderSingle, _, _) => return Err(Illegal::State(self.state)),
            (OrderKind::OrderCancelRequest, Some(cancel), _) => cancel.sent = true,
            (OrderKind::OrderCancelReplaceRequest, _, Some(replace)) => replace.sent = true,
            _ => return Err(Illegal::InFlight),
        }
        Ok(Outcome::Nothing)
    }

    fn on_not_sent(&mut self, kind: OrderKind) -> Result<Outcome, Illegal> {
        match (kind, self.state) {
            (OrderKind::NewOrderSingle, LiveState::PendingNew | LiveState::Unknown) => {
                Ok(self.end(LiveState::Rejected, ExecType::Rejected))
            }
            (OrderKind::NewOrderSingle, state) => Err(Illegal::State(state)),
            _ => self.on_cancel_rejected(kind),
        }
    }

    fn on_accepted(&mut self, order_qty: Qty, price: Price, dead: bool) -> Result<Outcome, Illegal> {
        if self.accepted {
            return Err(Illegal::State(self.state));
        }
        let leaves = order_qty.0.checked_sub(self.cum_qty.0).filter(|leaves| *leaves >= 0 && order_qty.0 > 0);
        let leaves = leaves.ok_or(Illegal::Quantity)?;
        self.price = price;
        if dead {
            return Ok(self.end(LiveState::Canceled, ExecType::Canceled));
        }
        self.accepted = true;
        self.work(Qty(leaves));
        Ok(self.told(ExecType::New))
    }

    fn on_cancel_requested(&mut self, cl_ord_id: ClOrdId) -> Result<Outcome, Illegal> {
        if self.cancel.is_some() {
            return Err(Illegal::InFlight);
        }
        if cl_ord_id == ClOrdId::NONE {
            return Err(Illegal::ClOrdId);
        }
        self.cancel = Some(PendingCancel { cl_ord_id, sent: false });
        Ok(self.asked(ExecType::PendingCancel, cl_ord_id, Qty::ZERO, Price::ZERO))
    }

    fn on_replace_requested(&mut self, replace: PendingReplace) -> Result<Outcome, Illegal> {
        if self.cancel.is_some() || self.replace.is_some() {
            return Err(Illegal::InFlight);
        }
        if replace.cl_ord_id == ClOrdId::NONE || replace.cl_ord_id == self.cl_ord_id {
            return Err(Illegal::ClOrdId);
        }
        if replace.order_qty.0 <= 0 || replace.price.0 <= 0 {
            return Err(Illegal::Quantity);
        }
        self.replace = Some(replace);
        Ok(self.asked(ExecType::PendingReplace, replace.cl_ord_id, replace.order_qty, replace.price))
    }

    fn on_canceled(&mut self, decrement: Qty) -> Result<Outcome, Illegal> {
        if decrement == self.leaves_qty {
            return Ok(self.end(LiveState::Canceled, ExecType::Canceled));
        }
        if decrement.0 <= 0 || decrement > self.leaves_qty || self.state != LiveState::Working {
            return Err(Illegal::Quantity);
        }
        self.accepted = true;
        self.work(Qty(self.leaves_qty.0 - decrement.0));
        Ok(self.told(ExecType::Restated))
    }

    fn on_replaced(&mut self, leaves_qty: Qty, price: Price, dead: bool) -> Result<Outcome, Illegal> {
        let replace = self.replace.take().ok_or(Illegal::InFlight)?;
        if leaves_qty.0 < 0 || leaves_qty.0.checked_add(self.cum_qty.0).is_none() {
            return Err(Illegal::Quantity);
        }
        let orig_cl_ord_id = self.cl_ord_id;
        self.orig_cl_ord_id = orig_cl_ord_id;
        self.cl_ord_id = replace.cl_ord_id;
        self.price = price;
        self.accepted = true;
        if dead {
            self.end(LiveState::Canceled, ExecType::Canceled);
        } else {
            self.work(leaves_qty);
        }
        Ok(Outcome::Report {
            exec_type: ExecType::Replaced,
            cl_ord_id: self.cl_ord_id,
            orig_cl_ord_id,
            last_qty: Qty::ZERO,
            last_px: Price::ZERO,
            anomaly: None,
        })
    }

    fn on_cancel_rejected(&mut self, kind: OrderKind) -> Result<Outcome, Illegal> {
        let cl_ord_id = match kind {
            OrderKind::NewOrderSingle => return Err(Illegal::InFlight),
            OrderKind::OrderCancelRequest => self.cancel.take().ok_or(Illegal::InFlight)?.cl_ord_id,
            OrderKind::OrderCancelReplaceRequest => self.replace.take().ok_or(Illegal::InFlight)?.cl_ord_id,
        };
        Ok(Outcome::CancelReject { kind, cl_ord_id })
    }

    fn on_executed(&mut self, qty: Qty, px: Price) -> Result<Outcome, Illegal> {
        if qty.0 <= 0 || px.0 <= 0 {
            return Err(Illegal::Quantity);
        }
        let cum_qty = self.cum_qty.checked_add(qty).ok_or(Illegal::Quantity)?;
        let anomaly = match (self.is_terminal(), qty > self.leaves_qty) {
            (true, _) => Some(Anomaly::LateFill),
            (false, true) => Some(Anomaly::Overfill),
            (false, false) => None,
        };
        self.cum_notional = self.notional_after(qty, px, 1).ok_or(Illegal::Quantity)?;
        self.cum_qty = cum_qty;
        if !self.is_terminal() {
            self.work(Qty((self.leaves_qty.0 - qty.0).max(0)));
        } else if cum_qty >= self.order_qty {
            self.order_qty = cum_qty;
            self.state = LiveState::Filled;
        } else if self.state == LiveState::Rejected {
            // It was at the venue after all, and nothing says that it still is.
            self.state = LiveState::Canceled;
        }
        Ok(self.traded(ExecType::Trade, qty, px, anomaly))
    }

    fn on_broken(&mut self, qty: Qty, px: Price, reinstated: bool) -> Result<Outcome, Illegal> {
        if qty.0 <= 0 || px.0 <= 0 || qty > self.cum_qty {
            return Err(Illegal::Quantity);
        }
        let ended = matches!(self.state, LiveState::Canceled | LiveState::Rejected | LiveState::Expired);
        if reinstated && ended {
            return Err(Illegal::State(self.state));
        }
        let leaves_qty =
            if reinstated { self.leaves_qty.checked_add(qty).ok_or(Illegal::Quantity)? } else { self.leaves_qty };
        self.cum_notional = self.notional_after(qty, px, -1).ok_or(Illegal::Quantity)?;
        self.cum_qty = Qty(self.cum_qty.0 - qty.0);
        if reinstated || !self.is_terminal() {
            self.work(leaves_qty);
        } else if self.state == LiveState::Filled {
            // Less than the order is executed and nothing works: FIX calls that Canceled.
            self.state = LiveState::Canceled;
        }
        Ok(self.traded(ExecType::TradeCancel, qty, px, None))
    }

    fn on_restated(&mut self, leaves_qty: Qty, price: Price) -> Result<Outcome, Illegal> {
        if leaves_qty.0 <= 0 || leaves_qty.0.checked_add(self.cum_qty.0).is_none() {
            return Err(Illegal::Quantity);
        }
        self.price = price;
        self.accepted = true;
        self.work(leaves_qty);
        Ok(self.told(ExecType::Restated))
    }

    /// Executed notional after a trade (`sign` 1) or its break (−1); `None` over 128 bits, which only breaks at prices
    /// that were never traded can reach.
    pub(crate) fn notional_after(&self, qty: Qty, px: Price, sign: i128) -> Option<Notional> {
        self.cum_notional.0.checked_add(Notional::of(px, qty).0.checked_mul(sign)?).map(Notional)
    }

    /// The order works with `leaves_qty` left, or has ended when that is zero.
    pub(crate) const fn work(&mut self, leaves_qty: Qty) {
        self.leaves_qty = leaves_qty;
        if leaves_qty.0 > 0 || self.cum_qty.0 > 0 {
            self.order_qty = Qty(self.cum_qty.0 + leaves_qty.0);
        }
        if leaves_qty.0 > 0 {
            self.state = LiveState::Working;
            return;
        }
        self.state = if self.cum_qty.0 > 0 { LiveState::Filled } else { LiveState::Canceled };
        self.cancel = None;
        self.replace = None;
    }

    const fn end(&mut self, state: LiveState, exec_type: ExecType) -> Outcome {
        self.state = state;
        self.leaves_qty = Qty::ZERO;
        self.cancel = None;
        self.replace = None;
        self.told(exec_type)
    }

    const fn told(&self, exec_type: ExecType) -> Outcome {
        self.traded(exec_type, Qty::ZERO, Price::ZERO, None)
    }

    const fn traded(&self, exec_type: ExecType, last_qty: Qty, last_px: Price, anomaly: Option<Anomaly>) -> Outcome {
        let cl_ord_id = self.cl_ord_id;
        Outcome::Report { exec_type, cl_ord_id, orig_cl_ord_id: ClOrdId::NONE, last_qty, last_px, anomaly }
    }

    const fn asked(&self, exec_type: ExecType, cl_ord_id: ClOrdId, last_qty: Qty, last_px: Price) -> Outcome {
        Outcome::Report { exec_type, cl_ord_id, orig_cl_ord_id: self.cl_ord_id, last_qty, last_px, anomaly: None }
    }

    /// Asserts the invariants of protocols.md §1.2.
    ///
    /// # Panics
    /// When one is broken: a defect of this crate, not of a peer.
    pub fn check(&self) {
        assert!(self.cum_qty.0 >= 0 && self.leaves_qty.0 >= 0, "negative quantity: {self:?}");
        if self.is_terminal() {
            assert!(self.leaves_qty.0 == 0, "terminal with something left: {self:?}");
            assert!(self.cancel.is_none() && self.replace.is_none(), "terminal with a request in flight: {self:?}");
        } else {
            let total = self.cum_qty.checked_add(self.leaves_qty);
            assert!(total == Some(self.order_qty), "executed plus left is not the order's quantity: {self:?}");
        }
    }
}

#[cfg(test)]
#[path = "order_tests.rs"]
mod tests;
