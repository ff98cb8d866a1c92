//! Auction and indicator messages. None of them touches a book.

use super::Stock;

itch_message! {
    /// `I`, net order imbalance indicator.
    noii: Noii, NoiiRepr = b'I', 50 {
        /// Shares that would pair at the reference price.
        PAIRED_SHARES 11..19 => paired_shares: u64,
        /// Shares left over.
        IMBALANCE_SHARES 19..27 => imbalance_shares: u64,
        /// B buy, S sell, N none, O too few orders.
        IMBALANCE_DIRECTION 27..28 => imbalance_direction: u8,
        /// Symbol.
        STOCK 28..36 => stock: Stock,
        /// Clearing price of cross orders alone, 4 decimals.
        FAR_PRICE 36..40 => far_price: u32,
        /// Clearing price of cross and continuous orders, 4 decimals.
        NEAR_PRICE 40..44 => near_price: u32,
        /// Current reference price, 4 decimals.
        REFERENCE_PRICE 44..48 => reference_price: u32,
        /// O opening, C closing, H halt or new issue.
        CROSS_TYPE 48..49 => cross_type: u8,
        /// Distance of the near price from the reference price, coded.
        PRICE_VARIATION_INDICATOR 49..50 => price_variation_indicator: u8,
    }
}

itch_message! {
    /// `N`, retail price improvement indicator.
    retail_price_improvement: RetailPriceImprovement, RetailPriceImprovementRepr = b'N', 20 {
        /// Symbol.
        STOCK 11..19 => stock: Stock,
        /// B on the buy side, S on the sell side, A on both, N none.
        INTEREST_FLAG 19..20 => interest_flag: u8,
    }
}

itch_message! {
    /// `O`, price discovery of a direct listing with a capital raise.
    direct_listing: DirectListing, DirectListingRepr = b'O', 48 {
        /// Symbol.
        STOCK 11..19 => stock: Stock,
        /// Y: eligible for release.
        OPEN_ELIGIBILITY 19..20 => open_eligibility: u8,
        /// Lowest price of the registration, 4 decimals.
        MINIMUM_PRICE 20..24 => minimum_price: u32,
        /// Highest price of the registration, 4 decimals.
        MAXIMUM_PRICE 24..28 => maximum_price: u32,
        /// Near execution price, 4 decimals.
        NEAR_EXECUTION_PRICE 28..32 => near_execution_price: u32,
        /// When the near execution price was set, nanoseconds since midnight US Eastern.
        NEAR_EXECUTION_TIME_NS 32..40 => near_execution_time_ns: u64,
        /// Lower collar, 4 decimals.
        LOWER_PRICE_RANGE 40..44 => lower_price_range: u32,
        /// Upper collar, 4 decimals.
        UPPER_PRICE_RANGE 44..48 => upper_price_range: u32,
    }
}
