//! Controls 3, 17 and 18: what risk knows of an instrument's market, reduced to a mask, a time and a reference price when
//! the reference changes, so that an order costs a few compares.

use crate::limits::RejectMask;
use shm_layout::message::step::Reference;
use shm_layout::types::{BookValidity, Nanos, Price, RejectReason, TradingStatus};

/// One instrument's market. It starts with everything that blocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Market {
    /// `MarketState`, `StaleMarketData` (by validity) and `ReferenceMissing`, as of the last reference.
    pub blocked: RejectMask,
    /// Last moment at which the channel is not stale.
    pub fresh_until: Nanos,
    /// The collar's reference: the mid, 0 = none.
    pub reference_price: Price,
}

impl Default for Market {
    fn default() -> Self {
        let reasons = [RejectReason::MarketState, RejectReason::StaleMarketData, RejectReason::ReferenceMissing];
        let blocked = reasons.into_iter().fold(RejectMask::NONE, |mask, reason| mask.or(RejectMask::of(reason)));
        Self { blocked, fresh_until: Nanos(0), reference_price: Price::ZERO }
    }
}

impl Market {
    /// The market that a reference describes.
    #[must_use]
    pub fn from_reference(reference: &Reference, channel_stale_ns: u64) -> Self {
        let reference_price = mid(reference.bid, reference.ask);
        let blocked = RejectMask::when(reference.trading_status != TradingStatus::Trading, RejectReason::MarketState)
            .or(RejectMask::when(reference.validity != BookValidity::Trusted, RejectReason::StaleMarketData))
            .or(RejectMask::when(reference_price == Price::ZERO, RejectReason::ReferenceMissing));
        Self { blocked, fresh_until: reference.receive_ns.plus(channel_stale_ns), reference_price }
    }

    /// What blocks an order at `now`, whatever its price.
    #[must_use]
    pub const fn mask(&self, now: Nanos) -> RejectMask {
        self.blocked.or(RejectMask::when(now.0 > self.fresh_until.0, RejectReason::StaleMarketData))
    }
}

/// The mid, rounded down to 1e-8; 0 (missing) when a side is empty or the book is crossed.
fn mid(bid: Price, ask: Price) -> Price {
    if bid.0 <= 0 || ask.0 <= bid.0 { Price::ZERO } else { Price(bid.0 + (ask.0 - bid.0) / 2) }
}

/// A collar's width of all of the reference.
const WIDTH_UNIT: i64 = 100_000_000;

/// Prices that the collar lets pass.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Collar {
    /// Lowest.
    pub low: Price,
    /// Highest.
    pub high: Price,
}

impl Collar {
    /// Lets nothing pass.
    pub const SHUT: Self = Self { low: Price(i64::MAX), high: Price(i64::MIN) };

    /// `width` (1e-8 of the reference) either side, rounded towards the reference; shut without a reference.
    #[must_use]
    pub fn around(reference_price: Price, width: i64) -> Self {
        if reference_price.0 <= 0 {
            return Self::SHUT;
        }
        // Most products fit 64 bits, where dividing by a constant is a multiplication.
        let half = match reference_price.0.checked_mul(width) {
            Some(product) => product / WIDTH_UNIT,
            None => {
                let half = i128::from(reference_price.0) * i128::from(width) / i128::from(WIDTH_UNIT);
                i64::try_from(half).unwrap_or(i64::MAX)
            }
        };
        Self { low: Price(reference_price.0.saturating_sub(half)), high: Price(reference_price.0.saturating_add(half)) }
    }

    /// True when `price` is outside.
    #[must_use]
    pub const fn excludes(&self, price: Price) -> bool {
        (price.0 < self.low.0) | (price.0 > self.high.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, in the width that every product fits.
    fn plain(reference: i64, width: i64) -> (i64, i64) {
        let half = i128::from(reference) * i128::from(width) / i128::from(WIDTH_UNIT);
        let clamp = |value: i128| value.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
        (clamp(i128::from(reference) - half), clamp(i128::from(reference) + half))
    }

    #[test]
    fn a_collar_is_as_wide_where_its_product_no_longer_fits_64_bits() {
        // At 5 % and at 100 %, either side of the prices from which the product needs more than 64 bits; then dear ones.
        for reference in [1, 1_844_674_407_369, 1_844_674_407_371, 70_000_000_000_000, 92_233_720_368_547, i64::MAX / 2]
        {
            for width in [1, 5_000_000, 100_000_000] {
                let collar = Collar::around(Price(reference), width);
                assert_eq!((collar.low.0, collar.high.0), plain(reference, width), "{reference} {width}");
            }
        }
        assert_eq!(Collar::around(Price(0), 5_000_000), Collar::SHUT);
        assert_eq!(Collar::around(Price(-1), 5_000_000), Collar::SHUT);
    }
}
