//! Messages about the day, the market and an instrument's status. None of them touches a book.

use super::{Mpid, Stock};
use crate::Alpha;

itch_message! {
    /// `S`, system event: the feed's day.
    system_event: SystemEvent, SystemEventRepr = b'S', 12 {
        /// O start of messages, S start of system hours, Q start of market hours, M end of market hours, E end of
        /// system hours, C end of messages.
        EVENT_CODE 11..12 => event_code: u8,
    }
}

itch_message! {
    /// `R`, stock directory: sent for every instrument before the open; binds the locate code to the symbol.
    stock_directory: StockDirectory, StockDirectoryRepr = b'R', 39 {
        /// Symbol.
        STOCK 11..19 => stock: Stock,
        /// Listing market and tier.
        MARKET_CATEGORY 19..20 => market_category: u8,
        /// Financial status of the issuer.
        FINANCIAL_STATUS 20..21 => financial_status: u8,
        /// Shares in a round lot.
        ROUND_LOT_SIZE 21..25 => round_lot_size: u32,
        /// Y: only round lots are accepted.
        ROUND_LOTS_ONLY 25..26 => round_lots_only: u8,
        /// Security class.
        ISSUE_CLASSIFICATION 26..27 => issue_classification: u8,
        /// Security sub-type.
        ISSUE_SUB_TYPE 27..29 => issue_sub_type: Alpha<2>,
        /// P production, T test.
        AUTHENTICITY 29..30 => authenticity: u8,
        /// Whether a short sale threshold applies (Y, N, space).
        SHORT_SALE_THRESHOLD 30..31 => short_sale_threshold: u8,
        /// Whether it is a new issue (Y, N, space).
        IPO_FLAG 31..32 => ipo_flag: u8,
        /// Limit-up-limit-down tier (1, 2, space).
        LULD_REFERENCE_PRICE_TIER 32..33 => luld_reference_price_tier: u8,
        /// Whether it is an exchange-traded product (Y, N, space).
        ETP_FLAG 33..34 => etp_flag: u8,
        /// Leverage of the product, as a whole multiple.
        ETP_LEVERAGE_FACTOR 34..38 => etp_leverage_factor: u32,
        /// Y: inverse product.
        INVERSE_INDICATOR 38..39 => inverse_indicator: u8,
    }
}

itch_message! {
    /// `H`, stock trading action. A symbol absent from the spin before the open is to be treated as halted.
    stock_trading_action: StockTradingAction, StockTradingActionRepr = b'H', 25 {
        /// Symbol.
        STOCK 11..19 => stock: Stock,
        /// H halted, P paused, Q quotation only, T trading.
        TRADING_STATE 19..20 => trading_state: u8,
        /// Reserved.
        RESERVED 20..21 => reserved: u8,
        /// Reason of the action.
        REASON 21..25 => reason: Alpha<4>,
    }
}

itch_message! {
    /// `Y`, Reg SHO short sale price test restriction.
    reg_sho_restriction: RegShoRestriction, RegShoRestrictionRepr = b'Y', 20 {
        /// Symbol.
        STOCK 11..19 => stock: Stock,
        /// 0 none, 1 in effect since an intraday drop, 2 remains in effect.
        REG_SHO_ACTION 19..20 => reg_sho_action: u8,
    }
}

itch_message! {
    /// `L`, market participant position.
    market_participant_position: MarketParticipantPosition, MarketParticipantPositionRepr = b'L', 26 {
        /// Market participant.
        MPID 11..15 => mpid: Mpid,
        /// Symbol.
        STOCK 15..23 => stock: Stock,
        /// Y: primary market maker.
        PRIMARY_MARKET_MAKER 23..24 => primary_market_maker: u8,
        /// Quoting mode.
        MARKET_MAKER_MODE 24..25 => market_maker_mode: u8,
        /// Registration state.
        MARKET_PARTICIPANT_STATE 25..26 => market_participant_state: u8,
    }
}

itch_message! {
    /// `V`, the day's levels of the market-wide circuit breaker.
    mwcb_decline_level: MwcbDeclineLevel, MwcbDeclineLevelRepr = b'V', 35 {
        /// Level 1, 8 decimals.
        LEVEL_1 11..19 => level_1: u64,
        /// Level 2, 8 decimals.
        LEVEL_2 19..27 => level_2: u64,
        /// Level 3, 8 decimals.
        LEVEL_3 27..35 => level_3: u64,
    }
}

itch_message! {
    /// `W`, the market-wide circuit breaker was breached.
    mwcb_status: MwcbStatus, MwcbStatusRepr = b'W', 12 {
        /// Level reached: 1, 2 or 3, as a digit.
        BREACHED_LEVEL 11..12 => breached_level: u8,
    }
}

itch_message! {
    /// `K`, quotation release of a new issue.
    ipo_quoting_period: IpoQuotingPeriod, IpoQuotingPeriodRepr = b'K', 28 {
        /// Symbol.
        STOCK 11..19 => stock: Stock,
        /// Release time, seconds since midnight US Eastern.
        RELEASE_TIME_S 19..23 => release_time_s: u32,
        /// A anticipated, C cancelled or postponed.
        RELEASE_QUALIFIER 23..24 => release_qualifier: u8,
        /// Price of the issue, 4 decimals.
        IPO_PRICE 24..28 => ipo_price: u32,
    }
}

itch_message! {
    /// `J`, collar of an auction that reopens a stock after a limit-up-limit-down pause.
    luld_auction_collar: LuldAuctionCollar, LuldAuctionCollarRepr = b'J', 35 {
        /// Symbol.
        STOCK 11..19 => stock: Stock,
        /// Reference price, 4 decimals.
        REFERENCE_PRICE 19..23 => reference_price: u32,
        /// Upper collar, 4 decimals.
        UPPER_PRICE 23..27 => upper_price: u32,
        /// Lower collar, 4 decimals.
        LOWER_PRICE 27..31 => lower_price: u32,
        /// Number of extensions so far.
        EXTENSION 31..35 => extension: u32,
    }
}

itch_message! {
    /// `h`, operational halt of one market; other markets may go on trading the symbol.
    operational_halt: OperationalHalt, OperationalHaltRepr = b'h', 21 {
        /// Symbol.
        STOCK 11..19 => stock: Stock,
        /// Q Nasdaq, B BX, X PSX.
        MARKET_CODE 19..20 => market_code: u8,
        /// H halted, T resumed.
        ACTION 20..21 => action: u8,
    }
}
