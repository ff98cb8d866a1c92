//! The book's operations, with the meaning that ITCH gives them.

use crate::change::{Bbo, Capacity, Change, Changes, Error, Level};
use crate::levels::{Levels, NONE, Place, owner_of};
use crate::order_table::{Order, OrderTable};
use shm_layout::types::{InstrumentId, Price, Qty, Side};

/// All books of one channel.
#[derive(Debug)]
pub struct Book {
    orders: OrderTable,
    levels: Levels,
}

impl Book {
    /// An empty book; the only place that allocates.
    ///
    /// # Panics
    /// On a capacity of levels or instruments over 31 bits.
    #[must_use]
    pub fn new(capacity: Capacity) -> Self {
        Self { orders: OrderTable::new(capacity.orders), levels: Levels::new(capacity.levels, capacity.instruments) }
    }

    /// A new order is displayed (ITCH `A`, `F`).
    ///
    /// # Errors
    /// [`Error::NotRepresentable`], [`Error::Capacity`], [`Error::DuplicateReference`].
    #[inline]
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
        if instrument.index() >= self.levels.instruments() {
            return Err(Error::Capacity);
        }
        let Err(slot) = self.orders.find(reference) else { return Err(Error::DuplicateReference) };
        if self.orders.is_full() {
            return Err(Error::Capacity);
        }
        let level = match self.levels.find(instrument, side, price) {
            Place::At(level) => level,
            Place::Between { .. } if self.levels.is_full() => return Err(Error::Capacity),
            Place::Between { better, worse } => self.levels.insert(instrument, side, price, better, worse),
        };
        let node = self.levels.node_mut(level);
        // A new level has nothing yet: what cannot be added was not inserted either.
        node.qty = node.qty.checked_add(qty.0).ok_or(Error::NotRepresentable)?;
        node.orders += 1;
        let (level_qty, level_orders) = (Qty(node.qty), node.orders);
        let bbo_changed = self.levels.best(owner_of(instrument, side)) == level;
        self.orders.insert(slot, Order { reference, qty: qty.0, level });
        Ok(Change { instrument, side, price, level_qty, level_orders, bbo_changed })
    }

    /// An order executes in part or whole (ITCH `E`, `C`). The change's `price` is the order's displayed price.
    ///
    /// # Errors
    /// [`Error::NotRepresentable`], [`Error::UnknownReference`], [`Error::OverExecution`].
    #[inline]
    pub fn execute(&mut self, reference: u64, qty: Qty) -> Result<Change, Error> {
        self.reduce(reference, qty)
    }

    /// An order is reduced by `qty`, and removed when nothing is left (ITCH `X`).
    ///
    /// # Errors
    /// As [`Self::execute`].
    #[inline]
    pub fn cancel(&mut self, reference: u64, qty: Qty) -> Result<Change, Error> {
        self.reduce(reference, qty)
    }

    /// An order is removed (ITCH `D`).
    ///
    /// # Errors
    /// [`Error::UnknownReference`].
    #[inline]
    pub fn delete(&mut self, reference: u64) -> Result<Change, Error> {
        let found = self.orders.find(reference).map_err(|_| Error::UnknownReference)?;
        Ok(self.take(found, self.orders.get(found).qty))
    }

    /// `new` takes the place of `old` (ITCH `U`): it inherits instrument and side and joins the end of the queue. A
    /// quantity of zero only removes the old order.
    ///
    /// # Errors
    /// [`Error::NotRepresentable`], [`Error::UnknownReference`], [`Error::DuplicateReference`], [`Error::Capacity`].
    pub fn replace(&mut self, old: u64, new: u64, price: Price, qty: Qty) -> Result<Changes, Error> {
        if price.0 <= 0 || qty.0 < 0 {
            return Err(Error::NotRepresentable);
        }
        let found = self.orders.find(old).map_err(|_| Error::UnknownReference)?;
        if self.orders.find(new).is_ok() {
            return Err(Error::DuplicateReference);
        }
        let Order { level, qty: old_qty, .. } = *self.orders.get(found);
        let (instrument, side, old_price) = self.levels.identity(level);
        match self.levels.find(instrument, side, price) {
            Place::At(target) => {
                let leaving = if target == level { old_qty } else { 0 };
                (self.levels.node(target).qty - leaving).checked_add(qty.0).ok_or(Error::NotRepresentable)?;
            }
            Place::Between { .. } => {
                if self.levels.is_full() && self.levels.node(level).orders > 1 && qty.0 > 0 {
                    return Err(Error::Capacity);
                }
            }
        }
        let owner = owner_of(instrument, side);
        let before = self.best_of(owner);
        let mut first = self.take(found, old_qty);
        let mut second = None;
        if qty.0 > 0 {
            let added = self.add(new, instrument, side, price, qty).expect("checked above");
            if price == old_price {
                first = added;
            } else {
                second = Some(added);
            }
        }
        let after = self.best_of(owner);
        let bbo_changed = before.map(|l| (l.price, l.qty)) != after.map(|l| (l.price, l.qty));
        first.bbo_changed = bbo_changed;
        if let Some(change) = &mut second {
            change.bbo_changed = bbo_changed;
        }
        Ok(Changes { first, second })
    }

    #[inline]
    fn reduce(&mut self, reference: u64, qty: Qty) -> Result<Change, Error> {
        if qty.0 <= 0 {
            return Err(Error::NotRepresentable);
        }
        let found = self.orders.find(reference).map_err(|_| Error::UnknownReference)?;
        if qty.0 > self.orders.get(found).qty {
            return Err(Error::OverExecution);
        }
        Ok(self.take(found, qty.0))
    }

    /// Takes `qty`, at most what it has, from an order; an order and a level end with their last quantity.
    #[inline]
    fn take(&mut self, found: usize, qty: i64) -> Change {
        let Order { level, qty: left, .. } = *self.orders.get(found);
        let node = self.levels.node_mut(level);
        node.qty -= qty;
        node.orders -= u32::from(qty == left);
        let ((instrument, side, price), owner) = (node.identity(), node.owner);
        let (level_qty, level_orders) = (Qty(node.qty), node.orders);
        let bbo_changed = self.levels.best(owner) == level;
        if qty == left {
            self.orders.remove(found);
        } else {
            self.orders.set_qty(found, left - qty);
        }
        if level_orders == 0 {
            assert!(level_qty.0 == 0, "a level's quantity is the sum of its orders'");
            self.levels.remove(level);
        }
        Change { instrument, side, price, level_qty, level_orders, bbo_changed }
    }

    #[inline]
    fn level(&self, slot: u32) -> Level {
        let node = self.levels.node(slot);
        Level { price: node.price(), qty: Qty(node.qty), orders: node.orders }
    }

    #[inline]
    fn best_of(&self, owner: u32) -> Option<Level> {
        let slot = self.levels.best(owner);
        if slot == NONE { None } else { Some(self.level(slot)) }
    }

    /// Best bid and offer; both `None` for an instrument that is not in the table.
    #[inline]
    #[must_use]
    pub fn bbo(&self, instrument: InstrumentId) -> Bbo {
        if instrument.index() >= self.levels.instruments() {
            return Bbo::default();
        }
        let bid = self.best_of(owner_of(instrument, Side::Buy));
        let ask = self.best_of(owner_of(instrument, Side::Sell));
        Bbo { bid, ask }
    }

    /// Best bid at or above best ask.
    #[must_use]
    pub fn is_crossed(&self, instrument: InstrumentId) -> bool {
        self.bbo(instrument).is_crossed()
    }

    /// Writes the best levels of a side, best first, as many as fit; returns how many were written.
    pub fn levels(&self, instrument: InstrumentId, side: Side, out: &mut [Level]) -> usize {
        if instrument.index() >= self.levels.instruments() {
            return 0;
        }
        let mut slot = self.levels.best(owner_of(instrument, side));
        let mut count = 0;
        while slot != NONE && count < out.len() {
            out[count] = self.level(slot);
            count += 1;
            slot = self.levels.worse(slot);
        }
        count
    }

    /// Live orders of the whole channel.
    #[must_use]
    pub const fn order_count(&self) -> usize {
        self.orders.count()
    }

    /// What is left of a live order, and where it stands: instrument, side, price, quantity.
    #[must_use]
    pub fn order(&self, reference: u64) -> Option<(InstrumentId, Side, Price, Qty)> {
        let order = self.orders.get(self.orders.find(reference).ok()?);
        let (instrument, side, price) = self.levels.identity(order.level);
        Some((instrument, side, price, Qty(order.qty)))
    }

    /// Forgets every order of one instrument. Walks the whole order table: for faults, not for the hot path.
    pub fn clear(&mut self, instrument: InstrumentId) {
        if instrument.index() >= self.levels.instruments() {
            return;
        }
        let Self { orders, levels } = self;
        orders.remove_where(|order| levels.identity(order.level).0 == instrument);
        for side in [Side::Buy, Side::Sell] {
            levels.clear_side(owner_of(instrument, side));
        }
    }

    /// Forgets every order of every instrument: a new session.
    pub fn clear_all(&mut self) {
        self.orders.remove_where(|_| true);
        for owner in 0..self.levels.instruments() as u32 * 2 {
            self.levels.clear_side(owner);
        }
    }

    /// Conservation: on every level, quantity and count are those of its orders, and list, tree and heap hold. Allocates
    /// and walks everything: for tests.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let mut totals = std::collections::BTreeMap::new();
        for order in self.orders.iter() {
            let (qty, count) = totals.entry(order.level).or_insert((0_i64, 0_u32));
            (*qty, *count) = (*qty + order.qty, *count + 1);
        }
        let owners = 0..self.levels.instruments() as u32 * 2;
        let listed: usize = owners.clone().map(|owner| self.count_levels(owner)).sum();
        let totals_hold = totals.iter().all(|(level, total)| {
            let node = self.levels.node(*level);
            (node.qty, node.orders) == *total
        });
        totals_hold
            && self.orders.is_sound()
            && listed == totals.len()
            && owners.into_iter().all(|owner| self.levels.is_sound(owner))
    }

    fn count_levels(&self, owner: u32) -> usize {
        let first = Some(self.levels.best(owner)).filter(|slot| *slot != NONE);
        std::iter::successors(first, |slot| Some(self.levels.worse(*slot)).filter(|slot| *slot != NONE)).count()
    }
}
