//! What goes into a book and what comes out: capacities, changes, levels, errors. No behaviour.

use shm_layout::types::{InstrumentId, Price, Qty, Side};
use std::fmt;

/// What a book has room for. Nothing grows: one more is [`Error::Capacity`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Capacity {
    /// Live orders of the whole channel.
    pub orders: usize,
    /// Price levels in use at once, over all instruments and both sides.
    pub levels: usize,
    /// Rows of the instrument table: ids `0..instruments`.
    pub instruments: usize,
}

impl Capacity {
    /// The stated size of one channel's session: 200,000 live orders of 2 million messages.
    pub const SESSION: Self = Self { orders: 200_000, levels: 100_000, instruments: 1024 };
}

/// Why an operation was refused. The book is as it was before.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Error {
    /// The reference names no live order.
    UnknownReference,
    /// The new reference names a live order.
    DuplicateReference,
    /// An execution or cancel of more than the order has left.
    OverExecution,
    /// No room: orders, levels, or an instrument id that is not a row of the table.
    Capacity,
    /// A price or quantity that is not positive, or a level's total over 63 bits.
    NotRepresentable,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownReference => "the reference names no live order",
            Self::DuplicateReference => "the reference names a live order already",
            Self::OverExecution => "more than the order's remaining quantity",
            Self::Capacity => "the book's capacity is exhausted",
            Self::NotRepresentable => "a price, a quantity or a level's total is not representable",
        })
    }
}

impl std::error::Error for Error {}

/// The new state of the level that an operation touched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Change {
    /// Whose book.
    pub instrument: InstrumentId,
    /// Which side of it.
    pub side: Side,
    /// The level, in 1e-8; for an execution also the displayed price that it happened at.
    pub price: Price,
    /// Displayed quantity left at the level; zero when the level is gone.
    pub level_qty: Qty,
    /// Orders left at the level.
    pub level_orders: u32,
    /// The side's best price or its quantity is not what it was before the operation.
    pub bbo_changed: bool,
}

/// The changes of a replace: the old level and then the new one, or one change when they are the same or the new
/// quantity is zero. `bbo_changed` is the same in both: it compares before and after the whole operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Changes {
    /// The level that the old order left.
    pub first: Change,
    /// The level that the new order joined, when it is another one.
    pub second: Option<Change>,
}

impl Changes {
    /// The one or two changes, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Change> {
        std::iter::once(&self.first).chain(self.second.as_ref())
    }
}

/// One price level.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Level {
    /// Its price, in 1e-8 of the quote currency.
    pub price: Price,
    /// Displayed quantity at it, in 1e-8 of the instrument's unit.
    pub qty: Qty,
    /// Orders at it.
    pub orders: u32,
}

/// Best bid and offer; `None` for an empty side.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Bbo {
    /// Highest bid.
    pub bid: Option<Level>,
    /// Lowest ask.
    pub ask: Option<Level>,
}

impl Bbo {
    /// Best bid at or above best ask.
    #[must_use]
    pub fn is_crossed(&self) -> bool {
        matches!((self.bid, self.ask), (Some(bid), Some(ask)) if bid.price >= ask.price)
    }

    /// The best level of one side.
    #[must_use]
    pub const fn side(&self, side: Side) -> Option<Level> {
        match side {
            Side::Buy => self.bid,
            Side::Sell => self.ask,
        }
    }
}
