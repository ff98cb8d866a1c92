//! Limits as the machine uses them: dense, one row per (strategy, instrument), every value an integer. A row without a
//! configured limit blocks.

use crate::divisor::Divisor;
use crate::throttle::ThrottleLimit;
use shm_layout::types::{Notional, Price, Qty, RejectReason};

/// A set of reject reasons: bit `r` stands for the reason with code `r`. The lowest set bit is the one told, so the order
/// of [`RejectReason`] is the order of precedence.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RejectMask(pub u32);

impl RejectMask {
    /// No reason.
    pub const NONE: Self = Self(0);

    /// One of risk's own reasons (codes 1–31).
    #[must_use]
    pub const fn of(reason: RejectReason) -> Self {
        assert!((reason as u8) < 32, "only risk's own reasons are in the mask");
        Self(1 << (reason as u8))
    }

    /// `reason` if `broken`, without a branch.
    #[must_use]
    pub const fn when(broken: bool, reason: RejectReason) -> Self {
        Self((broken as u32) << (reason as u8))
    }

    /// Both sets.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The reason with the lowest code, `None` of an empty mask.
    #[must_use]
    pub fn reason(self) -> RejectReason {
        if self.0 == 0 {
            return RejectReason::None;
        }
        RejectReason::from_u8(self.0.trailing_zeros() as u8).unwrap_or(RejectReason::Malformed)
    }
}

/// Limits of one strategy in one instrument.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limit {
    /// `LimitMissing` or `NotPermitted` where the row blocks, else none.
    pub blocked: RejectMask,
    /// Control 1: largest order quantity, in 1e-8 units.
    pub order_qty_max: Qty,
    /// Control 2: largest price × quantity of one order, in 1e-16 of the quote currency.
    pub order_notional_max: Notional,
    /// Control 5: largest worst-case position, long or short, in 1e-8 units.
    pub position_max: Qty,
    /// Control 3: half width of the price collar, in 1e-8 of the reference (5 % = 5,000,000).
    pub collar: i64,
}

impl Limit {
    /// No limit is configured: blocks.
    pub const MISSING: Self = Self {
        blocked: RejectMask::of(RejectReason::LimitMissing),
        order_qty_max: Qty::ZERO,
        order_notional_max: Notional(0),
        position_max: Qty::ZERO,
        collar: 0,
    };
}

/// Control 4: what prices and quantities an instrument has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Domain {
    /// Tick size.
    pub tick: Divisor,
    /// Lot size.
    pub lot: Divisor,
    /// Largest price.
    pub price_max: Price,
    /// Largest quantity of one order that the venue's codec carries.
    pub order_qty_max: Qty,
}

/// Everything the machine is configured with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Stamped on every order that these limits judged.
    pub limit_version: u32,
    /// Control 18: a channel that was silent for longer is stale, in nanoseconds.
    pub channel_stale_ns: u64,
    /// Orders that may be reserved at once.
    pub orders_max: usize,
    /// Execution gateways of the instance; an order's `venue_id` names its gateway.
    pub gateways: u8,
    /// By instrument id.
    pub domains: Vec<Domain>,
    /// By strategy id.
    pub throttles: Vec<ThrottleLimit>,
    /// By strategy, then instrument: `strategy × domains.len() + instrument`.
    pub limits: Vec<Limit>,
}

impl Settings {
    /// Limits of a strategy in an instrument.
    #[must_use]
    pub fn limit(&self, strategy: usize, instrument: usize) -> &Limit {
        &self.limits[strategy * self.domains.len() + instrument]
    }
}
