//! Messages of `order_intent` (strategy to risk) and `order_entry` (risk to gateway), 120 bytes each: an 80-byte header
//! and five 8-byte fields. A request that risk refused travels on with `reject_reason` set and returns on `execution`.
//!
//! ```text
//! 0     kind                  u8   OrderKind
//! 1     side                  u8   Side (FIX 54)
//! 2     ord_type              u8   OrdType (FIX 40), 0 on a cancel
//! 3     time_in_force         u8   TimeInForce (FIX 59), 0 on a cancel
//! 4     venue_id              u16  row of the host file's venues
//! 6     strategy_id           u16  as in the ClOrdID
//! 8     account_id            u16
//! 10    reject_reason         u16  RejectReason, 0 = approved or not yet judged
//! 12    limit_version         u32  version of the limits that judged it
//! 16    cl_ord_id             u64  ClOrdID (FIX 11) of this request
//! 24    instrument_id         u32
//! 28    risk_epoch            u32  epoch of the risk process that approved it
//! 32    risk_sequence         u64  reservation sequence, strictly increasing within risk_epoch
//! 40    cause_sequence        u64  channel sequence of the market data that caused it, 0 = a timer
//! 48    exposure_before       i64  worst-case position on the order's side before it, 1e-8 units, set by risk
//! 56    receive_ns            u64  kernel receive stamp of the cause, 0 = a timer
//! 64    feed_delta_ns         u32  receive_ns to the feed handler's read, saturating
//! 68    strategy_delta_ns     u32  receive_ns to the strategy's read
//! 72    risk_delta_ns         u32  receive_ns to risk's read
//! 76    parent_id             u32  parent order, 0 = none
//! 80    price                 i64  limit price (FIX 44); reserved on a cancel
//! 88    order_qty             i64  total intended quantity (FIX 38); reserved on a cancel
//! 96    orig_cl_ord_id        u64  ClOrdID (FIX 41) of the order to cancel or replace; reserved on a new order
//! 104   intent_sequence       u64  sequence in order_intent, set by risk (0 in order_intent itself)
//! 112   reference_price       i64  the collar's reference, set by risk; reserved on a cancel
//! ```

use super::{BadMessage, Words128, kind_of};
use crate::types::{ClOrdId, InstrumentId, Nanos, OrdType, Price, Qty, RejectReason, Side, TimeInForce, byte_code};
use std::mem::{offset_of, size_of};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, transmute};

byte_code! {
    /// Kind of an order request.
    OrderKind {
        /// FIX `D`.
        NewOrderSingle = 1,
        /// FIX `F`.
        OrderCancelRequest = 2,
        /// FIX `G`.
        OrderCancelReplaceRequest = 3,
    }
}

/// What every order request begins with: identity, risk's token and verdict, stamps.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct OrderHeader {
    /// [`OrderKind`].
    pub kind: u8,
    /// [`Side`] (FIX 54).
    pub side: u8,
    /// [`OrdType`] (FIX 40); 0 on a cancel.
    pub ord_type: u8,
    /// [`TimeInForce`] (FIX 59); 0 on a cancel.
    pub time_in_force: u8,
    /// Row of the host file's venues.
    pub venue_id: u16,
    /// Strategy, as in the ClOrdID.
    pub strategy_id: u16,
    /// Account.
    pub account_id: u16,
    /// [`RejectReason`]; 0 = approved or not yet judged.
    pub reject_reason: u16,
    /// Version of the limits that judged it.
    pub limit_version: u32,
    /// ClOrdID (FIX 11) of this request.
    pub cl_ord_id: ClOrdId,
    /// Row of the instrument table.
    pub instrument_id: InstrumentId,
    /// Epoch of the risk process that judged it.
    pub risk_epoch: u32,
    /// Reservation sequence, strictly increasing within `risk_epoch`.
    pub risk_sequence: u64,
    /// Channel sequence of the market data that caused it; 0 = a timer.
    pub cause_sequence: u64,
    /// Worst-case position on the order's side before it, in 1e-8 units; set by risk.
    pub exposure_before: Qty,
    /// Kernel receive stamp of the cause; 0 = a timer.
    pub receive_ns: Nanos,
    /// `receive_ns` to the feed handler's read, saturating.
    pub feed_delta_ns: u32,
    /// `receive_ns` to the strategy's read, saturating.
    pub strategy_delta_ns: u32,
    /// `receive_ns` to risk's read, saturating.
    pub risk_delta_ns: u32,
    /// Parent order; 0 = none.
    pub parent_id: u32,
}

/// NewOrderSingle (FIX `D`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct NewOrderSingle {
    /// Common header.
    pub header: OrderHeader,
    /// Limit price (FIX 44), in 1e-8 of the quote currency.
    pub price: Price,
    /// Quantity (FIX 38), in 1e-8 of the instrument's unit.
    pub order_qty: Qty,
    /// Zero.
    pub reserved: u64,
    /// Sequence in `order_intent`; set by risk.
    pub intent_sequence: u64,
    /// The collar's reference price; set by risk.
    pub reference_price: Price,
}

/// OrderCancelRequest (FIX `F`): cancels all that is left.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct OrderCancelRequest {
    /// Common header; `cl_ord_id` is the request's own.
    pub header: OrderHeader,
    /// Zero.
    pub reserved: [u64; 2],
    /// The order to cancel (FIX 41).
    pub orig_cl_ord_id: ClOrdId,
    /// Sequence in `order_intent`; set by risk.
    pub intent_sequence: u64,
    /// Zero.
    pub reserved_tail: u64,
}

/// OrderCancelReplaceRequest (FIX `G`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct OrderCancelReplaceRequest {
    /// Common header; `cl_ord_id` is the order's id once replaced.
    pub header: OrderHeader,
    /// New limit price (FIX 44).
    pub price: Price,
    /// New **total intended** quantity (FIX 38): executed plus left.
    pub order_qty: Qty,
    /// The order to replace (FIX 41).
    pub orig_cl_ord_id: ClOrdId,
    /// Sequence in `order_intent`; set by risk.
    pub intent_sequence: u64,
    /// The collar's reference price; set by risk.
    pub reference_price: Price,
}

const _: () = {
    assert!(size_of::<OrderHeader>() == 80);
    assert!(offset_of!(OrderHeader, venue_id) == 4);
    assert!(offset_of!(OrderHeader, cl_ord_id) == 16);
    assert!(offset_of!(OrderHeader, instrument_id) == 24);
    assert!(offset_of!(OrderHeader, risk_sequence) == 32);
    assert!(offset_of!(OrderHeader, exposure_before) == 48);
    assert!(offset_of!(OrderHeader, receive_ns) == 56);
    assert!(offset_of!(OrderHeader, parent_id) == 76);
    assert!(size_of::<NewOrderSingle>() == 120);
    assert!(offset_of!(NewOrderSingle, price) == 80);
    assert!(offset_of!(NewOrderSingle, intent_sequence) == 104);
    assert!(size_of::<OrderCancelRequest>() == 120);
    assert!(offset_of!(OrderCancelRequest, orig_cl_ord_id) == 96);
    assert!(size_of::<OrderCancelReplaceRequest>() == 120);
    assert!(offset_of!(OrderCancelReplaceRequest, orig_cl_ord_id) == 96);
    assert!(offset_of!(OrderCancelReplaceRequest, reference_price) == 112);
};

/// A checked order request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OrderRequest {
    /// FIX `D`.
    NewOrderSingle(NewOrderSingle),
    /// FIX `F`.
    OrderCancelRequest(OrderCancelRequest),
    /// FIX `G`.
    OrderCancelReplaceRequest(OrderCancelReplaceRequest),
}

impl OrderRequest {
    /// Checks the words of a slot.
    ///
    /// # Errors
    /// [`BadMessage`] when a kind, a code or a reserved word is wrong.
    pub fn decode(words: &Words128) -> Result<Self, BadMessage> {
        let byte = kind_of(words[0]);
        let kind = OrderKind::from_u8(byte).ok_or(BadMessage::Kind(byte))?;
        let cancel: OrderCancelRequest = transmute!(*words);
        cancel.header.check(kind)?;
        match kind {
            OrderKind::NewOrderSingle => {
                let message: NewOrderSingle = transmute!(*words);
                if message.reserved == 0 { Ok(Self::NewOrderSingle(message)) } else { Err(BadMessage::Reserved) }
            }
            OrderKind::OrderCancelRequest => {
                if cancel.reserved == [0; 2] && cancel.reserved_tail == 0 {
                    Ok(Self::OrderCancelRequest(cancel))
                } else {
                    Err(BadMessage::Reserved)
                }
            }
            OrderKind::OrderCancelReplaceRequest => Ok(Self::OrderCancelReplaceRequest(transmute!(*words))),
        }
    }

    /// The words of a slot.
    #[must_use]
    pub fn encode(&self) -> Words128 {
        match *self {
            Self::NewOrderSingle(message) => transmute!(message),
            Self::OrderCancelRequest(message) => transmute!(message),
            Self::OrderCancelReplaceRequest(message) => transmute!(message),
        }
    }

    /// The common header.
    #[must_use]
    pub const fn header(&self) -> &OrderHeader {
        match self {
            Self::NewOrderSingle(m) => &m.header,
            Self::OrderCancelRequest(m) => &m.header,
            Self::OrderCancelReplaceRequest(m) => &m.header,
        }
    }

    /// The common header, to stamp it.
    pub const fn header_mut(&mut self) -> &mut OrderHeader {
        match self {
            Self::NewOrderSingle(m) => &mut m.header,
            Self::OrderCancelRequest(m) => &mut m.header,
            Self::OrderCancelReplaceRequest(m) => &mut m.header,
        }
    }

    /// Sequence in `order_intent` that this request came from.
    #[must_use]
    pub const fn intent_sequence(&self) -> u64 {
        match self {
            Self::NewOrderSingle(m) => m.intent_sequence,
            Self::OrderCancelRequest(m) => m.intent_sequence,
            Self::OrderCancelReplaceRequest(m) => m.intent_sequence,
        }
    }

    /// The order that a cancel or replace is about; `NONE` on a new order.
    #[must_use]
    pub const fn orig_cl_ord_id(&self) -> ClOrdId {
        match self {
            Self::NewOrderSingle(_) => ClOrdId::NONE,
            Self::OrderCancelRequest(m) => m.orig_cl_ord_id,
            Self::OrderCancelReplaceRequest(m) => m.orig_cl_ord_id,
        }
    }
}

impl OrderHeader {
    fn check(&self, kind: OrderKind) -> Result<(), BadMessage> {
        if Side::from_u8(self.side).is_none() {
            return Err(BadMessage::Code("side", self.side));
        }
        if u8::try_from(self.reject_reason).ok().and_then(RejectReason::from_u8).is_none() {
            return Err(BadMessage::Code("reject_reason", self.reject_reason as u8));
        }
        if kind == OrderKind::OrderCancelRequest {
            return if self.ord_type == 0 && self.time_in_force == 0 { Ok(()) } else { Err(BadMessage::Reserved) };
        }
        if OrdType::from_u8(self.ord_type).is_none() {
            return Err(BadMessage::Code("ord_type", self.ord_type));
        }
        if TimeInForce::from_u8(self.time_in_force).is_none() {
            return Err(BadMessage::Code("time_in_force", self.time_in_force));
        }
        Ok(())
    }

    /// The side.
    ///
    /// # Panics
    /// On a header that did not come out of [`OrderRequest::decode`].
    #[must_use]
    pub fn side(&self) -> Side {
        Side::from_u8(self.side).expect("decode checked the side")
    }

    /// Why it was refused, `None` while it is not.
    #[must_use]
    pub fn reject_reason(&self) -> RejectReason {
        u8::try_from(self.reject_reason).ok().and_then(RejectReason::from_u8).unwrap_or(RejectReason::Malformed)
    }
}
