//! Nasdaq TotalView-ITCH 5.0: the 23 message types of the full order-by-order feed.
//!
//! Big-endian; text left-justified and space-padded; every message begins with
//!
//! ```text
//! 0        1              3                5                 11
//! | type/1 | stock locate/2 | tracking number/2 | timestamp ns/6 | body …
//! ```
//!
//! Prices are unsigned integers with 4 decimals (levels of the market-wide circuit breaker: 8), shares are whole
//! shares, times are nanoseconds since midnight US Eastern. A message is decoded by its framed length: unknown types
//! and longer known types are tolerated, a known type shorter than its table is malformed.
//!
//! This module never keeps a book, a directory or a session, and never judges values: an unknown side is the
//! caller's to refuse.

/// A message of the feed: the header's three fields are added to the table of its body.
macro_rules! itch_message {
    (
        $(#[$doc:meta])*
        $module:ident: $view:ident, $repr:ident = $type:literal, $length:literal { $($fields:tt)* }
    ) => {
        fixed_message! {
            $(#[$doc])*
            $module: $view, $repr = $type, $length {
                /// Locate code of the instrument, valid for one day; 0 for market-wide messages.
                STOCK_LOCATE 1..3 => stock_locate: u16,
                /// Nasdaq's internal tracking number.
                TRACKING_NUMBER 3..5 => tracking_number: u16,
                /// Nanoseconds since midnight US Eastern (48 bits).
                TIMESTAMP_NS 5..11 => timestamp_ns: u64,
                $($fields)*
            }
        }
    };
}

mod auction;
pub mod binary_file;
mod orders;
mod system;
mod trades;

use crate::{Alpha, Wire};
pub use auction::*;
pub use orders::*;
pub use system::*;
pub use trades::*;

/// A symbol, as `stock` fields hold it.
pub type Stock = Alpha<8>;
/// A market participant's four-letter id (`attribution` of an order).
pub type Mpid = Alpha<4>;

/// Longest message of the table, in bytes (`I`).
pub const LENGTH_MAX: usize = 50;

/// What every message begins with, also one of an unknown type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Locate code of the instrument, valid for one day; 0 for market-wide messages.
    pub stock_locate: u16,
    /// Nasdaq's internal tracking number.
    pub tracking_number: u16,
    /// Nanoseconds since midnight US Eastern.
    pub timestamp_ns: u64,
}

impl Header {
    /// Bytes of the header, type included.
    pub const LENGTH: usize = 11;

    /// The header of a whole message; `None` when it is shorter than one.
    #[inline]
    #[must_use]
    pub fn read(message: &[u8]) -> Option<Self> {
        // The offsets are the same in every message: one table stands for all.
        use system_event::field;
        let header: &[u8; Self::LENGTH] = message.first_chunk()?;
        Some(Self {
            stock_locate: u16::read(&header[field::STOCK_LOCATE]),
            tracking_number: u16::read(&header[field::TRACKING_NUMBER]),
            timestamp_ns: u64::read(&header[field::TIMESTAMP_NS]),
        })
    }
}

message_enum! {
    /// One message of the feed.
    Message, Repr {
        SystemEvent(SystemEventRepr),
        StockDirectory(StockDirectoryRepr),
        StockTradingAction(StockTradingActionRepr),
        RegShoRestriction(RegShoRestrictionRepr),
        MarketParticipantPosition(MarketParticipantPositionRepr),
        MwcbDeclineLevel(MwcbDeclineLevelRepr),
        MwcbStatus(MwcbStatusRepr),
        IpoQuotingPeriod(IpoQuotingPeriodRepr),
        LuldAuctionCollar(LuldAuctionCollarRepr),
        OperationalHalt(OperationalHaltRepr),
        AddOrder(AddOrderRepr),
        AddOrderMpid(AddOrderMpidRepr),
        OrderExecuted(OrderExecutedRepr),
        OrderExecutedWithPrice(OrderExecutedWithPriceRepr),
        OrderCancel(OrderCancelRepr),
        OrderDelete(OrderDeleteRepr),
        OrderReplace(OrderReplaceRepr),
        Trade(TradeRepr),
        CrossTrade(CrossTradeRepr),
        BrokenTrade(BrokenTradeRepr),
        Noii(NoiiRepr),
        RetailPriceImprovement(RetailPriceImprovementRepr),
        DirectListing(DirectListingRepr),
    }
}

/// Shortest whole message of a known type, in bytes; `None` for an unknown type.
#[must_use]
pub const fn min_length(message_type: u8) -> Option<usize> {
    Message::min_length(message_type)
}
