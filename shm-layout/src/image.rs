//! The market image: beside its ring, a feed handler keeps the present state of every instrument, so that a reader that
//! was lapped or restarted reloads it, and risk takes its references from it.
//!
//! One entry per instrument, 256 bytes under the slot protocol (8-byte stamp, then this payload):
//!
//! ```text
//! 0     validity          u8   BookValidity
//! 1     trading_status    u8   TradingStatus
//! 2     bid_count         u8   bid levels used
//! 3     ask_count         u8   ask levels used
//! 4     instrument_id     u32
//! 8     channel_sequence  u64  last sequence that changed the entry
//! 16    exchange_ns       u64  its venue stamp, ns since the venue's midnight
//! 24    receive_ns        u64  its kernel receive stamp
//! 32    last_px           i64  last trade
//! 40    last_qty          i64
//! 48    reset_count       u64  BookResets of this instrument
//! 56    bids              [(price i64, qty i64); 6]  best first, unused zero
//! 152   asks              [(price i64, qty i64); 6]
//! ```

use crate::types::{BookValidity, InstrumentId, Nanos, Price, Qty, Side, TradingStatus};
use std::mem::{offset_of, size_of};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Levels per side in an entry.
pub const IMAGE_LEVELS: usize = 6;
/// Words of an entry's payload.
pub const IMAGE_WORDS: usize = 31;

/// A price level.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Level {
    /// Price, 0 when unused.
    pub price: Price,
    /// Displayed quantity.
    pub qty: Qty,
}

/// The present state of one instrument.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct ImageEntry {
    /// [`BookValidity`].
    pub validity: u8,
    /// [`TradingStatus`].
    pub trading_status: u8,
    /// Bid levels used.
    pub bid_count: u8,
    /// Ask levels used.
    pub ask_count: u8,
    /// Row of the instrument table.
    pub instrument_id: InstrumentId,
    /// Last channel sequence that changed the entry.
    pub channel_sequence: u64,
    /// Its venue stamp, nanoseconds since the venue's midnight.
    pub exchange_ns: u64,
    /// Its kernel receive stamp.
    pub receive_ns: Nanos,
    /// Price of the last trade, 0 = none.
    pub last_px: Price,
    /// Quantity of the last trade.
    pub last_qty: Qty,
    /// BookResets of this instrument.
    pub reset_count: u64,
    /// Best first.
    pub bids: [Level; IMAGE_LEVELS],
    /// Best first.
    pub asks: [Level; IMAGE_LEVELS],
}

const _: () = {
    assert!(size_of::<ImageEntry>() == IMAGE_WORDS * 8);
    assert!(offset_of!(ImageEntry, channel_sequence) == 8);
    assert!(offset_of!(ImageEntry, bids) == 56);
    assert!(offset_of!(ImageEntry, asks) == 152);
};

impl ImageEntry {
    /// Validity; `Unknown` for a byte that is none of the table's.
    #[must_use]
    pub fn validity(&self) -> BookValidity {
        BookValidity::from_u8(self.validity).unwrap_or(BookValidity::Unknown)
    }

    /// Trading status; `Unknown` for a byte that is none of the table's.
    #[must_use]
    pub fn trading_status(&self) -> TradingStatus {
        TradingStatus::from_u8(self.trading_status).unwrap_or(TradingStatus::Unknown)
    }

    /// The used levels of a side, best first; a count over the array is cut to it.
    #[must_use]
    pub fn levels(&self, side: Side) -> &[Level] {
        let (levels, count) = match side {
            Side::Buy => (&self.bids, self.bid_count),
            Side::Sell => (&self.asks, self.ask_count),
        };
        &levels[..usize::from(count).min(IMAGE_LEVELS)]
    }
}
