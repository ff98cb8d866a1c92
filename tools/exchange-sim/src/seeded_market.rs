//! The seeded market: one book per instrument in which the agents' orders and the account's match with price-time
//! priority. Every change of a book is one event, so that the feed rebuilds it exactly.

use crate::agents::{Action, Agents, LEVELS, MAKERS};
use crate::dice::Dice;
use crate::instrument::Instrument;
use crate::market::{Execution, MarketEvent, MarketOut, NewOrder, Numbers, Placed};
use crate::matching::{Book, Fill, Order, Owner, Taken, crosses};
use shm_layout::types::Side;

/// Most messages of the background flow in one call: a stalled host catches up over several.
pub const FLOW_BATCH_MAX: u64 = 512;

#[derive(Debug)]
struct Listing {
    book: Book,
    agents: Agents,
    dice: Dice,
}

/// The market of every instrument.
#[derive(Debug)]
pub struct SeededMarket {
    listings: Vec<Listing>,
    dice: Dice,
    numbers: Numbers,
    /// Messages of the background flow per second of venue time.
    rate: u32,
    flow_messages: u64,
    fills: Vec<Fill>,
}

impl SeededMarket {
    /// An empty market; `rate` is in messages per second, over all instruments.
    #[must_use]
    pub fn new(instruments: &[Instrument], seed: u64, rate: u32) -> Self {
        let listing = |instrument: &Instrument| Listing {
            book: Book::default(),
            agents: Agents::new(instrument),
            dice: Dice::new(seed, 1 + u64::from(instrument.stock_locate)),
        };
        Self {
            listings: instruments.iter().map(listing).collect(),
            dice: Dice::new(seed, 0),
            numbers: Numbers::after(0, 0),
            rate,
            flow_messages: 0,
            fills: Vec::new(),
        }
    }

    /// The book of an instrument's row.
    #[must_use]
    pub fn book(&self, row: usize) -> &Book {
        &self.listings[row].book
    }

    /// Every maker quotes its first ladders: the book as the market opens.
    pub fn fill_books(&mut self, out: &mut MarketOut) {
        for row in 0..self.listings.len() {
            for turn in 0..MAKERS * LEVELS * 2 {
                let side = if turn % 2 == 0 { Side::Buy } else { Side::Sell };
                let listing = &mut self.listings[row];
                let action = listing.agents.quote(turn / 2 % MAKERS, side, &listing.book, &mut listing.dice);
                if let Some(action) = action {
                    self.act(row, action, out);
                }
            }
        }
    }

    /// Advances the background flow to `elapsed_ns` after the open: as many messages as the rate has by then, less
    /// what was already sent, at most [`FLOW_BATCH_MAX`].
    pub fn flow(&mut self, elapsed_ns: u64, out: &mut MarketOut) {
        let target = (u128::from(elapsed_ns) * u128::from(self.rate) / 1_000_000_000) as u64;
        // After a stall the backlog is forgotten beyond a second: a burst of minutes would drown every receiver.
        self.flow_messages = self.flow_messages.max(target.saturating_sub(u64::from(self.rate)));
        let goal = target.min(self.flow_messages + FLOW_BATCH_MAX);
        let mut idle = 0;
        while self.flow_messages < goal && idle < 64 {
            let row = self.dice.below(self.listings.len() as u32) as usize;
            let listing = &mut self.listings[row];
            listing.agents.fair.advance(elapsed_ns, &mut listing.dice);
            let before = out.events.len();
            if let Some(action) = listing.agents.decide(&listing.book, &mut listing.dice) {
                self.act(row, action, out);
            }
            let made = (out.events.len() - before) as u64;
            self.flow_messages += made;
            idle = if made == 0 { idle + 1 } else { 0 };
        }
    }

    /// Takes a new order of the account: it trades with what it crosses, the rest is booked or canceled.
    pub fn enter(&mut self, order: &NewOrder, out: &mut MarketOut) -> Placed {
        let reference = self.numbers.reference();
        let taken =
            self.trade(order.row, order.side, order.price, order.shares, Owner::Account(order.user_ref_num), out);
        let rests = !order.immediate && taken.prevented.is_none();
        let resting = if rests { taken.left } else { 0 };
        if resting > 0 {
            let owner = Owner::Account(order.user_ref_num);
            let resting = Order { reference, owner, side: order.side, price: order.price, shares: resting };
            self.book_order(order.row, resting, out);
        }
        Placed { reference, resting, canceled: taken.left - resting, prevented: taken.prevented }
    }

    /// Replaces a resting order of the account by `order`, which loses priority and may trade at once.
    pub fn replace(&mut self, original: u64, order: &NewOrder, out: &mut MarketOut) -> Placed {
        let book = &mut self.listings[order.row].book;
        let contra = book.best(order.side.opposite());
        let passive = contra.is_none_or(|(price, _)| !crosses(order.side, order.price, price));
        if !passive || order.immediate {
            self.cancel(order.row, original, out);
            return self.enter(order, out);
        }
        book.remove(original);
        let reference = self.numbers.reference();
        let (row, shares, price) = (order.row, order.shares, order.price);
        let owner = Owner::Account(order.user_ref_num);
        book.rest(Order { reference, owner, side: order.side, price, shares });
        out.events.push(MarketEvent::Replace { row, original, reference, shares, price });
        Placed { reference, resting: shares, canceled: 0, prevented: None }
    }

    /// Removes a resting order; returns the shares it had left.
    pub fn cancel(&mut self, row: usize, reference: u64, out: &mut MarketOut) -> Option<u32> {
        let order = self.listings[row].book.remove(reference)?;
        out.events.push(MarketEvent::Delete { row, reference });
        Some(order.shares)
    }

    /// Takes shares off a resting order; at all of them it is removed.
    pub fn reduce(&mut self, row: usize, reference: u64, shares: u32, out: &mut MarketOut) -> Option<u32> {
        let book = &mut self.listings[row].book;
        if book.order(reference)?.shares <= shares {
            return self.cancel(row, reference, out);
        }
        let by = book.reduce(reference, shares)?;
        out.events.push(MarketEvent::Cancel { row, reference, shares: by });
        Some(by)
    }

    fn act(&mut self, row: usize, action: Action, out: &mut MarketOut) {
        match action {
            Action::Add { maker, side, price, shares } => {
                let reference = self.numbers.reference();
                let owner = Owner::Maker(maker as u8);
                self.book_order(row, Order { reference, owner, side, price, shares }, out);
                self.listings[row].agents.resting(maker, side, reference);
            }
            Action::Move { maker, reference: original, price, shares } => {
                let listing = &mut self.listings[row];
                let Some(old) = listing.book.remove(original) else { return };
                let reference = self.numbers.reference();
                listing.book.rest(Order { reference, price, shares, ..old });
                listing.agents.resting(maker, old.side, reference);
                out.events.push(MarketEvent::Replace { row, original, reference, shares, price });
            }
            Action::Reduce { reference, shares } => {
                self.reduce(row, reference, shares, out);
            }
            Action::Cancel { reference } => {
                self.cancel(row, reference, out);
            }
            Action::Take { side, limit, shares } => {
                self.trade(row, side, limit, shares, Owner::Taker, out);
            }
        }
    }

    fn book_order(&mut self, row: usize, order: Order, out: &mut MarketOut) {
        self.listings[row].book.rest(order);
        let Order { reference, side, shares, price, .. } = order;
        out.events.push(MarketEvent::Add { row, reference, side, shares, price });
    }

    /// Trades an incoming order and reports both sides of each trade.
    fn trade(&mut self, row: usize, side: Side, limit: u32, shares: u32, owner: Owner, out: &mut MarketOut) -> Taken {
        self.fills.clear();
        let taken = self.listings[row].book.take(side, limit, shares, owner, &mut self.fills);
        for fill in &self.fills {
            let match_number = self.numbers.match_number();
            let Fill { reference, price, shares, .. } = *fill;
            out.events.push(MarketEvent::Executed { row, reference, shares, match_number });
            let parties = [(owner, true), (fill.owner, false)];
            out.executions.extend(parties.into_iter().filter_map(|(party, aggressor)| match party {
                Owner::Account(user_ref_num) => {
                    Some(Execution { user_ref_num, price, shares, match_number, aggressor })
                }
                Owner::Maker(_) | Owner::Taker => None,
            }));
        }
        taken
    }
}
