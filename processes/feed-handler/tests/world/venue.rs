//! A venue's day as plain values, its bytes, and what a naive book says must be published of it.

use super::Random;
use book::naive::NaiveBook;
use book::{Capacity, Change};
use protocols::itch::*;
use shm_layout::message::market_data::{MarketData, MarketDataKind as Kind};
use shm_layout::types::{InstrumentId, Price, Qty, Side, UNITS};

/// Symbol and row of the host's table; the third is at the venue only.
pub const SYMBOLS: [(&[u8], u32); 3] = [(b"AAPL", 7), (b"MSFT", 3), (b"ZVZZT", 99)];

pub fn stock(symbol: &[u8]) -> Stock {
    Stock::padded(symbol).unwrap()
}

/// Locate code of a symbol in the tests' sessions.
pub const fn locate(symbol: usize) -> u16 {
    symbol as u16 + 10
}

/// One published fact: `(sequence, kind, instrument, side, price, qty, detail)`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Event(pub u64, pub u8, pub u32, pub u8, pub i64, pub i64, pub u32);

impl Event {
    /// Of a message about one instrument; not of resets and channel states.
    pub fn of(message: &MarketData) -> Option<Self> {
        let h = message.header();
        let (price, qty) = match message {
            MarketData::TopOfBook(m) => (m.price.0, m.qty.0),
            MarketData::DepthChange(m) => (m.price.0, m.qty.0),
            MarketData::Trade(m) => (m.price.0, m.qty.0),
            MarketData::TradingStatus(_) | MarketData::BookStatus(_) => (0, 0),
            MarketData::BookReset(_) | MarketData::ChannelStatus(_) => return None,
        };
        Some(Self(h.channel_sequence, h.kind, h.instrument_id.0, h.side, price, qty, h.detail))
    }
}

/// A day: message `n` has sequence `n + 1`.
#[derive(Clone, Debug)]
pub struct Venue {
    pub messages: Vec<Vec<u8>>,
    /// What must be published, in order.
    pub expected: Vec<Event>,
    pub book: NaiveBook,
}

fn price(price: u32) -> Price {
    Price(i64::from(price) * 10_000)
}

fn qty(shares: u32) -> Qty {
    Qty(i64::from(shares) * UNITS)
}

pub fn side(side: u8) -> Side {
    if side == b'B' { Side::Buy } else { Side::Sell }
}

impl Venue {
    pub fn new() -> Self {
        let capacity = Capacity { orders: 100_000, levels: 100_000, instruments: 2 };
        Self { messages: Vec::new(), expected: Vec::new(), book: NaiveBook::new(capacity) }
    }

    /// The directory, and trading begins.
    pub fn opened() -> Self {
        let mut venue = Self::new();
        venue.push(&Repr::SystemEvent(SystemEventRepr {
            stock_locate: 0,
            tracking_number: 0,
            timestamp_ns: 1,
            event_code: b'O',
        }));
        for symbol in 0..3 {
            venue.push(&directory(symbol));
        }
        for symbol in 0..3 {
            venue.push(&trading_action(symbol, b'T'));
        }
        venue
    }

    /// A random day of valid messages: bids below 100, asks above.
    pub fn random(seed: u64, count: usize) -> Self {
        let mut random = Random(seed);
        let mut venue = Self::opened();
        let mut reference = 1000;
        for _ in 0..count {
            reference += 1;
            let symbol = random.below(3) as usize;
            let (side, base) = if random.percent(50) { (b'B', 990_000) } else { (b'S', 1_000_100) };
            let limit = base + 100 * random.below(12) as u32;
            let shares = 1 + random.below(500) as u32;
            let live: Vec<_> = venue.book.orders.iter().map(|(r, o)| (*r, *o)).collect();
            if live.is_empty() || random.percent(45) {
                venue.push(&add(symbol, reference, side, shares, limit));
                continue;
            }
            let (old, order) = live[random.below(live.len() as u64) as usize];
            let symbol = order.instrument.index();
            let left = (order.qty.0 / UNITS) as u32;
            let part = 1 + random.below(u64::from(left)) as u32;
            let base = if order.side == Side::Buy { 990_000 } else { 1_000_100 };
            let limit = base + 100 * random.below(12) as u32;
            venue.push(&match random.below(8) {
                0 => executed(symbol, old, part),
                1 => executed_with_price(symbol, old, part, b'Y', 995_000),
                2 => executed_with_price(symbol, old, part, b'N', 995_000),
                3 => cancel(symbol, old, part),
                4 => delete(symbol, old),
                5 => trade(symbol, b'B', part, 999_900),
                6 => trading_action(symbol, b"HPQT"[random.below(4) as usize]),
                _ => replace(symbol, old, reference, shares, limit),
            });
        }
        venue
    }

    /// One more than the last sequence.
    pub fn next_sequence(&self) -> u64 {
        self.messages.len() as u64 + 1
    }

    /// Appends a message, and what must be published of it.
    pub fn push(&mut self, message: &Repr) {
        let mut bytes = vec![0; LENGTH_MAX];
        let length = message.encode_into(&mut bytes).unwrap();
        bytes.truncate(length);
        self.messages.push(bytes);
        self.expect(message);
    }

    fn event(&mut self, kind: Kind, symbol: usize, side: u8, price: Price, qty: Qty, detail: u32) {
        let id = SYMBOLS[symbol].1;
        self.expected.push(Event(self.messages.len() as u64, kind as u8, id, side, price.0, qty.0, detail));
    }

    fn changed(&mut self, symbol: usize, changes: &[Change]) {
        for c in changes {
            self.event(Kind::DepthChange, symbol, c.side as u8, c.price, c.level_qty, c.level_orders);
        }
        if changes[0].bbo_changed {
            let side = changes[0].side;
            let best = self.book.bbo(InstrumentId(symbol as u32)).side(side).unwrap_or_default();
            self.event(Kind::TopOfBook, symbol, side as u8, best.price, best.qty, 0);
        }
    }

    /// The model: the rules of ITCH on a naive book. Only the first two symbols are in the host's table.
    fn expect(&mut self, message: &Repr) {
        let symbol = |locate: u16| usize::from(locate).wrapping_sub(10);
        match *message {
            Repr::StockDirectory(m) if symbol(m.stock_locate) < 2 => {
                self.event(Kind::BookStatus, symbol(m.stock_locate), 0, Price(0), Qty(0), 0);
            }
            Repr::StockTradingAction(m) if symbol(m.stock_locate) < 2 => {
                let reason = u32::from_le_bytes(*b"T1  ");
                self.event(Kind::TradingStatus, symbol(m.stock_locate), 0, Price(0), Qty(0), reason);
            }
            Repr::AddOrder(m) if symbol(m.stock_locate) < 2 => {
                let i = InstrumentId(symbol(m.stock_locate) as u32);
                let reference = m.order_reference_number;
                let change = self.book.add(reference, i, side(m.side), price(m.price), qty(m.shares)).unwrap();
                self.changed(i.index(), &[change]);
            }
            Repr::OrderExecuted(m) => {
                let change = self.book.execute(m.order_reference_number, qty(m.executed_shares)).unwrap();
                let s = symbol(m.stock_locate);
                self.event(Kind::Trade, s, change.side as u8, change.price, qty(m.executed_shares), 0);
                self.changed(s, &[change]);
            }
            Repr::OrderExecutedWithPrice(m) => {
                let change = self.book.execute(m.order_reference_number, qty(m.executed_shares)).unwrap();
                let s = symbol(m.stock_locate);
                if m.printable == b'Y' {
                    let (last_px, last_qty) = (price(m.execution_price), qty(m.executed_shares));
                    self.event(Kind::Trade, s, change.side as u8, last_px, last_qty, 0);
                }
                self.changed(s, &[change]);
            }
            Repr::OrderCancel(m) => {
                let change = self.book.cancel(m.order_reference_number, qty(m.cancelled_shares)).unwrap();
                self.changed(symbol(m.stock_locate), &[change]);
            }
            Repr::OrderDelete(m) => {
                let change = self.book.delete(m.order_reference_number).unwrap();
                self.changed(symbol(m.stock_locate), &[change]);
            }
            Repr::OrderReplace(m) => {
                let (old, new) = (m.original_order_reference_number, m.new_order_reference_number);
                let changes = self.book.replace(old, new, price(m.price), qty(m.shares)).unwrap();
                let changes: Vec<_> = changes.iter().copied().collect();
                self.changed(symbol(m.stock_locate), &changes);
            }
            Repr::Trade(m) if symbol(m.stock_locate) < 2 => {
                let s = symbol(m.stock_locate);
                self.event(Kind::Trade, s, side(m.side) as u8, price(m.price), qty(m.shares), 0);
            }
            _ => {}
        }
    }

    /// A packet of the messages `[from, to)` by sequence.
    pub fn packet(&self, from: u64, to: u64) -> Vec<u8> {
        super::packet(super::SESSION, from, &self.messages[from as usize - 1..to as usize - 1])
    }
}

macro_rules! message {
    ($variant:ident, $repr:ident, $symbol:expr, { $($field:ident: $value:expr),* $(,)? }) => {
        Repr::$variant($repr { stock_locate: locate($symbol), tracking_number: 0, timestamp_ns: 34_200_000_000_000, $($field: $value),* })
    };
}

pub fn directory(symbol: usize) -> Repr {
    message!(StockDirectory, StockDirectoryRepr, symbol, {
        stock: stock(SYMBOLS[symbol].0), market_category: b'Q', financial_status: b'N', round_lot_size: 100,
        round_lots_only: b'N', issue_classification: b'C', issue_sub_type: protocols::Alpha(*b"Z "),
        authenticity: b'P', short_sale_threshold: b'N', ipo_flag: b'N', luld_reference_price_tier: b'1',
        etp_flag: b'N', etp_leverage_factor: 0, inverse_indicator: b'N',
    })
}

pub fn trading_action(symbol: usize, state: u8) -> Repr {
    message!(StockTradingAction, StockTradingActionRepr, symbol, {
        stock: stock(SYMBOLS[symbol].0), trading_state: state, reserved: b' ', reason: protocols::Alpha(*b"T1  "),
    })
}

pub fn add(symbol: usize, reference: u64, side: u8, shares: u32, price: u32) -> Repr {
    message!(AddOrder, AddOrderRepr, symbol, {
        order_reference_number: reference, side: side, shares: shares, stock: stock(SYMBOLS[symbol].0), price: price,
    })
}

pub fn executed(symbol: usize, reference: u64, shares: u32) -> Repr {
    message!(OrderExecuted, OrderExecutedRepr, symbol, {
        order_reference_number: reference, executed_shares: shares, match_number: 1,
    })
}

pub fn executed_with_price(symbol: usize, reference: u64, shares: u32, printable: u8, price: u32) -> Repr {
    message!(OrderExecutedWithPrice, OrderExecutedWithPriceRepr, symbol, {
        order_reference_number: reference, executed_shares: shares, match_number: 1, printable: printable,
        execution_price: price,
    })
}

pub fn cancel(symbol: usize, reference: u64, shares: u32) -> Repr {
    message!(OrderCancel, OrderCancelRepr, symbol, { order_reference_number: reference, cancelled_shares: shares })
}

pub fn delete(symbol: usize, reference: u64) -> Repr {
    message!(OrderDelete, OrderDeleteRepr, symbol, { order_reference_number: reference })
}

pub fn replace(symbol: usize, old: u64, new: u64, shares: u32, price: u32) -> Repr {
    message!(OrderReplace, OrderReplaceRepr, symbol, {
        original_order_reference_number: old, new_order_reference_number: new, shares: shares, price: price,
    })
}

pub fn trade(symbol: usize, side: u8, shares: u32, price: u32) -> Repr {
    message!(Trade, TradeRepr, symbol, {
        order_reference_number: 0, side: side, shares: shares, stock: stock(SYMBOLS[symbol].0), price: price,
        match_number: 1,
    })
}

/// The bytes of a message that the model does not follow.
pub fn bytes_of(message: &Repr) -> Vec<u8> {
    let mut bytes = vec![0; LENGTH_MAX];
    let length = message.encode_into(&mut bytes).unwrap();
    bytes.truncate(length);
    bytes
}
