//! The position of one strategy in one instrument: four exact sums, from which the rest follows.

use shm_layout::types::{Notional, Price, Qty, Side};

/// A position. The sums are net of broken trades.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Position {
    /// Start of day plus bought minus sold, in 1e-8 of the instrument's unit.
    pub qty: Qty,
    /// Position at the start of the day.
    pub start_qty: Qty,
    /// Its valuation price.
    pub start_px: Price,
    /// Bought today, in 1e-8 units.
    pub bought_qty: i128,
    /// Sold today.
    pub sold_qty: i128,
    /// Price times quantity of what was bought, in 1e-16 of the quote currency.
    pub buy_notional: Notional,
    /// Price times quantity of what was sold.
    pub sell_notional: Notional,
    /// Executions; one that is broken, in one piece or several, stays counted.
    pub fills: u64,
}

/// The position would not fit: `qty` over 64 bits, or a sum over 128.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DoesNotFit;

impl Position {
    /// A position carried into the day.
    #[must_use]
    pub fn start_of_day(qty: Qty, px: Price) -> Self {
        Self { qty, start_qty: qty, start_px: px, ..Self::default() }
    }

    /// Adds an execution, or takes a broken one back; unchanged on error.
    ///
    /// # Errors
    /// [`DoesNotFit`].
    pub fn trade(&mut self, side: Side, qty: Qty, px: Price, broken: bool) -> Result<(), DoesNotFit> {
        let direction = if broken { -1 } else { 1 };
        let signed = qty.0.checked_mul(side.sign() * direction).ok_or(DoesNotFit)?;
        let net = self.qty.0.checked_add(signed).ok_or(DoesNotFit)?;
        let fills = self.fills + u64::from(!broken);
        let notional = Notional::of(px, qty).0 * i128::from(direction);
        let amount = i128::from(qty.0) * i128::from(direction);
        let (sum_qty, sum_notional) = match side {
            Side::Buy => (&mut self.bought_qty, &mut self.buy_notional.0),
            Side::Sell => (&mut self.sold_qty, &mut self.sell_notional.0),
        };
        let total_qty = sum_qty.checked_add(amount).ok_or(DoesNotFit)?;
        *sum_notional = sum_notional.checked_add(notional).ok_or(DoesNotFit)?;
        *sum_qty = total_qty;
        self.qty = Qty(net);
        self.fills = fills;
        Ok(())
    }

    /// Sales minus purchases of the day, exact, in 1e-16 of the quote currency. Plus `qty` × mark minus `start_qty` ×
    /// `start_px` it is the day's profit.
    #[must_use]
    pub const fn cash_flow(&self) -> i128 {
        self.sell_notional.0.saturating_sub(self.buy_notional.0)
    }

    /// Realised profit, in 1e-16 of the quote currency, on the **average-cost** basis over the day: what was both bought
    /// and sold, at the average sell price minus the average buy price, the start-of-day position counting as bought (or
    /// sold) at its valuation price. A function of the sums alone, so the order of executions does not matter; each of
    /// the two products is truncated to a unit.
    #[must_use]
    pub fn realised_pnl(&self) -> i128 {
        let start = Notional::of(self.start_px, self.start_qty).0;
        let (mut bought, mut buys) = (self.bought_qty, self.buy_notional.0);
        let (mut sold, mut sells) = (self.sold_qty, self.sell_notional.0);
        if self.start_qty.0 >= 0 {
            bought = bought.saturating_add(i128::from(self.start_qty.0));
            buys = buys.saturating_add(start);
        } else {
            sold = sold.saturating_sub(i128::from(self.start_qty.0));
            sells = sells.saturating_sub(start);
        }
        let matched = bought.min(sold);
        if matched <= 0 {
            return 0;
        }
        part(sells, sold, matched).saturating_sub(part(buys, bought, matched))
    }
}

/// `notional × matched / qty`, without an intermediate over 128 bits while `qty`² fits.
fn part(notional: i128, qty: i128, matched: i128) -> i128 {
    let (whole, rest) = (notional / qty, notional % qty);
    let rest = rest.checked_mul(matched).map_or(0, |product| product / qty);
    whole.saturating_mul(matched).saturating_add(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: i64 = 100_000_000;

    #[test]
    fn realised_profit_matches_a_worked_example() {
        // Buy 100 at 10, buy 100 at 12 (average 11), sell 150 at 13: realised 150 × 2 = 300, 50 left.
        let mut position = Position::default();
        for (side, qty, px) in [(Side::Buy, 100, 10), (Side::Buy, 100, 12), (Side::Sell, 150, 13)] {
            position.trade(side, Qty(qty * ONE), Price(px * ONE), false).unwrap();
        }
        assert_eq!(position.qty, Qty(50 * ONE));
        assert_eq!(position.realised_pnl(), 300 * i128::from(ONE) * i128::from(ONE));
        assert_eq!(position.cash_flow(), (1950 - 2200) * i128::from(ONE) * i128::from(ONE));
        // The sale is broken: nothing realised.
        position.trade(Side::Sell, Qty(150 * ONE), Price(13 * ONE), true).unwrap();
        assert_eq!((position.qty, position.realised_pnl(), position.fills), (Qty(200 * ONE), 0, 3));
    }

    #[test]
    fn a_start_of_day_position_realises_against_its_price() {
        // Short 10 from 50, covered at 45: 10 × 5 = 50.
        let mut position = Position::start_of_day(Qty(-10 * ONE), Price(50 * ONE));
        position.trade(Side::Buy, Qty(10 * ONE), Price(45 * ONE), false).unwrap();
        assert_eq!(position.qty, Qty(0));
        assert_eq!(position.realised_pnl(), 50 * i128::from(ONE) * i128::from(ONE));
    }
}
