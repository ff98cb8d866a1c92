//! The book in a form that anyone can check: one map of orders, and every answer recomputed from it.
//!
//! It is the model that the fast book is tested against. It is never used by a process.

use crate::change::{Bbo, Capacity, Change, Changes, Error, Level};
use shm_layout::types::{InstrumentId, Price, Qty, Side};
use std::collections::{BTreeMap, BTreeSet};

/// A live order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NaiveOrder {
    /// Whose book.
    pub instrument: InstrumentId,
    /// Its side.
    pub side: Side,
    /// Its displayed price.
    pub price: Price,
    /// What is left of it.
    pub qty: Qty,
}

/// All books of one channel.
#[derive(Clone, Debug)]
pub struct NaiveBook {
    capacity: Capacity,
    /// By reference.
    pub orders: BTreeMap<u64, NaiveOrder>,
}

impl NaiveBook {
    /// An empty book.
    #[must_use]
    pub const fn new(capacity: Capacity) -> Self {
        Self { capacity, orders: BTreeMap::new() }
    }

    /// As [`crate::Book::add`].
    ///
    /// # Errors
    /// As [`crate::Book::add`].
    pub fn add(
        &mut self,
        reference: u64,
        instrument: InstrumentId,
        side: Side,
        price: Price,
        qty: Qty,
    ) -> Result<Change, Error> {
        if price.0 <= 0 || qty.0 <= 0 {
            return Err(Error::NotRepresentable);
        }
        if instrument.index() >= self.capacity.instruments {
            return Err(Error::Capacity);
        }
        if self.orders.contains_key(&reference) {
            return Err(Error::DuplicateReference);
        }
        if self.orders.len() >= self.capacity.orders {
            return Err(Error::Capacity);
        }
        let mut after = self.clone();
        after.orders.insert(reference, NaiveOrder { instrument, side, price, qty });
        self.commit(after, instrument, side, price)
    }

    /// As [`crate::Book::execute`].
    ///
    /// # Errors
    /// As [`crate::Book::execute`].
    pub fn execute(&mut self, reference: u64, qty: Qty) -> Result<Change, Error> {
        if qty.0 <= 0 {
            return Err(Error::NotRepresentable);
        }
        let order = *self.orders.get(&reference).ok_or(Error::UnknownReference)?;
        if qty > order.qty {
            return Err(Error::OverExecution);
        }
        let mut after = self.clone();
        if qty == order.qty {
            after.orders.remove(&reference);
        } else {
            after.orders.insert(reference, NaiveOrder { qty: Qty(order.qty.0 - qty.0), ..order });
        }
        self.commit(after, order.instrument, order.side, order.price)
    }

    /// As [`crate::Book::cancel`].
    ///
    /// # Errors
    /// As [`crate::Book::cancel`].
    pub fn cancel(&mut self, reference: u64, qty: Qty) -> Result<Change, Error> {
        self.execute(reference, qty)
    }

    /// As [`crate::Book::delete`].
    ///
    /// # Errors
    /// As [`crate::Book::delete`].
    pub fn delete(&mut self, reference: u64) -> Result<Change, Error> {
        let qty = self.orders.get(&reference).ok_or(Error::UnknownReference)?.qty;
        self.execute(reference, qty)
    }

    /// As [`crate::Book::replace`].
    ///
    /// # Errors
    /// As [`crate::Book::replace`].
    pub fn replace(&mut self, old: u64, new: u64, price: Price, qty: Qty) -> Result<Changes, Error> {
        if price.0 <= 0 || qty.0 < 0 {
            return Err(Error::NotRepresentable);
        }
        let order = *self.orders.get(&old).ok_or(Error::UnknownReference)?;
        if self.orders.contains_key(&new) {
            return Err(Error::DuplicateReference);
        }
        let mut after = self.clone();
        after.orders.remove(&old);
        if qty.0 > 0 {
            after.orders.insert(new, NaiveOrder { price, qty, ..order });
        }
        let before = self.clone();
        let first = self.commit(after, order.instrument, order.side, order.price)?;
        let second = (qty.0 > 0 && price != order.price)
            .then(|| Self::change(&before, self, order.instrument, order.side, price));
        Ok(Changes { first, second })
    }

    /// Takes over `after` unless it breaks a capacity or a level's total, and says what changed at one level.
    fn commit(&mut self, after: Self, instrument: InstrumentId, side: Side, price: Price) -> Result<Change, Error> {
        let mut totals: BTreeMap<_, i128> = BTreeMap::new();
        for o in after.orders.values() {
            *totals.entry((o.instrument, o.side, o.price)).or_default() += i128::from(o.qty.0);
        }
        if totals.values().any(|total| i64::try_from(*total).is_err()) {
            return Err(Error::NotRepresentable);
        }
        if totals.len() > self.capacity.levels {
            return Err(Error::Capacity);
        }
        let change = Self::change(self, &after, instrument, side, price);
        *self = after;
        Ok(change)
    }

    fn change(before: &Self, after: &Self, instrument: InstrumentId, side: Side, price: Price) -> Change {
        let level = after.all_levels(instrument, side).into_iter().find(|l| l.price == price).unwrap_or_default();
        let top = |book: &Self| book.bbo(instrument).side(side).map(|l| (l.price, l.qty));
        let bbo_changed = top(before) != top(after);
        Change { instrument, side, price, level_qty: level.qty, level_orders: level.orders, bbo_changed }
    }

    /// Every level of a side, best first.
    #[must_use]
    pub fn all_levels(&self, instrument: InstrumentId, side: Side) -> Vec<Level> {
        let of_side = || self.orders.values().filter(|o| o.instrument == instrument && o.side == side);
        let prices: BTreeSet<Price> = of_side().map(|o| o.price).collect();
        let level = |price: Price| {
            let at = || of_side().filter(|o| o.price == price);
            Level { price, qty: Qty(at().map(|o| o.qty.0).sum()), orders: at().count() as u32 }
        };
        match side {
            Side::Buy => prices.into_iter().rev().map(level).collect(),
            Side::Sell => prices.into_iter().map(level).collect(),
        }
    }

    /// Best bid and offer.
    #[must_use]
    pub fn bbo(&self, instrument: InstrumentId) -> Bbo {
        let best = |side| self.all_levels(instrument, side).first().copied();
        Bbo { bid: best(Side::Buy), ask: best(Side::Sell) }
    }

    /// As [`crate::Book::clear`].
    pub fn clear(&mut self, instrument: InstrumentId) {
        self.orders.retain(|_, order| order.instrument != instrument);
    }

    /// As [`crate::Book::clear_all`].
    pub fn clear_all(&mut self) {
        self.orders.clear();
    }
}
