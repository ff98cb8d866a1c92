//! The venue's side of the feed: books of two bids and one ask, as MoldUDP64 packets of one message each.

use super::INSTRUMENTS;
use protocols::Alpha;
use protocols::itch::{
    AddOrderRepr, LENGTH_MAX, OrderDeleteRepr, Repr, Stock, StockDirectoryRepr, StockTradingActionRepr,
};
use protocols::moldudp64::{PAYLOAD_MAX, PacketBuilder, Session};

/// Ask, best bid, and the bid below it, in ITCH's four decimals.
const ASK: u32 = 1_000_100;
const BID: u32 = 999_900;
const BID_BELOW: u32 = 990_000;
/// How far the ask swings while the window fills.
const SWING: u32 = 200;
/// Shares of every order.
const SHARES: u32 = 100;

/// A venue that numbers its messages and its orders.
#[derive(Debug)]
pub struct Venue {
    sequence: u64,
    reference: u64,
    /// References of each instrument's best bid and ask.
    bids: Vec<u64>,
    asks: Vec<u64>,
}

impl Default for Venue {
    fn default() -> Self {
        let none = vec![0; INSTRUMENTS as usize];
        Self { sequence: 1, reference: 0, bids: none.clone(), asks: none }
    }
}

/// Symbol of an instrument.
pub fn symbol(row: u32) -> String {
    format!("SYM{row:02}")
}

/// The same as the venue's field has it.
pub fn stock(row: u32) -> Stock {
    Alpha::padded(symbol(row).as_bytes()).expect("five characters")
}

impl Venue {
    /// Directory, trading, and the books.
    pub fn opening(&mut self) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        for row in 0..INSTRUMENTS {
            lines.push(self.packet(&Repr::StockDirectory(directory(row))));
            lines.push(self.packet(&Repr::StockTradingAction(trading(row))));
            self.add(row, b'B', BID_BELOW, &mut lines);
            self.bids[row as usize] = self.add(row, b'B', BID, &mut lines);
            self.asks[row as usize] = self.add(row, b'S', ASK, &mut lines);
        }
        lines
    }

    /// Every ask moves away, or back.
    pub fn swing(&mut self, away: bool) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        for row in 0..INSTRUMENTS {
            let left = self.asks[row as usize];
            self.asks[row as usize] = self.add(row, b'S', if away { ASK + SWING } else { ASK }, &mut lines);
            self.delete(row, left, &mut lines);
        }
        lines
    }

    /// The best bid of each instrument leaves.
    pub fn bids_leave(&mut self) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        for row in 0..INSTRUMENTS {
            self.delete(row, self.bids[row as usize], &mut lines);
        }
        lines
    }

    /// It comes back.
    pub fn bids_return(&mut self) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        for row in 0..INSTRUMENTS {
            self.bids[row as usize] = self.add(row, b'B', BID, &mut lines);
        }
        lines
    }

    fn add(&mut self, row: u32, side: u8, price: u32, lines: &mut Vec<Vec<u8>>) -> u64 {
        self.reference += 1;
        let order_reference_number = self.reference;
        lines.push(self.packet(&Repr::AddOrder(AddOrderRepr {
            stock_locate: row as u16 + 1,
            tracking_number: 0,
            timestamp_ns: self.sequence,
            order_reference_number,
            side,
            shares: SHARES,
            stock: stock(row),
            price,
        })));
        order_reference_number
    }

    fn delete(&mut self, row: u32, order_reference_number: u64, lines: &mut Vec<Vec<u8>>) {
        let (stock_locate, tracking_number, timestamp_ns) = (row as u16 + 1, 0, self.sequence);
        let gone = OrderDeleteRepr { stock_locate, tracking_number, timestamp_ns, order_reference_number };
        lines.push(self.packet(&Repr::OrderDelete(gone)));
    }

    /// The next packet of the session.
    fn packet(&mut self, repr: &Repr) -> Vec<u8> {
        let (mut message, mut out) = ([0; LENGTH_MAX], [0; PAYLOAD_MAX]);
        let length = repr.encode_into(&mut message).expect("a valid message");
        let session = Session::padded(b"BENCH").expect("a short name");
        let mut builder = PacketBuilder::new(&mut out, session, self.sequence).expect("room");
        assert!(builder.push(&message[..length]), "one message fits");
        self.sequence += 1;
        builder.finish().to_vec()
    }
}

fn directory(row: u32) -> StockDirectoryRepr {
    StockDirectoryRepr {
        stock_locate: row as u16 + 1,
        tracking_number: 0,
        timestamp_ns: 1,
        stock: stock(row),
        market_category: b'Q',
        financial_status: b'N',
        round_lot_size: 100,
        round_lots_only: b'N',
        issue_classification: b'C',
        issue_sub_type: Alpha(*b"Z "),
        authenticity: b'P',
        short_sale_threshold: b'N',
        ipo_flag: b'N',
        luld_reference_price_tier: b'1',
        etp_flag: b'N',
        etp_leverage_factor: 0,
        inverse_indicator: b'N',
    }
}

fn trading(row: u32) -> StockTradingActionRepr {
    StockTradingActionRepr {
        stock_locate: row as u16 + 1,
        tracking_number: 0,
        timestamp_ns: 1,
        stock: stock(row),
        trading_state: b'T',
        reserved: b' ',
        reason: Alpha(*b"    "),
    }
}
