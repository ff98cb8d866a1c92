//! Trades that no displayed order explains, crosses, and broken trades. None of them touches a book.

use super::Stock;

itch_message! {
    /// `P`, trade against a non-displayed order.
    trade: Trade, TradeRepr = b'P', 44 {
        /// Reference number of the hidden order (0 in recent years).
        ORDER_REFERENCE_NUMBER 11..19 => order_reference_number: u64,
        /// Side of the hidden order: B buy, S sell (always B in recent years).
        SIDE 19..20 => side: u8,
        /// Shares traded.
        SHARES 20..24 => shares: u32,
        /// Symbol.
        STOCK 24..32 => stock: Stock,
        /// Trade price, 4 decimals.
        PRICE 32..36 => price: u32,
        /// Match number of the day, as in `B`.
        MATCH_NUMBER 36..44 => match_number: u64,
    }
}

itch_message! {
    /// `Q`, cross trade: the bulk print of an auction.
    cross_trade: CrossTrade, CrossTradeRepr = b'Q', 40 {
        /// Shares matched in the cross.
        SHARES 11..19 => shares: u64,
        /// Symbol.
        STOCK 19..27 => stock: Stock,
        /// Cross price, 4 decimals.
        CROSS_PRICE 27..31 => cross_price: u32,
        /// Match number of the day, as in `B`.
        MATCH_NUMBER 31..39 => match_number: u64,
        /// O opening, C closing, H reopening or new issue.
        CROSS_TYPE 39..40 => cross_type: u8,
    }
}

itch_message! {
    /// `B`, broken trade: the execution of this match number never happened.
    broken_trade: BrokenTrade, BrokenTradeRepr = b'B', 19 {
        /// Match number of the execution that is void.
        MATCH_NUMBER 11..19 => match_number: u64,
    }
}
