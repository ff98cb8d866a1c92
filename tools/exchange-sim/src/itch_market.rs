//! The market of an ITCH file: the feed is exactly the file's messages, and the account's orders meet the visible
//! book without altering it.
//!
//! - An aggressive order takes displayed size at its displayed price, best price first, oldest first. Each displayed
//!   share is taken at most once: what was taken from an order stays taken until the file itself removes it, and a
//!   replacement inherits it.
//! - A resting order fills, at its own price, when the file trades strictly through that price or adds a contra order
//!   priced strictly through it, for at most the shares of that trade or order. A trade *at* the price does not fill
//!   it: nobody can say that its turn in the queue had come.
//! - Nothing of the account ever appears on the feed.
//!
//! The file may name unknown references or stand crossed; this market then believes what it can and never fails.

use crate::instrument::{Instrument, PriceTicks, Symbol};
use crate::market::{Execution, MarketOut, NewOrder, Numbers, Placed};
use crate::matching::{Prevented, crosses};
use protocols::itch::Message;
use shm_layout::types::Side;
use std::collections::{BTreeMap, VecDeque};

/// Order references and match numbers of the account start here, far above any of a file.
const OWN_NUMBERS_AFTER: u64 = 1 << 60;

/// An order that the file displays.
#[derive(Debug, Clone, Copy)]
struct Displayed {
    row: usize,
    side: Side,
    price: PriceTicks,
    shares: u32,
    /// Shares of it that the account has traded with.
    taken: u32,
}

impl Displayed {
    const fn available(&self) -> u32 {
        self.shares.saturating_sub(self.taken)
    }
}

/// A resting order of the account, invisible on the feed.
#[derive(Debug, Clone, Copy)]
struct Resting {
    user_ref_num: u32,
    row: usize,
    side: Side,
    price: PriceTicks,
    shares: u32,
}

#[derive(Debug, Default)]
struct Levels {
    bids: BTreeMap<PriceTicks, VecDeque<u64>>,
    asks: BTreeMap<PriceTicks, VecDeque<u64>>,
}

impl Levels {
    fn side_mut(&mut self, side: Side) -> &mut BTreeMap<PriceTicks, VecDeque<u64>> {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }

    /// The references of a side, best price first, oldest first.
    fn references(&self, side: Side) -> Box<dyn Iterator<Item = u64> + '_> {
        match side {
            Side::Buy => Box::new(self.bids.values().rev().flatten().copied()),
            Side::Sell => Box::new(self.asks.values().flatten().copied()),
        }
    }
}

/// The visible book of every instrument of the file, and the account's resting orders.
#[derive(Debug)]
pub struct ItchMarket {
    rows: BTreeMap<Symbol, usize>,
    levels: Vec<Levels>,
    displayed: BTreeMap<u64, Displayed>,
    resting: BTreeMap<u64, Resting>,
    /// True for an instrument that the file says is halted, paused or in quotation only.
    halted: Vec<bool>,
    numbers: Numbers,
}

impl ItchMarket {
    /// An empty market of the file's instruments.
    #[must_use]
    pub fn new(instruments: &[Instrument]) -> Self {
        Self {
            rows: instruments.iter().enumerate().map(|(row, instrument)| (instrument.symbol, row)).collect(),
            levels: instruments.iter().map(|_| Levels::default()).collect(),
            displayed: BTreeMap::new(),
            resting: BTreeMap::new(),
            halted: vec![false; instruments.len()],
            numbers: Numbers::after(OWN_NUMBERS_AFTER, OWN_NUMBERS_AFTER),
        }
    }

    /// Whether the file's last word on an instrument lets it trade.
    #[must_use]
    pub fn is_trading(&self, row: usize) -> bool {
        !self.halted[row]
    }

    /// Shares displayed at a price that the account has not taken.
    #[must_use]
    pub fn available(&self, row: usize, side: Side, price: PriceTicks) -> u64 {
        let level = match side {
            Side::Buy => self.levels[row].bids.get(&price),
            Side::Sell => self.levels[row].asks.get(&price),
        };
        let references = level.into_iter().flatten();
        references.filter_map(|reference| self.displayed.get(reference)).map(|order| u64::from(order.available())).sum()
    }

    /// Applies one message of the file; executions of resting orders go to `out`.
    pub fn on_message(&mut self, bytes: &[u8], out: &mut MarketOut) {
        let Ok(message) = Message::parse(bytes) else { return };
        match message {
            Message::AddOrder(m) => {
                self.add(m.order_reference_number(), m.stock().0, m.side(), m.shares(), m.price(), out);
            }
            Message::AddOrderMpid(m) => {
                self.add(m.order_reference_number(), m.stock().0, m.side(), m.shares(), m.price(), out);
            }
            Message::OrderExecuted(m) => {
                let Some(order) = self.displayed.get(&m.order_reference_number()).copied() else { return };
                self.shrink(m.order_reference_number(), m.executed_shares());
                self.trade_through(order.row, order.price, m.executed_shares(), out);
            }
            Message::OrderExecutedWithPrice(m) => {
                let Some(order) = self.displayed.get(&m.order_reference_number()).copied() else { return };
                self.shrink(m.order_reference_number(), m.executed_shares());
                // A non-printable execution is reported again by its cross.
                if m.printable() == b'Y' {
                    self.trade_through(order.row, m.execution_price(), m.executed_shares(), out);
                }
            }
            Message::OrderCancel(m) => self.shrink(m.order_reference_number(), m.cancelled_shares()),
            Message::OrderDelete(m) => {
                self.remove(m.order_reference_number());
            }
            Message::OrderReplace(m) => {
                let Some(old) = self.remove(m.original_order_reference_number()) else { return };
                let order = Displayed { price: m.price(), shares: m.shares(), ..old };
                self.display(m.new_order_reference_number(), order, out);
            }
            Message::Trade(m) => {
                let Some(row) = self.rows.get(&m.stock().0).copied() else { return };
                self.trade_through(row, m.price(), m.shares(), out);
            }
            Message::CrossTrade(m) => {
                let Some(row) = self.rows.get(&m.stock().0).copied() else { return };
                self.trade_through(row, m.cross_price(), u32::try_from(m.shares()).unwrap_or(u32::MAX), out);
            }
            Message::StockTradingAction(m) => {
                let Some(row) = self.rows.get(&m.stock().0).copied() else { return };
                self.halted[row] = m.trading_state() != b'T';
            }
            _ => {}
        }
    }

    /// Takes a new order of the account against the visible book; the rest waits unseen, or is canceled.
    pub fn enter(&mut self, order: &NewOrder, out: &mut MarketOut) -> Placed {
        let reference = self.numbers.reference();
        let own_contra = self.best_resting(order.row, order.side.opposite());
        let mut left = order.shares;
        let references: Vec<u64> = self.levels[order.row]
            .references(order.side.opposite())
            .take_while(|reference| {
                let price = self.displayed[reference].price;
                // At one price the displayed orders come first; behind our own contra order nothing can be reached.
                let is_before_own = own_contra.is_none_or(|own| crosses(order.side, own.price, price));
                crosses(order.side, order.price, price) && is_before_own
            })
            .collect();
        for contra in references {
            let displayed = self.displayed.get_mut(&contra).expect("a queued order is in the table");
            let shares = left.min(displayed.available());
            if shares == 0 {
                continue;
            }
            displayed.taken += shares;
            left -= shares;
            let price = displayed.price;
            let match_number = self.numbers.match_number();
            let user_ref_num = order.user_ref_num;
            out.executions.push(Execution { user_ref_num, price, shares, match_number, aggressor: true });
        }
        let prevented = own_contra
            .filter(|own| left > 0 && crosses(order.side, order.price, own.price))
            .map(|own| Prevented { price: own.price, shares: left.min(own.shares) });
        let rests = !order.immediate && prevented.is_none() && left > 0;
        let resting = if rests { left } else { 0 };
        if rests {
            let NewOrder { user_ref_num, row, side, price, .. } = *order;
            self.resting.insert(reference, Resting { user_ref_num, row, side, price, shares: left });
        }
        Placed { reference, resting, canceled: left - resting, prevented }
    }

    /// Replaces a resting order of the account; the new one may trade at once.
    pub fn replace(&mut self, original: u64, order: &NewOrder, out: &mut MarketOut) -> Placed {
        self.resting.remove(&original);
        self.enter(order, out)
    }

    /// Removes a resting order of the account; returns the shares it had left.
    pub fn cancel(&mut self, reference: u64) -> Option<u32> {
        self.resting.remove(&reference).map(|order| order.shares)
    }

    /// Takes shares off a resting order of the account.
    pub fn reduce(&mut self, reference: u64, shares: u32) -> Option<u32> {
        let order = self.resting.get_mut(&reference)?;
        let by = shares.min(order.shares);
        order.shares -= by;
        if order.shares == 0 {
            self.resting.remove(&reference);
        }
        Some(by)
    }

    /// True when an order of the account would trade at once.
    #[must_use]
    pub fn is_marketable(&self, row: usize, side: Side, price: PriceTicks) -> bool {
        self.levels[row]
            .references(side.opposite())
            .take_while(|reference| crosses(side, price, self.displayed[reference].price))
            .any(|reference| self.displayed[&reference].available() > 0)
    }

    fn add(&mut self, reference: u64, symbol: Symbol, side: u8, shares: u32, price: PriceTicks, out: &mut MarketOut) {
        let side = match side {
            b'B' => Side::Buy,
            b'S' => Side::Sell,
            _ => return,
        };
        let Some(row) = self.rows.get(&symbol).copied() else { return };
        self.display(reference, Displayed { row, side, price, shares, taken: 0 }, out);
    }

    /// Shows an order of the file, after it has met the account's orders that it passes through.
    fn display(&mut self, reference: u64, mut order: Displayed, out: &mut MarketOut) {
        // A repeated reference replaces the order of that name: the file's last word counts.
        self.remove(reference);
        if order.shares == 0 {
            return;
        }
        let through = |resting: &Resting| is_through(resting, order.price) && resting.side != order.side;
        let used = self.fill_resting(order.row, order.available(), through, out);
        order.taken += used;
        self.displayed.insert(reference, order);
        self.levels[order.row].side_mut(order.side).entry(order.price).or_default().push_back(reference);
    }

    fn shrink(&mut self, reference: u64, shares: u32) {
        let Some(order) = self.displayed.get_mut(&reference) else { return };
        order.shares = order.shares.saturating_sub(shares);
        if order.shares == 0 {
            self.remove(reference);
        }
    }

    fn remove(&mut self, reference: u64) -> Option<Displayed> {
        let order = self.displayed.remove(&reference)?;
        let levels = self.levels[order.row].side_mut(order.side);
        if let Some(queue) = levels.get_mut(&order.price) {
            queue.retain(|&queued| queued != reference);
            if queue.is_empty() {
                levels.remove(&order.price);
            }
        }
        Some(order)
    }

    fn trade_through(&mut self, row: usize, price: PriceTicks, shares: u32, out: &mut MarketOut) {
        self.fill_resting(row, shares, |resting| is_through(resting, price), out);
    }

    /// Fills the account's resting orders of a row that `through` picks, best price first, oldest first, with at most
    /// `budget` shares; returns the shares used.
    fn fill_resting(
        &mut self,
        row: usize,
        budget: u32,
        through: impl Fn(&Resting) -> bool,
        out: &mut MarketOut,
    ) -> u32 {
        let mut reached: Vec<(u64, Resting)> = self
            .resting
            .iter()
            .filter(|(_, resting)| resting.row == row && through(resting))
            .map(|(&reference, &resting)| (reference, resting))
            .collect();
        reached.sort_by_key(|(reference, resting)| (-i64::from(resting.price) * resting.side.sign(), *reference));
        let mut left = budget;
        for (reference, resting) in reached {
            let shares = left.min(resting.shares);
            if shares == 0 {
                break;
            }
            left -= shares;
            self.reduce(reference, shares);
            let match_number = self.numbers.match_number();
            let Resting { user_ref_num, price, .. } = resting;
            out.executions.push(Execution { user_ref_num, price, shares, match_number, aggressor: false });
        }
        budget - left
    }

    /// The best resting order of the account on a side.
    fn best_resting(&self, row: usize, side: Side) -> Option<Resting> {
        let on_side = self.resting.values().filter(|resting| resting.row == row && resting.side == side);
        on_side.max_by_key(|resting| i64::from(resting.price) * side.sign()).copied()
    }
}

/// True when `price` lies strictly beyond a resting order's price, as seen from its own side.
const fn is_through(resting: &Resting, price: PriceTicks) -> bool {
    match resting.side {
        Side::Buy => price < resting.price,
        Side::Sell => price > resting.price,
    }
}
