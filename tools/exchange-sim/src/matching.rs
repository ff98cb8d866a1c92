//! The venue's own book of one instrument: price-time priority, every order by reference number.
//!
//! It shares no code with Tickway's `book`: the account that it leads to must not err with what it checks. It is
//! never crossed: an order rests only after it has taken everything it crosses.

use crate::instrument::PriceTicks;
use shm_layout::types::Side;
use std::collections::{BTreeMap, VecDeque};

/// Who sent an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// A market maker of the background flow, by index.
    Maker(u8),
    /// A taker of the background flow; its orders never rest.
    Taker,
    /// The account's order with this UserRefNum.
    Account(u32),
}

/// A resting order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// Order reference number, unique over the session.
    pub reference: u64,
    /// Who owns it.
    pub owner: Owner,
    /// Side of the book.
    pub side: Side,
    /// Limit price, in 1e-4.
    pub price: PriceTicks,
    /// Shares left.
    pub shares: u32,
}

/// One execution of a resting order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fill {
    /// The resting order's reference.
    pub reference: u64,
    /// The resting order's owner.
    pub owner: Owner,
    /// The resting order's price, in 1e-4: the price of the trade.
    pub price: PriceTicks,
    /// Shares traded.
    pub shares: u32,
}

/// What an incoming order left after it took what it crosses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// Shares of the incoming order not traded.
    pub left: u32,
    /// Set when it stopped at a resting order of its own account: the rest of the newer order must be canceled.
    pub prevented: Option<Prevented>,
}

/// The trade with oneself that was prevented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prevented {
    /// Price at which it would have traded, in 1e-4.
    pub price: PriceTicks,
    /// Shares that would have traded.
    pub shares: u32,
}

/// The book of one instrument.
#[derive(Debug, Clone, Default)]
pub struct Book {
    bids: BTreeMap<PriceTicks, VecDeque<u64>>,
    asks: BTreeMap<PriceTicks, VecDeque<u64>>,
    orders: BTreeMap<u64, Order>,
}

/// True when an order on `side` at `limit` would trade with a contra order at `price`.
#[must_use]
pub fn crosses(side: Side, limit: PriceTicks, price: PriceTicks) -> bool {
    match side {
        Side::Buy => price <= limit,
        Side::Sell => price >= limit,
    }
}

impl Book {
    /// The best price of a side and the shares at it.
    #[must_use]
    pub fn best(&self, side: Side) -> Option<(PriceTicks, u64)> {
        let level = match side {
            Side::Buy => self.bids.last_key_value(),
            Side::Sell => self.asks.first_key_value(),
        };
        level.map(|(&price, queue)| (price, self.shares_of(queue)))
    }

    /// Every level of a side, best first: price and shares.
    pub fn levels(&self, side: Side) -> Vec<(PriceTicks, u64)> {
        let of = |(&price, queue): (&PriceTicks, &VecDeque<u64>)| (price, self.shares_of(queue));
        match side {
            Side::Buy => self.bids.iter().rev().map(of).collect(),
            Side::Sell => self.asks.iter().map(of).collect(),
        }
    }

    /// A resting order.
    #[must_use]
    pub fn order(&self, reference: u64) -> Option<&Order> {
        self.orders.get(&reference)
    }

    /// Every resting order, by reference.
    pub fn orders(&self) -> impl Iterator<Item = &Order> {
        self.orders.values()
    }

    /// Trades an incoming order against the contra side, best price first, oldest first, and appends what it took to
    /// `fills`. What is left does not rest by itself: see [`Book::rest`].
    pub fn take(&mut self, side: Side, limit: PriceTicks, shares: u32, owner: Owner, fills: &mut Vec<Fill>) -> Taken {
        let mut left = shares;
        while left > 0 {
            let Some(reference) = self.front(side.opposite(), side, limit) else { break };
            let order = self.orders.get_mut(&reference).expect("a queued order is in the table");
            if matches!((owner, order.owner), (Owner::Account(_), Owner::Account(_))) {
                let prevented = Prevented { price: order.price, shares: left.min(order.shares) };
                return Taken { left, prevented: Some(prevented) };
            }
            let traded = left.min(order.shares);
            left -= traded;
            order.shares -= traded;
            fills.push(Fill { reference, owner: order.owner, price: order.price, shares: traded });
            if order.shares == 0 {
                self.remove(reference);
            }
        }
        Taken { left, prevented: None }
    }

    /// Puts an order at the end of its price's queue.
    ///
    /// # Panics
    /// When it would cross the book, has no shares, or its reference is in use: the caller broke an invariant.
    pub fn rest(&mut self, order: Order) {
        assert!(order.shares > 0, "order {} rests without shares", order.reference);
        let contra = self.best(order.side.opposite());
        assert!(
            contra.is_none_or(|(price, _)| !crosses(order.side, order.price, price)),
            "order {} would cross the book",
            order.reference
        );
        let known = self.orders.insert(order.reference, order);
        assert!(known.is_none(), "reference {} is in use", order.reference);
        self.side_mut(order.side).entry(order.price).or_default().push_back(order.reference);
    }

    /// Takes `shares` off a resting order, which keeps its priority; at zero it leaves the book. `None` when there is
    /// no such order; else the shares really taken off.
    pub fn reduce(&mut self, reference: u64, shares: u32) -> Option<u32> {
        let order = self.orders.get_mut(&reference)?;
        let by = shares.min(order.shares);
        order.shares -= by;
        if order.shares == 0 {
            self.remove(reference);
        }
        Some(by)
    }

    /// Removes a resting order and returns it as it was.
    pub fn remove(&mut self, reference: u64) -> Option<Order> {
        let order = self.orders.remove(&reference)?;
        let levels = self.side_mut(order.side);
        let queue = levels.get_mut(&order.price).expect("an order's level exists");
        queue.retain(|&queued| queued != reference);
        if queue.is_empty() {
            levels.remove(&order.price);
        }
        Some(order)
    }

    /// The oldest order at the best price of `book_side`, when an order on `side` at `limit` reaches it.
    fn front(&self, book_side: Side, side: Side, limit: PriceTicks) -> Option<u64> {
        let (&price, queue) = match book_side {
            Side::Buy => self.bids.last_key_value(),
            Side::Sell => self.asks.first_key_value(),
        }?;
        if crosses(side, limit, price) { queue.front().copied() } else { None }
    }

    fn side_mut(&mut self, side: Side) -> &mut BTreeMap<PriceTicks, VecDeque<u64>> {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }

    fn shares_of(&self, queue: &VecDeque<u64>) -> u64 {
        queue.iter().filter_map(|reference| self.orders.get(reference)).map(|order| u64::from(order.shares)).sum()
    }
}
